/** Offers of a lottery: confirming, cancelling, and letting them lapse. */
import { beforeEach, describe, expect, it } from 'vitest';
import { unpackBooking } from '../../src/bookings/rules.ts';
import type { Engine } from '../../src/engine.ts';
import { present } from '../../src/lib/assert.ts';
import { msFromIso } from '../../src/lib/clock.ts';
import { redisNowMs } from '../../src/redis/client.ts';
import { keys } from '../../src/redis/keys.ts';
import { isRefusal } from '../../src/refusal.ts';
import { Seal } from '../../src/rounds/draw/seal.ts';
import {
  bookingOf,
  codeOf,
  engineOn,
  entryOf,
  fresh,
  granted,
  letPass,
  nextRound,
  publishRelease,
  register,
  registerMany,
  stateOf,
  verify,
  workerOn,
} from '../support/engine.ts';
import { useRedis } from '../support/redis.ts';

const test = useRedis(['--appendfsync', 'no']);
const CONFIRM_WITHIN_S = 900;

type Winner = { readonly account: string; readonly person: string; readonly booking: string };

let engine: Engine;
let release: string;

beforeEach(() => {
  engine = engineOn(test.redis);
});

/** A release whose round 0 gave a seat to each of `count` people. */
async function winners(count: number): Promise<Winner[]> {
  const opened = await publishRelease(engine, test.redis, {
    seats: [count],
    confirmWithinS: CONFIRM_WITHIN_S,
  });
  release = opened.release;
  const people = await registerMany(engine, count);
  for (const { account, person } of people) {
    const request = { beneficiaries: [person], preferences: opened.slots };
    granted(await engine.rounds.enter(account, release, request));
  }
  await letPass(test.redis, 600);
  await nextRound(engine, release);
  return Promise.all(
    people.map(async (who) => ({ ...who, booking: await bookingOf(engine, who.account, release) })),
  );
}

const oneWinner = async (): Promise<Winner> => present((await winners(1))[0], 'a winner');
const confirm = ({ account, booking }: Winner) => engine.bookings.confirm(account, booking);
const cancel = ({ account, booking }: Winner) => engine.bookings.cancel(account, booking);
const state = ({ person }: Winner) => stateOf(engine, release, person);
const times = <T>(count: number, act: () => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: count }, act));
const events = async (): Promise<string[]> =>
  (await test.redis.xrange(keys.audit(release), '-', '+')).map(([, fields]) => String(fields[1]));
const seats = async () =>
  engine.releases.seats(granted(await engine.releases.published(release)).manifest);

