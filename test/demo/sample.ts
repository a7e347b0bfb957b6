/** A small evening whose figures can be counted by hand, for tests of what is made from it. */
import type { Counts, RequestLog } from '../../src/demo/client.ts';
import type { Mode } from '../../src/demo/personas.ts';
import type { Group } from '../../src/demo/population.ts';
import type { Evening, Outcome } from '../../src/demo/tally.ts';

export const outcome = (
  group: Group,
  seats: readonly string[] = [],
  seatAtMs?: number,
  arrivesMs = group === 'bot' ? -200 : 1_500,
): Outcome => ({ person: { group, arrivesMs }, seats, seatAtMs, offered: seats.length > 0 });

export const counts = (latenciesMs: number[], refused = 0, limited = 0): Counts => ({
  accepted: latenciesMs.length - refused - limited,
  refused,
  limited,
  failed: 0,
  latenciesMs,
});

const LOG: RequestLog = new Map([
  ['citizen/attempt', counts([1, 2, 3, 4], 2)],
  ['bot/attempt', counts([5, 5, 5, 5, 5, 5, 5, 5], 3, 4)],
  ['citizen/read', counts([1, 1])],
]);

/** Ten people, two of them bots; three seats in two slots, two of them with bots. */
export const evening = (mode: Mode, changes: Partial<Evening> = {}): Evening => ({
  mode,
  outcomes: [
    ...Array.from({ length: 7 }, () => outcome('citizen')),
    outcome('citizen', ['b'], 1_700),
    outcome('bot', ['a'], 20),
    outcome('bot', ['b'], 30),
  ],
  capacity: new Map([
    ['a', 1],
    ['b', 2],
  ]),
  operatorView: { free: 0, offered: 0, booked: 3, capacity: 3 },
  samples: [
    { atMs: 0, free: 3, offered: 0, booked: 0, capacity: 3 },
    { atMs: 500, free: 1, offered: 0, booked: 2, capacity: 3 },
    { atMs: 2_000, free: 0, offered: 0, booked: 3, capacity: 3 },
  ],
  log: LOG,
  ...changes,
});
