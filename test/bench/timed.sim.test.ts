/** Whether a bench that waits for a stalled server says how long people would have waited. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, expect, it } from 'vitest';
import { createTimed } from '../../bench/support/timed.ts';
import { createClient } from '../../src/demo/client.ts';
import { monotonicMs, sleep } from '../../src/lib/clock.ts';

const SERVER = `
  import { createServer } from 'node:http';
  const server = createServer((incoming, outgoing) => outgoing.end('{}'));
  server.listen(0, '127.0.0.1', () => process.stdout.write(String(server.address().port)));
`;
const STEPS = 40;
const STEP_MS = 100;
const STALL_MS = 2_000;

let stop: (() => void) | undefined;
afterEach(() => stop?.());

it('shows a stalled server in all that was due meanwhile, though one request was sent', async () => {
  const child = spawn(process.execPath, ['--input-type=module', '--eval', SERVER]);
  stop = () => child.kill('SIGKILL');
  const [port] = (await once(child.stdout, 'data')) as [Buffer];
  const client = createClient(`http://127.0.0.1:${port.toString()}`, 'together');
  const call = { method: 'GET', path: '/', address: '127.0.0.1' } as const;
  await client.send(call);

  const { ask, samples, lateMs } = createTimed(client);
  const sentMs: number[] = [];
  const startMs = monotonicMs();
  const stall = async (): Promise<void> => {
    await sleep(3 * STEP_MS);
    child.kill('SIGSTOP');
    await sleep(STALL_MS);
    child.kill('SIGCONT');
  };
  const stalling = stall();
  // One person, whose next request waits for the answer to the last.
  for (let step = 0; step < STEPS; step++) {
    const dueMs = startMs + step * STEP_MS;
    await ask({ phase: 'read', group: 'people', dueMs }, call);
    sentMs.push(monotonicMs());
  }
  await stalling;
  client.close();

  const slow = samples.filter(({ ms }) => ms > STALL_MS / 4);
  // Those that were due in the first three quarters of the stall: fourteen or fifteen at least.
  expect(slow.length).toBeGreaterThanOrEqual(13);
  expect(Math.max(...samples.map(({ ms }) => ms))).toBeGreaterThan(STALL_MS * 0.9);
  // From one answer to the next only one took long: that is what a closed loop would have seen.
  const gaps = sentMs.map((at, index) => at - (sentMs[index - 1] ?? startMs));
  expect(gaps.filter((gap) => gap > STALL_MS / 2)).toHaveLength(1);
  // What waited for an answer is no lateness of the asker.
  expect(lateMs.length).toBeLessThan(STEPS - 5);
});
