/** Booking at once, first come first served, under load. */
import { beforeEach, describe, expect, it } from 'vitest';
import type { Engine } from '../../src/engine.ts';
import { present } from '../../src/lib/assert.ts';
import { keys } from '../../src/redis/keys.ts';
import { isRefusal } from '../../src/refusal.ts';
import {
  codeOf,
  engineOn,
  fresh,
  granted,
  letPass,
  publishRelease,
  register,
  registerMany,
  type ReleaseWishes,
} from '../support/engine.ts';
import { useRedis } from '../support/redis.ts';

const test = useRedis(['--appendfsync', 'no']);

let engine: Engine;
let release: string;
let slots: readonly string[];

const open = async (wishes: Partial<ReleaseWishes> = {}): Promise<void> => {
  const all = { mode: 'immediate', seats: [10], ...wishes } as const;
  ({ release, slots } = await publishRelease(engine, test.redis, all));
};
beforeEach(async () => {
  engine = engineOn(test.redis);
  await open();
});

type Who = { readonly account: string; readonly person: string };
const someone = async (): Promise<Who> => present((await registerMany(engine, 1))[0], 'a person');
const book = ({ account, person }: Who, number = 0, where = release) =>
  engine.bookings.book(account, {
    release: where,
    beneficiary: person,
    slot: present(slots[number], 'a slot'),
  });
const seats = async (where = release) =>
  engine.releases.seats(granted(await engine.releases.published(where)).manifest);
const codes = (answers: readonly unknown[], code: string | undefined): number =>
  answers.filter((answer) => codeOf(answer) === code).length;

describe('a seat', () => {
  it('is given once: 200 people at once for 10 seats', async () => {
    const people = await registerMany(engine, 200);
    const answers = await Promise.all(people.map((who) => book(who)));
    expect(codes(answers, undefined)).toBe(10);
    expect(codes(answers, 'SLOT_FULL')).toBe(190);
    expect(await seats()).toEqual({ capacity: 10, free: 0, offered: 0, booked: 10 });
  });

  it('is one for one person: 100 bookings at once', async () => {
    const who = await someone();
    const answers = await Promise.all(Array.from({ length: 100 }, () => book(who)));
    expect(codes(answers, undefined)).toBe(1);
    expect(codes(answers, 'HAS_BOOKING')).toBe(99);
    expect(await seats()).toMatchObject({ free: 9, booked: 1 });
  });

  it('is one for one person in three releases at once', async () => {
    const who = await someone();
    const places = [release];
    for (let i = 0; i < 2; i++) {
      await open();
      places.push(release);
    }
    const answers = await Promise.all(
      places.flatMap((where) => [book(who, 0, where), book(who, 0, where)]),
    );
    expect(answers.filter((answer) => !isRefusal(answer))).toHaveLength(1);
    const booked = await Promise.all(places.map(async (where) => (await seats(where)).booked));
    expect(booked.reduce((sum, one) => sum + one)).toBe(1);
  });

  it('that is cancelled can be booked again, by the same person under another id', async () => {
    await open({ seats: [1] });
    const who = await someone();
    const first = granted(await book(who));
    granted(await engine.bookings.cancel(who.account, first.bookingId));
    const second = granted(await book(who));
    expect(second.bookingId).not.toBe(first.bookingId);
    const late = await engine.bookings.cancel(who.account, first.bookingId);
    expect(codeOf(late)).toBe('BOOKING_UNKNOWN');
    expect(await seats()).toEqual({ capacity: 1, free: 0, offered: 0, booked: 1 });
  });

  it('is neither lost nor doubled when people cancel and rebook at the same time', async () => {
    await open({ seats: [3, 2] });
    const people = await registerMany(engine, 12);
    await Promise.all(
      people.map(async (who, number) => {
        for (let turn = 0; turn < 12; turn++) {
          const booked = await book(who, (number + turn) % 2);
          if (isRefusal(booked)) continue;
          const { bookingId } = booked;
          await Promise.all([1, 2].map(() => engine.bookings.cancel(who.account, bookingId)));
        }
      }),
    );
    expect(await seats()).toEqual({ capacity: 5, free: 5, offered: 0, booked: 0 });
    const answers = await Promise.all(people.map((who, number) => book(who, number % 2)));
    expect(codes(answers, undefined)).toBe(5);
    expect(await test.redis.hgetall(keys.seats(release))).toEqual({ '0/0': '0', '1/0': '0' });
  });
});

describe('a booking is refused', () => {
  it('before opening and after the end, by the clock of Redis', async () => {
    await open({ opensInS: 60, endsInS: 600 });
    const who = await someone();
    const early = await book(who);
    expect(early).toMatchObject({ refused: 'RELEASE_NOT_OPEN', extra: { opensAt: /Z$/ } });
    await letPass(test.redis, 61);
    granted(await book(who));
    await letPass(test.redis, 600);
    expect(codeOf(await book(await someone()))).toBe('RELEASE_ENDED');
    await open();
    await engine.releases.end(release);
    expect(codeOf(await book(await someone()))).toBe('RELEASE_ENDED');
  });

  it('in a lottery, for an unknown slot or release, and for somebody else', async () => {
    const who = await someone();
    const other = { ...who, account: fresh('account') };
    const unknown = { beneficiary: who.person, slot: 'nowhere' };
    expect(codeOf(await engine.bookings.book(who.account, { release, ...unknown }))).toBe(
      'SLOT_UNKNOWN',
    );
    expect(
      codeOf(await engine.bookings.book(who.account, { release: 'nowhere', ...unknown })),
    ).toBe('RELEASE_UNKNOWN');
    expect(codeOf(await book(other))).toBe('BENEFICIARY_UNKNOWN');
    await open({ mode: 'lottery' });
    expect(codeOf(await book(who))).toBe('NOT_IMMEDIATE');
  });

  it('with an ID or an age that does not count there', async () => {
    await open({ places: { minAge: 45 } });
    const account = fresh('account');
    const voter = { account, person: await register(engine, account, { idType: 'voter-id' }) };
    const young = { account, person: await register(engine, account, { birthYear: 2060 }) };
    expect(await book(voter)).toMatchObject({
      refused: 'ID_TYPE_NOT_ACCEPTED',
      extra: { accepted: ['passport'] },
    });
    expect(await book(young)).toMatchObject({ refused: 'NOT_ELIGIBLE', extra: { minAge: 45 } });
  });

  it('to an account that has entered as many people as it may', async () => {
    await open({ entriesPerAccount: 2 });
    const account = fresh('account');
    const people = await Promise.all([1, 2, 3].map(() => register(engine, account)));
    const answers = await Promise.all(people.map((person) => book({ account, person })));
    expect(codes(answers, 'TOO_MANY_ENTRIES')).toBe(1);
    expect(await seats()).toMatchObject({ free: 8, booked: 2 });
  });
});
