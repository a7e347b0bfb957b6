/** `all`: one scenario after another, each in a process of its own that may die without the others. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, sep } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { monotonicMs } from '../../src/lib/clock.ts';
import type { Answer, Job } from './apart.ts';
import type { AnyScenario, Target } from './scenario.ts';
import { goalTable, type Played } from './verdict.ts';

/** In `all --quick` each may take so long, on a machine that is busy with all else. */
const MOST_S_IF_QUICK = 120;
/** Before the first, so that what is a little late is measured all the same. */
const SLACK_S = 60;
/** Until a process that was told to end is ended, with all that it started. */
const GRACE_MS = 10_000;
const MS_PER_S = 1_000;

export type How = { readonly quick: boolean; readonly target?: Target | undefined };

/** The scenarios that take part, with their options; on a target those that can be played there. */
export const takingPart = (
  scenarios: readonly AnyScenario[],
  { quick, target }: How,
): { scenario: AnyScenario; options: object; mostS: number }[] =>
  scenarios.flatMap((scenario) => {
    const { inAll, quick: tiny, onTarget } = scenario;
    if (!(quick ? tiny : inAll) || (target && !onTarget)) return [];
    const options = { ...defaultsOf(scenario), ...inAll?.options, ...(quick && tiny) };
    return [{ scenario, options, mostS: quick ? MOST_S_IF_QUICK : (inAll?.mostS ?? 0) }];
  });

const defaultsOf = ({ options }: AnyScenario): object =>
  Object.fromEntries(
    options
      .filter(({ defaultValue }) => defaultValue !== undefined)
      .map((option) => [option.attributeName(), option.defaultValue as unknown]),
  );

/** Plays them in turn and says on `stream` how it goes. */
export async function playAll(
  scenarios: readonly AnyScenario[],
  how: How,
  stream: NodeJS.WritableStream,
): Promise<Played[]> {
  const parts = takingPart(scenarios, how);
  const played: Played[] = [];
  // Each has its own time, and what those before it have left of theirs.
  let untilMs = monotonicMs() + SLACK_S * MS_PER_S;
  for (const [index, { scenario, options, mostS }] of parts.entries()) {
    untilMs += mostS * MS_PER_S;
    const limitMs = untilMs - monotonicMs();
    const limit = `at most ${Math.round(limitMs / MS_PER_S)} s`;
    stream.write(
      `\n[${index + 1}/${parts.length}] ${scenario.name}: ${scenario.summary}, ${limit}\n`,
    );
    const one =
      limitMs > 0
        ? await playApart(scenario, { options, target: how.target }, limitMs)
        : { ...none(scenario), failure: 'had no time left', broke: false };
    played.push(one);
    stream.write(`${goalTable([one])}\n${(one.tookMs / MS_PER_S).toFixed(1)} s\n`);
  }
  return played;
}

const none = ({ name, summary }: AnyScenario) => ({ name, summary, tookMs: 0 });

/** One scenario in a process of its own, which is ended after `limitMs` with all that it started. */
export async function playApart(
  { name, summary }: Pick<AnyScenario, 'name' | 'summary'>,
  job: Omit<Job, 'name'>,
  limitMs: number,
  program = new URL('apart.ts', import.meta.url),
): Promise<Played> {
  const startedMs = monotonicMs();
  const about = (): Omit<Played, 'outcome'> => ({
    name,
    summary,
    tookMs: monotonicMs() - startedMs,
  });
  // A process group and a place for files of its own: nothing of it is left even if it is killed.
  const place = mkdtempSync(join(tmpdir(), 'fs-bench-'));
  chmodSync(place, 0o755); // a Postgres that may not be root's looks in too
  const child = fork(program, {
    detached: true,
    env: { ...process.env, TMPDIR: place },
    serialization: 'advanced', // JSON knows no NaN
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const endOnExit = (): void => {
    child.kill('SIGTERM');
    awaitEmpty(place);
    killAll(child.pid ?? 0, place);
  };
  process.once('exit', endOnExit);
  let answer: Answer | undefined;
  child.once('message', (message: Answer) => {
    answer = message;
  });
  const ended = once(child, 'exit') as Promise<[number | null, string | null]>;
  try {
    child.send({ name, ...job });
    const over = new AbortController();
    const how = await Promise.race([
      ended,
      delay(limitMs, undefined, over).then(() => 'too long' as const),
    ]).finally(() => over.abort());
    if (how === 'too long') {
      const failure = `took longer than ${Math.round(limitMs / MS_PER_S)} s`;
      return { ...about(), failure, broke: false };
    }
    if (answer && 'outcome' in answer) return { ...about(), outcome: answer.outcome };
    const failure = answer?.failure ?? `ended with ${how[1] ?? `status ${how[0]}`}`;
    return { ...about(), failure, broke: true };
  } finally {
    process.removeListener('exit', endOnExit);
    child.kill('SIGTERM');
    await endAll(child.pid ?? 0, ended, place);
  }
}

/**
 * Waits for a process that was told to end, which ends what it started; then ends what is left: its
 * group, and databases, whose groups are their own and whose files lie in its place.
 */
async function endAll(pid: number, ended: Promise<unknown>, place: string): Promise<void> {
  const over = new AbortController();
  await Promise.race([ended, delay(GRACE_MS, undefined, over)]).finally(() => over.abort());
  killAll(pid, place);
}

function killAll(pid: number, place: string): void {
  // Of a process that never was, the group would be our own.
  for (const one of [...(pid > 0 ? [-pid] : []), ...pidsIn(place)])
    try {
      process.kill(one, 'SIGKILL');
    } catch {
      // it is gone
    }
  rmSync(place, { recursive: true, force: true, maxRetries: 5 });
}

const LOOK_EVERY_MS = 20;

/** An exiting process can wait for another in no other way: whose files are gone is at its end. */
function awaitEmpty(place: string): void {
  const nothing = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  const giveUpMs = monotonicMs() + GRACE_MS;
  while (readdirSync(place).length > 0 && monotonicMs() < giveUpMs)
    Atomics.wait(nothing, 0, 0, LOOK_EVERY_MS);
}

/** Processes that run in a directory; none where there is no /proc. */
function pidsIn(directory: string): number[] {
  try {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name) && isIn(directory, name))
      .map(Number);
  } catch {
    return [];
  }
}

function isIn(directory: string, pid: string): boolean {
  try {
    return `${readlinkSync(`/proc/${pid}/cwd`)}${sep}`.startsWith(`${directory}${sep}`);
  } catch {
    return false; // it has ended, or is another user's
  }
}
