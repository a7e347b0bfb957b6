/** Standing entries as they are kept, until when they may stand, and what becomes of their wishes. */
import { describe, expect, it } from 'vitest';
import type { LotteryManifest } from '../../src/releases/manifest.ts';
import type { Published } from '../../src/releases/service.ts';
import {
  carriedPreferences,
  carryOverUntilMs,
  packStanding,
  refusedMeans,
  unpackStanding,
} from '../../src/rounds/carry/standing.ts';
import { refuse } from '../../src/refusal.ts';
import { codeOf } from '../support/engine.ts';
import { lottery } from './release.ts';

describe('a standing entry', () => {
  it('is read as it was written', () => {
    const entry = {
      untilMs: 1_700_000_000_000,
      account: '-account_of_base64url-',
      origin: 'pune-2021-04-10',
      persons: ['one', 'another'],
      prefs: [3, 0],
      refused: 'NOT_ELIGIBLE',
    };
    expect(unpackStanding(packStanding(entry))).toEqual(entry);
    expect(unpackStanding(packStanding({ ...entry, refused: '' }))).toEqual({
      ...entry,
      refused: '',
    });
    // What is taken back by its beginning has this in common, whatever refused it.
    expect(packStanding(entry).startsWith(packStanding({ ...entry, refused: '' }))).toBe(true);
    expect(() => unpackStanding('1|account')).toThrow('a standing entry');
  });

  it('stands until a time after its release ends, at most 90 days, and only in a series', () => {
    const manifest: LotteryManifest = { ...lottery({ hall: { open: 1 } }), series: 'evenings' };
    const until = (time?: string) => carryOverUntilMs(manifest, time);
    expect(until()).toBeUndefined();
    expect(until('2021-04-11T08:00:00.001+05:30')).toBe(Date.UTC(2021, 3, 11, 2, 30, 0, 1));
    expect(until('2021-07-10T02:30:00.000Z')).toBe(Date.UTC(2021, 6, 10, 2, 30));
    const refused = { after: manifest.ends_at, latest: '2021-07-10T02:30:00.000Z' };
    for (const wrong of [manifest.ends_at, '1999-01-01T00:00:00Z', '2021-07-10T02:30:00.001Z'])
      expect(until(wrong)).toEqual({ refused: 'CARRY_OVER_DATE', extra: refused });
    expect(codeOf(carryOverUntilMs({ ...manifest, series: null }, refused.latest))).toBe(
      'NO_SERIES',
    );
  });
});

/** `centre date service dose from`, and an id of its own where it is to have one. */
const published = (...slots: (readonly [line: string, id?: string | undefined])[]): Published => {
  const sessions = slots.map(([line], number) => {
    const [centre = '', date = '', service = '', dose = '1'] = line.split(' ');
    const ages = { min_age: 0, max_age: null };
    return { session: `session-${number}`, centre, date, service, dose: Number(dose), ...ages };
  });
  const manifest: LotteryManifest = {
    ...lottery({}),
    sessions,
    slots: slots.map(([line, id = line.toLowerCase().replaceAll(/[ :]/g, '-')], number) => ({
      slot: id,
      session: `session-${number}`,
      from: line.split(' ')[4] ?? '',
      to: '18:00',
      pools: [{ pool: 'open', seats: 1 }],
    })),
  };
  return {
    manifest,
    slotSessions: sessions,
    slotNumbers: new Map(manifest.slots.map(({ slot }, number) => [slot, number])),
  } as unknown as Published;
};

describe('wishes of another release', () => {
  const origin = published(
    ['hall 2021-04-11 X 1 09:00'],
    ['hall 2021-04-11 X 1 11:00'],
    ['tent 2021-04-11 X 1 09:00'],
  );

  it('are the same centre, service, dose and time of day on another date, in their order', () => {
    const later = published(
      ['tent 2021-04-12 X 1 09:00'],
      ['hall 2021-04-12 X 1 09:00'],
      ['hall 2021-04-12 X 1 11:00'],
    );
    expect(carriedPreferences(origin, [1, 0, 2], later)).toEqual([2, 1, 0]);
    expect(carriedPreferences(origin, [2], later)).toEqual([0]);
  });

  it('are all dates that there are, the earliest first', () => {
    const later = published(
      ['hall 2021-04-14 X 1 09:00'],
      ['hall 2021-04-13 X 1 11:00'],
      ['hall 2021-04-12 X 1 09:00'],
      ['hall 2021-04-12 X 1 09:00', 'a second session'],
    );
    expect(carriedPreferences(origin, [0, 1], later)).toEqual([2, 3, 0, 1]);
  });

  it('are the very same slot where it is there again, and then no other date', () => {
    const later = published(
      ['hall 2021-04-10 X 1 09:00'],
      ['hall 2021-04-11 X 1 09:00'],
      ['hall 2021-04-12 X 1 09:00'],
    );
    expect(carriedPreferences(origin, [0], later)).toEqual([1]);
  });

  it('are not a slot that has the name of one and is another', () => {
    const name = origin.manifest.slots[0]?.slot;
    const later = published(['hall 2021-04-11 X 2 09:00', name], ['hall 2021-04-12 X 1 09:00']);
    expect(carriedPreferences(origin, [0], later)).toEqual([1]);
  });

  it('are never another service, dose, centre or time, and so may be none', () => {
    const later = published(
      ['hall 2021-04-12 Y 1 09:00'],
      ['hall 2021-04-12 X 2 09:00'],
      ['shed 2021-04-12 X 1 09:00'],
      ['hall 2021-04-12 X 1 10:00'],
    );
    expect(carriedPreferences(origin, [0, 1, 2], later)).toEqual([]);
  });

  it('name no slot twice', () => {
    const twoDays = published(['hall 2021-04-11 X 1 09:00'], ['hall 2021-04-12 X 1 09:00']);
    const later = published(['hall 2021-04-19 X 1 09:00'], ['hall 2021-04-18 X 1 09:00']);
    expect(carriedPreferences(twoDays, [1, 0], later)).toEqual([1, 0]);
  });
});

describe('a refusal on the way', () => {
  it.each([
    [refuse('CLAIMED_ELSEWHERE', { retryAfterS: 3 }), 'LATER'],
    [refuse('UNAVAILABLE', { retryAfterS: 1 }), 'LATER'],
    [refuse('RELEASE_ENDED'), 'LATER'],
    [refuse('IN_ANOTHER_ENTRY'), 'REPLACED'],
    [refuse('BENEFICIARY_UNKNOWN'), 'LEFT'],
    [refuse('CLAIMED_ELSEWHERE'), 'REFUSED'],
    [refuse('NOT_ELIGIBLE'), 'REFUSED'],
  ])('%o means %s', (refusal, meaning) => {
    expect(refusedMeans(refusal)).toBe(meaning);
  });
});
