/**
 * F7 as a whole: whatever is killed or paused under releases that go on, what was acknowledged is
 * there, no seat is given twice, nobody has two, and every round follows from its files. The long
 * form, on other topologies too, is `npm run test:chaos`.
 */
import { randomInt } from 'node:crypto';
import { expect, it } from 'vitest';
import { ONLY_IF_SLOW, TOO_SLOW } from '../support/slow.ts';
import { chaos } from './run.ts';

const LENGTH_MS = 20_000;

const NAME = 'keeps every promise while servers, workers and Redis are killed and paused';
it(NAME, ONLY_IF_SLOW, async ({ signal }) => {
  const seed = Number(process.env['FAIRSLOT_CHAOS_SEED'] ?? randomInt(2 ** 31));
  const again = `FAIRSLOT_CHAOS_SEED=${seed} npm test test/chaos/single.sim.test.ts`;
  const told: string[] = [];
  const tell = (line: string): void => void told.push(line);
  const pace = [300, 1_600] as const;
  const terms = { lengthMs: LENGTH_MS, seed, parties: 50, pace, tell, signal };
  const report = await chaos({ topology: 'single', ...terms }).catch((error: unknown) => {
    throw new Error(`${again}\n${told.join('\n')}`, { cause: error });
  });
  const { lost, oversold, doubleBooked, digestMismatches, missingSeats, findings } = report;
  expect({ lost, oversold, doubleBooked, digestMismatches, missingSeats, findings }, again).toEqual(
    {
      lost: 0,
      oversold: 0,
      doubleBooked: 0,
      digestMismatches: 0,
      missingSeats: 0,
      findings: [],
    },
  );
  // It was no idle walk: enough was struck, and enough was done all the same.
  const idle = `${TOO_SLOW}: ${again}`;
  expect(report.toll.kills + report.toll.pauses, idle).toBeGreaterThan(5);
  expect(report.acknowledged, idle).toBeGreaterThan(50);
});
