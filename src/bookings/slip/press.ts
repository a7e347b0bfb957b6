/**
 * Slips made on another thread: four names in Indian scripts take some 20 ms, in which the thread
 * of the server would answer nobody. This one starts with the first slip, and keeps no process
 * alive.
 */
import { Worker } from 'node:worker_threads';
import type { SlipFacts } from './facts.ts';
import type { SlipPress } from './printer.ts';

export type Ordered = { readonly order: number; readonly facts: SlipFacts };
export type Printed =
  | { readonly order: number; readonly slip: Uint8Array }
  | { readonly order: number; readonly failed: string };

/** Slips that wait to be made: a few seconds of the thread, a dozen of the dearest. */
export const WAITING_MOST = 100;

type Waiting = Pick<PromiseWithResolvers<Buffer>, 'resolve' | 'reject'>;

export function createSlipPress(
  start = () => new Worker(new URL('./thread.ts', import.meta.url)),
): SlipPress {
  const waiting = new Map<number, Waiting>();
  let [orders, running]: [number, Worker | undefined] = [0, undefined];

  const settle = (worker: Worker, printed: Printed): void => {
    const { resolve, reject } = waiting.get(printed.order) ?? {};
    waiting.delete(printed.order);
    if (waiting.size === 0) worker.unref();
    if ('failed' in printed) reject?.(new Error(`a slip could not be made: ${printed.failed}`));
    else
      resolve?.(
        Buffer.from(
          printed.slip.buffer as ArrayBuffer,
          printed.slip.byteOffset,
          printed.slip.byteLength,
        ),
      );
  };
  /** The next order starts another. */
  const gone = (worker: Worker, why: Error): void => {
    if (running !== worker) return;
    running = undefined;
    for (const { reject } of waiting.values()) reject(why);
    waiting.clear();
  };
  const begin = (): Worker => {
    const worker = start();
    worker.on('message', (printed: Printed) => settle(worker, printed));
    worker.on('error', (error: Error) => gone(worker, error));
    worker.on('exit', () => gone(worker, new Error('the thread that makes slips has ended')));
    return worker;
  };

  return async (facts) => {
    if (waiting.size >= WAITING_MOST) return 'BUSY';
    running ??= begin();
    running.ref();
    const { promise, ...settling } = Promise.withResolvers<Buffer>();
    const order = orders++;
    waiting.set(order, settling);
    running.postMessage({ order, facts } satisfies Ordered);
    return promise;
  };
}
