/** F1: one person, one claim. */
import { beforeEach, describe, expect, it } from 'vitest';
import type { Engine } from '../../src/engine.ts';
import { present } from '../../src/lib/assert.ts';
import { redisNowMs } from '../../src/redis/client.ts';
import { keys } from '../../src/redis/keys.ts';
import { isRefusal } from '../../src/refusal.ts';
import { entryIdOf, packEntry } from '../../src/rounds/rules.ts';
import {
  bookingOf,
  codeOf,
  engineOn,
  fresh,
  granted,
  letPass,
  nextRound,
  publishRelease,
  register,
  type ReleaseWishes,
  stateOf,
  type TestRelease,
  workerOn,
} from '../support/engine.ts';
import { useRedis } from '../support/redis.ts';

const test = useRedis(['--appendfsync', 'no']);

let engine: Engine;
let account: string;
let person: string;
let one: TestRelease;
let other: TestRelease;

beforeEach(async () => {
  engine = engineOn(test.redis);
  account = fresh('account');
  person = await register(engine, account);
  one = await publish();
  other = await publish();
});

const publish = (wishes: Partial<ReleaseWishes> = {}): Promise<TestRelease> =>
  publishRelease(engine, test.redis, { seats: [1, 1], ...wishes });
const enter = ({ release, slots }: TestRelease) =>
  engine.rounds.enter(account, release, { beneficiaries: [person], preferences: slots });
const withdraw = ({ release }: TestRelease) =>
  engine.rounds.withdraw(account, release, entryIdOf(engine.secrets, release, person));
const booking = ({ release }: TestRelease) => bookingOf(engine, account, release);
const states = (...releases: TestRelease[]) =>
  Promise.all(releases.map(({ release }) => stateOf(engine, release, person)));

describe('a person with an entry', () => {
  it('cannot enter another release', async () => {
    granted(await enter(one));
    await letPass(test.redis, 60);
    expect(codeOf(await enter(other))).toBe('CLAIMED_ELSEWHERE');
    expect(await states(one, other)).toEqual(['ENTERED', 'NONE']);
  });

  it('can, ten seconds after withdrawing, and is told how long to wait', async () => {
    granted(await enter(one));
    granted(await withdraw(one));
    await letPass(test.redis, 3);
    expect(await enter(other)).toMatchObject({ refused: 'CLAIMED_ELSEWHERE', retryAfterS: 7 });
    await letPass(test.redis, 8);
    granted(await enter(other));
    expect(await states(one, other)).toEqual(['NONE', 'ENTERED']);
  });

  it('enters two releases at the same time into one of them only', async () => {
    for (let round = 0; round < 20; round++) {
      const [left, right] = [await publish(), await publish()];
      person = await register(engine, (account = fresh('account')));
      await Promise.all([left, right, left, right].map((release) => enter(release)));
      expect((await states(left, right)).toSorted()).toEqual(['ENTERED', 'NONE']);
    }
  });

  it('enters, withdraws and enters in two releases at once, and never has two claims', async () => {
    const moves = [enter, withdraw, enter, withdraw, enter];
    for (let round = 0; round < 20; round++) {
      await letPass(test.redis, 11);
      await Promise.all(
        moves.flatMap((move, i) => (i % 2 === 0 ? [move(one), move(other)] : [move(other)])),
      );
      const live = (await states(one, other)).filter((state) => state !== 'NONE');
      expect(live.length).toBeLessThanOrEqual(1);
    }
  });

  it('takes over its old claim for one of three releases that it enters at once', async () => {
    const third = await publish();
    const fourth = await publish();
    granted(await enter(one));
    granted(await withdraw(one));
    await letPass(test.redis, 11);
    const answers = await Promise.all([other, third, fourth].map(enter));
    expect(answers.filter((answer) => !isRefusal(answer))).toHaveLength(1);
    const found = await states(other, third, fourth);
    expect(found.filter((state) => state === 'ENTERED')).toHaveLength(1);
  });
});

/** Time passes for what Redis holds, and a manifest holds its days as they are. */
async function overSince({ release }: TestRelease, date: string): Promise<void> {
  const text = present(await test.redis.get(keys.manifest(release)), 'a manifest');
  await test.redis.set(keys.manifest(release), text.replaceAll('2099-01-01', date));
}

