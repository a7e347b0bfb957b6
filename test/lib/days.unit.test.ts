/** Days of a time zone, also where a clock skips an hour or a midnight. */
import { describe, expect, it } from 'vitest';
import { isoFromMs, msFromIso } from '../../src/lib/clock.ts';
import { addDays, clockAt, dayAt, dayBoundsMs, instantMs } from '../../src/lib/days.ts';

describe('a day', () => {
  it.each([
    ['2021-04-10', 'UTC', '2021-04-10T00:00:00.000Z', '2021-04-11T00:00:00.000Z'],
    ['2021-04-10', 'Asia/Kolkata', '2021-04-09T18:30:00.000Z', '2021-04-10T18:30:00.000Z'],
    // An hour shorter.
    ['2021-03-28', 'Europe/Berlin', '2021-03-27T23:00:00.000Z', '2021-03-28T22:00:00.000Z'],
    // Midnight does not exist.
    ['2018-11-04', 'America/Sao_Paulo', '2018-11-04T03:00:00.000Z', '2018-11-05T02:00:00.000Z'],
  ])('%s in %s begins and ends with the clocks there', (day, zone, from, until) => {
    const { fromMs, untilMs } = dayBoundsMs(day, zone);
    expect([fromMs, untilMs].map(isoFromMs)).toEqual([from, until]);
    expect([fromMs, untilMs - 1].map((ms) => dayAt(ms, zone))).toEqual([day, day]);
    expect(dayAt(untilMs, zone)).toBe(addDays(day, 1));
    expect(dayAt(fromMs - 1, zone)).toBe(addDays(day, -1));
  });

  it('has hours', () => {
    expect(isoFromMs(instantMs('2021-07-03', '09:00', 'Asia/Kolkata'))).toBe(
      '2021-07-03T03:30:00.000Z',
    );
    expect(clockAt(msFromIso('2021-07-03T03:29:59.999Z'), 'Asia/Kolkata')).toBe('08:59');
    expect(addDays('2021-12-31', 84)).toBe('2022-03-25');
  });
});
