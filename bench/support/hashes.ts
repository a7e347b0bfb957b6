/** SHA-256 as fast as Node does it: the floor of a draw, which is mostly hashes. */
import { hash } from 'node:crypto';
import { once } from 'node:events';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { monotonicMs } from '../../src/lib/clock.ts';

/** So many messages of so many bytes. */
export type Hashes = { readonly count: number; readonly bytes: number };

const THREADS = 2;

function hashAll(lists: readonly Hashes[]): void {
  for (const { count, bytes } of lists) {
    const message = Buffer.alloc(bytes);
    for (let number = 0; number < count; number++) {
      message.writeUInt32LE(number);
      hash('sha256', message, 'binary');
    }
  }
}

/** Milliseconds of one call each, `crypto.hash` in two threads, once both are up. */
export async function hashesMs(lists: readonly Hashes[]): Promise<number> {
  const share = lists.map(({ count, bytes }) => ({ count: Math.ceil(count / THREADS), bytes }));
  const threads = Array.from(
    { length: THREADS },
    () => new Worker(new URL(import.meta.url), { workerData: share }),
  );
  await Promise.all(threads.map((thread) => once(thread, 'message')));
  const startedMs = monotonicMs();
  await Promise.all(
    threads.map(async (thread) => {
      thread.postMessage('go');
      await once(thread, 'message');
    }),
  );
  const tookMs = monotonicMs() - startedMs;
  await Promise.all(threads.map((thread) => thread.terminate()));
  return tookMs;
}

if (!isMainThread) {
  parentPort?.once('message', () => {
    hashAll(workerData as Hashes[]);
    parentPort?.postMessage('done');
  });
  parentPort?.postMessage('ready');
}