describe('an offer', () => {
  it('carries its deadline, and is a booking once it is confirmed', async () => {
    const winner = await oneWinner();
    const { booking } = await entryOf(engine, winner.account, release);
    const nowMs = await redisNowMs(test.redis);
    const leftMs = Date.parse(present(booking?.confirmBy, 'a deadline')) - nowMs;
    expect(Math.round(leftMs / 10_000)).toBe(CONFIRM_WITHIN_S / 10);
    expect(granted(await confirm(winner))).toMatchObject({ state: 'booked', confirmBy: null });
    expect(await engine.bookings.list(winner.account)).toMatchObject([
      { bookingId: winner.booking, beneficiaries: [winner.person], state: 'booked' },
    ]);
    expect(await seats()).toEqual({ capacity: 1, free: 0, offered: 0, booked: 1 });
  });

  it('can be confirmed many times at once, and is one booking', async () => {
    const winner = await oneWinner();
    const answers = await times(20, () => confirm(winner));
    expect(answers.filter((answer) => isRefusal(answer))).toEqual([]);
    expect((await events()).filter((event) => event.startsWith('booked'))).toHaveLength(1);
  });

  it('can be cancelled many times at once, and gives back one seat', async () => {
    const winner = await oneWinner();
    expect(new Set(await times(20, () => cancel(winner)))).toEqual(new Set(['CANCELLED']));
    expect(await seats()).toEqual({ capacity: 1, free: 1, offered: 0, booked: 0 });
    expect(await test.redis.llen(keys.happened(release))).toBe(1);
    expect(codeOf(await confirm(winner))).toBe('BOOKING_OVER');
  });

  it('that is confirmed and cancelled at the same time ends cancelled, and its seat free', async () => {
    for (const winner of await winners(20)) {
      const [confirmed, cancelled] = await Promise.all([confirm(winner), cancel(winner)]);
      expect(cancelled).toBe('CANCELLED');
      expect([undefined, 'BOOKING_OVER']).toContain(codeOf(confirmed));
      expect(await state(winner)).toBe('CANCELLED');
    }
    expect(await seats()).toMatchObject({ free: 20, offered: 0, booked: 0 });
  });

  it('is confirmed or lapses at its deadline, and everyone is told which', async () => {
    const everyone = await winners(60);
    // The deadline comes while they confirm, and a worker takes back what is not confirmed.
    await letPass(test.redis, CONFIRM_WITHIN_S - 2);
    const due = Number(await test.redis.hget(keys.rounds(release), 'published_at_ms:0'));
    const leftMs = due + CONFIRM_WITHIN_S * 1_000 - (await redisNowMs(test.redis));
    await letPass(test.redis, (leftMs - 120) / 1_000);
    const worker = workerOn(engine);
    const codes: (string | undefined)[] = [];
    const working = (async () => {
      while (codes.length < everyone.length) await worker.step(release);
    })();
    for (const winner of everyone) {
      codes.push(codeOf(await confirm(winner)));
      await new Promise((resolve) => setTimeout(resolve, 3));
    }
    await working;
    const states = await Promise.all(everyone.map(state));
    expect(states).toEqual(codes.map((code) => (code === undefined ? 'BOOKED' : 'LAPSED')));
    expect(codes.filter((code) => code && code !== 'OFFER_TOO_LATE')).toEqual([]);
    const booked = codes.filter((code) => code === undefined).length;
    await worker.step(release);
    expect(await seats()).toEqual({ capacity: 60, free: 60 - booked, offered: 0, booked });
  });

  it('lapses with hundreds of others, each once, under two workers', async () => {
    const count = 700; // more than one script takes back
    ({ release } = await publishRelease(engine, test.redis, { seats: [count] }));
    await letPass(test.redis, 600);
    await engine.stores.drawing.cut(release);
    const ids = Array.from({ length: count }, () => fresh('entry'));
    const offers = ids.map((id) => [id, 'OFFERED|0|0|0|1|0'] as const);
    await engine.stores.drawing.stageBookings(release, 0, offers);
    await engine.stores.drawing.stageOffers(release, 0, ids);
    const result = {
      record: '{}',
      digest: 'd',
      seats: [['0/0', -count, 0]] as const,
      offers: ids.map(() => ({ size: 1 })),
    };
    await engine.stores.drawing.publish(release, 0, result);
    expect((await seats()).offered).toBe(count);
    await letPass(test.redis, CONFIRM_WITHIN_S + 1);
    await Promise.all(
      [1, 2].map(async () => {
        for (;;) if ((await engine.stores.bookings.expire(release, 0)).outcome !== 'EXPIRED') break;
      }),
    );
    expect(await seats()).toEqual({ capacity: count, free: count, offered: 0, booked: 0 });
    const bookings = await test.redis.hvals(keys.bookings(release));
    expect(new Set(bookings.map((packed) => unpackBooking(packed).state))).toEqual(
      new Set(['LAPSED']),
    );
    expect(await test.redis.llen(keys.happened(release))).toBe(count);
  });

  it('had its time from its seal to a cut, whatever a failover did to the clock', async () => {
    const winner = await oneWinner();
    // The clock of the publication is behind that of the seal, by all of the time to confirm.
    const back = -1_000 * (CONFIRM_WITHIN_S + 1);
    await test.redis.hincrby(keys.rounds(release), 'published_at_ms:0', back);
    await test.redis.hset(keys.release(release), { next_round_at_ms: 1 });
    expect(await nextRound(engine, release)).toBe(1);
    expect(await state(winner)).toBe('LAPSED');
    const [first, second] = await Promise.all(
      [0, 1].map(async (round) => {
        const seal = await test.redis.hget(keys.rounds(release), `seal:${round}`);
        return Seal.parse(JSON.parse(present(seal, 'a seal')));
      }),
    );
    const earliestMs = msFromIso(present(first, 'a seal').sealed_at) + 1_000 * CONFIRM_WITHIN_S;
    expect(msFromIso(present(second, 'a seal').cut_at)).toBe(earliestMs);
    expect(await verify(engine, release)).toMatchObject({ accepted: true });
  });

  it('of an older round is not the one that the entry has now', async () => {
    const first = await oneWinner();
    granted(await cancel(first));
    const { slots } = await describeSlots();
    const request = { beneficiaries: [first.person], preferences: slots };
    granted(await engine.rounds.enter(first.account, release, request));
    await letPass(test.redis, 61);
    await nextRound(engine, release);
    expect(codeOf(await confirm(first))).toBe('BOOKING_UNKNOWN');
    expect(codeOf(await cancel(first))).toBe('BOOKING_UNKNOWN');
    expect(await state(first)).toBe('OFFERED');
  });

  it("is answered by its own account only, and an id that isn't one is unknown", async () => {
    const winner = await oneWinner();
    const stranger = fresh('account');
    await register(engine, stranger);
    const { booking } = winner;
    for (const answer of ['confirm', 'cancel'] as const) {
      expect(codeOf(await engine.bookings[answer](stranger, booking))).toBe('BOOKING_UNKNOWN');
      for (const id of ['', 'x', booking.slice(1), `${booking}0`, `nowhere${booking.slice(7)}`])
        expect(codeOf(await engine.bookings[answer](winner.account, id))).toBe('BOOKING_UNKNOWN');
    }
    expect(await engine.bookings.list(stranger)).toEqual([]);
    expect(await state(winner)).toBe('OFFERED');
  });
});

const describeSlots = async () => {
  const { manifest } = granted(await engine.releases.published(release));
  return { slots: manifest.slots.map(({ slot }) => slot) };
};
