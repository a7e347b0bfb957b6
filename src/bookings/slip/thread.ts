/** Makes slips on a thread of their own (press.ts). */
import { parentPort } from 'node:worker_threads';
import { present } from '../../lib/assert.ts';
import type { Ordered, Printed } from './press.ts';
import { createSlipPrinter } from './printer.ts';

const port = present(parentPort, 'a thread that started this one');
const print = createSlipPrinter();

port.on('message', ({ order, facts }: Ordered) => {
  const answer = (printed: Printed): void => port.postMessage(printed);
  print(facts).then(
    (slip) => answer({ order, slip }),
    (error: unknown) => answer({ order, failed: String(error) }),
  );
});
