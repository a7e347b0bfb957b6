/**
 * Keeps the processes of a machine running: starts again what dies, replaces all of them without a
 * gap, and ends them.
 */
import type { ChildProcess } from 'node:child_process';
import type { Log } from '../log.ts';
import type { Launch } from './launch.ts';
import { follow, type Running } from './running.ts';

/** A process that dies at once, again and again, is started ever more slowly. */
const RESTART_AFTER_MS = 500;
const RESTART_AT_MOST_MS = 10_000;

/** What runs, and how it is made. */
export type Plan = { readonly names: readonly string[]; readonly launch: Launch };
export type RollOutcome = 'completed' | 'failed';

export type Supervisor = {
  /** Every name that a process has, or had and will have again. */
  readonly names: () => readonly string[];
  /** The processes that serve under these names now. */
  readonly running: () => readonly ChildProcess[];
  /** Names whose process said that it is ready. */
  readonly ready: () => ReadonlySet<string>;
  /**
   * Replaces one process after the other: the new one is ready before the old one is told to end.
   * Stops at the first that does not get ready. Names that are no longer planned end last. Fails
   * as `plan` does, which is asked when it is this roll's turn.
   */
  readonly roll: (plan: () => Plan) => Promise<RollOutcome | 'dropped'>;
  /** Tells all to finish and end; done when they have. */
  readonly stop: () => Promise<void>;
};

export type Watch = {
  readonly log: Log;
  /** A process ended that nobody had told to. */
  readonly onDeath: (name: string) => void;
};

export function supervise(first: Plan, { log, onDeath }: Watch): Supervisor {
  const posts = new Map<string, Post>();
  const all = new Set<Running>();
  let { launch } = first;
  let stopping = false;

  const run = (name: string): Running => {
    const running = follow(launch(name), () =>
      log.info({ child: name, childPid: running.process.pid }, 'a process is ready'),
    );
    all.add(running);
    void running.ended.finally(() => all.delete(running));
    return running;
  };
  const postOf = (name: string): Post => {
    const post = posts.get(name) ?? createPost(name, run, () => stopping, { log, onDeath });
    posts.set(name, post);
    return post;
  };

  const roll = async (planned: () => Plan): Promise<RollOutcome> => {
    const before = launch;
    const plan = planned();
    ({ launch } = plan);
    for (const name of plan.names) {
      if (stopping) return 'failed';
      const next = run(name);
      if (!(await next.settled())) {
        launch = before;
        if (!stopping)
          log.error({ child: name }, 'a new process did not get ready: the old ones are kept');
        await next.end();
        return 'failed';
      }
      await postOf(name).take(next)?.end();
    }
    for (const [name, post] of posts) {
      if (plan.names.includes(name)) continue;
      posts.delete(name);
      await post.running()?.end();
    }
    return 'completed';
  };

  for (const name of first.names) postOf(name).take(run(name));
  // The last resort when this process ends without stop(): one that is stopped hears nothing else.
  process.once('exit', () => all.forEach(({ process }) => process.kill('SIGKILL')));
  const serving = () =>
    Array.from(posts, ([name, post]) => ({ name, running: post.running() })).filter(
      (one): one is { name: string; running: Running } =>
        one.running !== undefined && all.has(one.running),
    );
  return {
    names: () => Array.from(posts.keys()),
    running: () => serving().map(({ running }) => running.process),
    ready: () => new Set(serving().flatMap((one) => (one.running.isReady() ? [one.name] : []))),
    roll: oneAtATime(roll),
    stop: async () => {
      stopping = true;
      await Promise.all(Array.from(all, (running) => running.end()));
    },
  };
}

/** One name, and the process that serves under it. */
type Post = {
  readonly running: () => Running | undefined;
  /** Serves by this process from now on; gives the one before, which nobody looks after now. */
  readonly take: (next: Running) => Running | undefined;
};

function createPost(
  name: string,
  run: (name: string) => Running,
  isStopping: () => boolean,
  { log, onDeath }: Watch,
): Post {
  let current: Running | undefined;
  let failures = 0;
  /** Again at once, and ever more slowly when that does not last. */
  const replace = (dead: Running): void => {
    const { pid: childPid, exitCode: code, signalCode: signal } = dead.process;
    const slowMs = Math.min(RESTART_AFTER_MS * 2 ** (failures - 1), RESTART_AT_MOST_MS);
    const waitMs = failures === 0 ? 0 : slowMs;
    failures += 1;
    onDeath(name);
    const facts = { child: name, childPid, code, signal, waitMs };
    log.error(facts, 'a process ended and is started again');
    setTimeout(() => {
      // Told to end meanwhile: a roll gave up this name.
      if (current === dead && !dead.isTold() && !isStopping()) take(run(name));
    }, waitMs);
  };
  const lookAfter = async (running: Running): Promise<void> => {
    const steady = setTimeout(() => {
      failures = 0;
    }, RESTART_AT_MOST_MS);
    await running.ended;
    clearTimeout(steady);
    if (current === running && !running.isTold()) replace(running);
  };
  const take = (next: Running): Running | undefined => {
    const old = current;
    current = next;
    void lookAfter(next);
    return old;
  };
  return { running: () => current, take };
}

/** Runs calls one after the other; while one waits, another one is for the same and is dropped. */
function oneAtATime<A, R>(act: (one: A) => Promise<R>): (one: A) => Promise<R | 'dropped'> {
  let last: Promise<unknown> = Promise.resolve();
  let isWaiting = false;
  return async (one) => {
    if (isWaiting) return 'dropped';
    isWaiting = true;
    const next = last.then(() => {
      isWaiting = false;
      return act(one);
    });
    last = next.catch(() => undefined);
    return next;
  };
}
