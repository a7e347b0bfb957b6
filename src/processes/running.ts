/** One process that was started, from its start to its end. */
import type { ChildProcess } from 'node:child_process';
import { sleep } from '../lib/clock.ts';
import type { FromChild } from './child.ts';

/** Longer than a process takes to finish what is in flight (stop.ts). */
const END_WITHIN_MS = 20_000;
/** Longer than a process takes to start where others take the CPU. */
const READY_WITHIN_MS = 30_000;
/** A new process that dies just after it was ready replaces none. */
const SETTLED_AFTER_MS = 300;

export type Running = {
  readonly process: ChildProcess;
  /** Whether it has said that it is ready. */
  readonly isReady: () => boolean;
  /** Whether it was told to end. */
  readonly isTold: () => boolean;
  /** Whether it gets ready in time, and lives on. */
  readonly settled: () => Promise<boolean>;
  readonly ended: Promise<void>;
  /** Tells it once to finish and end; done when it has. */
  readonly end: () => Promise<void>;
};

export function follow(launched: ChildProcess, onReady: () => void): Running {
  const ready = Promise.withResolvers<boolean>();
  const ended = Promise.withResolvers<void>();
  let isReady = false;
  let isTold = false;
  const over = (): void => {
    ready.resolve(false);
    ended.resolve();
  };
  launched.on('message', (message: Partial<FromChild>) => {
    if (message.tell !== 'ready') return;
    isReady = true;
    onReady();
    ready.resolve(true);
  });
  launched.once('exit', over);
  launched.on('error', () => {
    if (launched.pid === undefined) over(); // it could not be started
  });
  return {
    process: launched,
    isReady: () => isReady,
    isTold: () => isTold,
    settled: async () => {
      const late = sleep(READY_WITHIN_MS).then(() => false);
      if (!(await Promise.race([ready.promise, late]))) return false;
      const dead = ended.promise.then(() => false);
      return Promise.race([dead, sleep(SETTLED_AFTER_MS).then(() => true)]);
    },
    ended: ended.promise,
    end: async () => {
      if (!isTold) launched.kill('SIGTERM');
      isTold = true;
      // Also for one that is stopped, which hears nothing else.
      const late = setTimeout(() => launched.kill('SIGKILL'), END_WITHIN_MS);
      await ended.promise;
      clearTimeout(late);
    },
  };
}
