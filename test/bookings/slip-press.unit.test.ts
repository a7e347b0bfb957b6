/** Slips made on another thread, which may die. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { expect, it } from 'vitest';
import { createSlipPress, WAITING_MOST } from '../../src/bookings/slip/press.ts';
import { createSlipPrinter } from '../../src/bookings/slip/printer.ts';
import { factsWith, person } from '../support/slips.ts';

const THREAD = new URL('../../src/bookings/slip/thread.ts', import.meta.url);

it('makes what the printer makes, each for whoever asked for it', async () => {
  const press = createSlipPress();
  const print = createSlipPrinter();
  const all = ['Asha', 'Ravi', 'আশা', 'आशा'].map((name) => factsWith({ people: [person(name)] }));
  const slips = await Promise.all(all.map(press));
  for (const [number, facts] of all.entries()) expect(slips[number]).toEqual(await print(facts));
});

it('fails for one slip only when that cannot be made', async () => {
  const press = createSlipPress();
  const bad = press(factsWith({ bookingId: 'p'.repeat(5_000) }));
  const good = press(factsWith());
  await expect(bad).rejects.toThrow('a slip could not be made');
  await expect(good).resolves.toBeInstanceOf(Buffer);
});

it('fails those that wait when its thread ends, and starts another for the next', async () => {
  const starts: Worker[] = [];
  const press = createSlipPress(() => {
    const dies = starts.length === 0;
    const worker = dies
      ? new Worker(
          "require('node:worker_threads').parentPort.on('message', () => process.exit())",
          {
            eval: true,
          },
        )
      : new Worker(THREAD);
    starts.push(worker);
    return worker;
  });
  const waiting = await Promise.allSettled([press(factsWith()), press(factsWith())]);
  expect(waiting.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  await expect(press(factsWith())).resolves.toBeInstanceOf(Buffer);
  expect(starts).toHaveLength(2);
});

it('fails nobody for a thread that has ended when another one works already', async () => {
  const starts: Worker[] = [];
  const fails =
    "require('node:worker_threads').parentPort.on('message', () => { throw new Error('ill'); })";
  const press = createSlipPress(() => {
    const worker = starts.length === 0 ? new Worker(fails, { eval: true }) : new Worker(THREAD);
    starts.push(worker);
    return worker;
  });
  // It says why it fails, and only then that it has ended: meanwhile the next slip is ordered.
  await expect(press(factsWith())).rejects.toThrow('ill');
  const [first] = starts;
  const ended = first && once(first, 'exit');
  const next = press(factsWith());
  await ended;
  await expect(next).resolves.toBeInstanceOf(Buffer);
  await expect(press(factsWith())).resolves.toBeInstanceOf(Buffer);
  expect(starts).toHaveLength(2);
});

it('takes no more than it can make within seconds', async () => {
  const press = createSlipPress();
  const asked = Array.from({ length: WAITING_MOST + 5 }, () => press(factsWith()));
  const slips = await Promise.all(asked);
  expect(slips.filter((slip) => slip === 'BUSY')).toHaveLength(5);
  await expect(press(factsWith())).resolves.toBeInstanceOf(Buffer);
}, 20_000);
