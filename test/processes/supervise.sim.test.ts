/** What a supervisor makes of many wishes to replace its processes, and of processes that cannot be. */
import { type ChildProcess, spawn } from 'node:child_process';
import { afterEach, expect, it } from 'vitest';
import { sleep } from '../../src/lib/clock.ts';
import { createLog } from '../../src/log.ts';
import { createLaunch } from '../../src/processes/launch.ts';
import { supervise, type Supervisor } from '../../src/processes/supervise.ts';

/** Says that it is ready, and ends when it is told to. */
const CHILD = "process.send({ tell: 'ready' }); process.on('message', () => undefined)";
const play = (program: string): ChildProcess =>
  spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
const launch = (): ChildProcess => play(CHILD);

let supervisor: Supervisor;
afterEach(() => supervisor.stop());

it('lets one roll wait while another runs, however many are asked for', async () => {
  const plan = { names: ['worker-1'], launch };
  supervisor = supervise(plan, { log: createLog('silent'), onDeath: () => undefined });
  let plansAsked = 0;
  const askForRoll = () =>
    supervisor.roll(() => {
      plansAsked += 1;
      return plan;
    });
  const running = askForRoll();
  await expect.poll(() => plansAsked).toBe(1);
  const others = await Promise.all([running, ...Array.from({ length: 11 }, askForRoll)]);
  expect(others.filter((outcome) => outcome === 'completed')).toHaveLength(2);
  expect(others.filter((outcome) => outcome === 'dropped')).toHaveLength(10);
  expect(plansAsked).toBe(2);
  // None is refused for what was asked before.
  expect(await askForRoll()).toBe('completed');
  expect(supervisor.running()).toHaveLength(1);
});

it('starts nothing again under a name that a roll gave up, while it waited to be', async () => {
  const deaths: string[] = [];
  const started: string[] = [];
  supervisor = supervise(
    { names: ['worker-1', 'worker-2'], launch: (name) => play(name === 'worker-2' ? '' : CHILD) },
    { log: createLog('silent'), onDeath: (name) => deaths.push(name) },
  );
  // The second death: from now on it waits for half a second.
  await expect.poll(() => deaths.length, { timeout: 10_000 }).toBe(2);
  const plan = {
    names: ['worker-1'],
    launch: (name: string) => {
      started.push(name);
      return launch();
    },
  };
  expect(await supervisor.roll(() => plan)).toBe('completed');
  const untilThen = started.length; // it may have been its turn once more during the roll
  await sleep(1_500);
  expect(started.length).toBe(untilThen);
  expect(supervisor.names()).toEqual(['worker-1']);
});

it.each(['server-1', 'worker-1'])('lives on where %s cannot be started at all', async (name) => {
  const deaths: string[] = [];
  const { execPath } = process;
  process.execPath = '/nowhere/node';
  try {
    supervisor = supervise(
      { names: [name], launch: createLaunch({}) },
      { log: createLog('silent'), onDeath: (dead) => deaths.push(dead) },
    );
    await expect.poll(() => deaths.length, { timeout: 10_000 }).toBeGreaterThan(1);
  } finally {
    process.execPath = execPath;
  }
});