describe('a claim', () => {
  it('covers an entry for five seconds and not later, so that a slow request comes too late', async () => {
    const packed = packEntry({ persons: [person], prefs: [0], categories: [] });
    const id = entryIdOf(engine.secrets, one.release, person);
    const nowMs = await redisNowMs(test.redis);
    const late = { id, packed, account, enterBeforeMs: nowMs - 1 };
    expect(await engine.stores.rounds.enter(one.release, late)).toEqual({
      outcome: 'CLAIM_EXPIRED',
    });
    const claim = granted(await engine.claims.claim(account, person, one.release));
    expect(claim.enterBeforeMs - nowMs).toBeGreaterThan(4_900);
    expect(claim.enterBeforeMs - nowMs).toBeLessThan(6_000);
  });

  it('that was used since it was seen to be over is not taken over', async () => {
    granted(await engine.claims.claim(account, person, one.release));
    await letPass(test.redis, 11);
    const seen = await engine.stores.people.claim(person, account, other.release);
    if (seen.outcome !== 'CLAIMED_ELSEWHERE') throw new Error(seen.outcome);
    granted(await enter(one)); // in between
    const again = await engine.stores.people.claim(person, account, other.release, seen);
    expect(again.outcome).toBe('CLAIMED_ELSEWHERE');
  });

  it('that was used since it was seen to be over keeps its person registered', async () => {
    granted(await engine.claims.claim(account, person, one.release));
    await letPass(test.redis, 11);
    const seen = await engine.stores.people.unregister(person, account);
    if (seen.outcome !== 'CLAIMED') throw new Error(seen.outcome);
    granted(await enter(one)); // in between
    const again = await engine.stores.people.unregister(person, account, seen);
    expect(again.outcome).toBe('CLAIMED');
  });

  it('ends with the offer that lapses, and not before', async () => {
    granted(await enter(one));
    await letPass(test.redis, 600);
    await nextRound(engine, one.release);
    await letPass(test.redis, 890);
    expect(codeOf(await enter(other))).toBe('CLAIMED_ELSEWHERE');
    await letPass(test.redis, 11);
    // No worker has come by to write the lapse down: the clock decides.
    expect(await states(one)).toEqual(['LAPSED']);
    granted(await enter(other));
    expect(await states(one, other)).toEqual(['LAPSED', 'ENTERED']);
    expect(codeOf(await engine.bookings.confirm(account, await booking(one)))).toBe(
      'OFFER_TOO_LATE',
    );
  });

  it('lasts as long as the booking', async () => {
    granted(await enter(one));
    await letPass(test.redis, 600);
    await nextRound(engine, one.release);
    granted(await engine.bookings.confirm(account, await booking(one)));
    await letPass(test.redis, 86_400);
    expect(codeOf(await enter(other))).toBe('CLAIMED_ELSEWHERE');
    granted(await engine.bookings.cancel(account, await booking(one)));
    granted(await enter(await publish()));
  });

  it('ends on the evening of the last day of the release', async () => {
    const past = await publish({ mode: 'immediate' });
    const [slot] = past.slots;
    // A process that reads the manifest before time has passed.
    const booked = await engineOn(test.redis).bookings.book(account, {
      release: past.release,
      beneficiary: person,
      slot: present(slot, 'a slot'),
    });
    granted(booked);
    await overSince(past, '2021-04-11');
    await letPass(test.redis, 11);
    granted(await enter(one));
  });

  it('of one who waits lasts while a round is drawn that could serve them, even past the end', async () => {
    const short = await publish({ seats: [1], endsInS: 1_000 });
    const rival = { account: fresh('account'), person: '' };
    rival.person = await register(engine, rival.account);
    granted(await enter(short));
    const request = { beneficiaries: [rival.person], preferences: short.slots };
    granted(await engine.rounds.enter(rival.account, short.release, request));
    await letPass(test.redis, 600);
    await nextRound(engine, short.release);
    let winner = rival;
    if ((await states(short))[0] === 'OFFERED') {
      winner = { account, person };
      ({ account, person } = rival);
    }
    const offer = await bookingOf(engine, winner.account, short.release);
    granted(await engine.bookings.cancel(winner.account, offer));
    await letPass(test.redis, 61);
    expect(await engine.stores.drawing.cut(short.release)).toMatchObject({ outcome: 'DRAWING' });
    await letPass(test.redis, 400);
    expect(await states(short)).toEqual(['WAITING']);
    expect(codeOf(await enter(other))).toBe('CLAIMED_ELSEWHERE');
    await nextRound(engine, short.release);
    expect(await states(short, other)).toEqual(['OFFERED', 'NONE']);
  });

  it('of one who entered lasts when no worker wakes before the end: the round still takes place', async () => {
    const short = await publish({ endsInS: 700 });
    granted(await enter(short));
    await letPass(test.redis, 900);
    expect(await states(short)).toEqual(['ENTERED']);
    expect(codeOf(await enter(other))).toBe('CLAIMED_ELSEWHERE');
    await nextRound(engine, short.release);
    expect(await states(short, other)).toEqual(['OFFERED', 'NONE']);
  });

  it('ends when the release ends without a seat', async () => {
    granted(await enter(one));
    await letPass(test.redis, 11);
    granted(await engine.releases.end(one.release));
    expect(await states(one)).toEqual(['OVER']);
    expect(await workerOn(engine).step(one.release)).toEqual({ step: 'OVER' });
    granted(await enter(other));
  });
});
