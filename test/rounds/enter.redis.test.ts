import { buffer } from 'node:stream/consumers';
import { gunzipSync } from 'node:zlib';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Engine } from '../../src/engine.ts';
import { present } from '../../src/lib/assert.ts';
import { keys } from '../../src/redis/keys.ts';
import { redisNowMs } from '../../src/redis/client.ts';
import { isRefusal } from '../../src/refusal.ts';
import { entryIdOf, unpackEntry } from '../../src/rounds/rules.ts';
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
  type ReleaseWishes,
  stateOf,
} from '../support/engine.ts';
import { useRedis } from '../support/redis.ts';

const test = useRedis(['--appendfsync', 'no']);

let engine: Engine;
let account: string;
let person: string;
let release: string;
let slots: readonly string[];

const open = async (wishes: Partial<ReleaseWishes> = {}): Promise<void> => {
  ({ release, slots } = await publishRelease(engine, test.redis, { seats: [1, 1, 1], ...wishes }));
};
beforeEach(async () => {
  engine = engineOn(test.redis);
  account = fresh('account');
  person = await register(engine, account);
  await open();
});

type Who = { readonly account: string; readonly person: string };
const slot = (number: number): string => present(slots[number], 'a slot');
const enter = (preferences: readonly string[] = slots, who: Who = { account, person }) =>
  engine.rounds.enter(who.account, release, { beneficiaries: [who.person], preferences });
const withdraw = (who: Who = { account, person }) =>
  engine.rounds.withdraw(who.account, release, entryIdOf(engine.secrets, release, who.person));
const state = (who: Who = { account, person }) => stateOf(engine, release, who.person);
const audit = () => test.redis.xlen(keys.audit(release));
/** Round 0 is published and one seat of slot 0 given to one of two people; the other waits. */
async function drawTwo(): Promise<{ winner: Who; waiter: Who }> {
  const rival = { account: fresh('account'), person: '' };
  rival.person = await register(engine, rival.account);
  const pair = [{ account, person }, rival];
  for (const who of pair) granted(await enter([slot(0)], who));
  await letPass(test.redis, 600);
  await nextRound(engine, release);
  const [first, second] = pair as [Who, Who];
  return (await state(first)) === 'OFFERED'
    ? { winner: first, waiter: second }
    : { winner: second, waiter: first };
}

describe('an entry', () => {
  it('is taken from opening to the end, by the clock of Redis', async () => {
    await open({ opensInS: 60, closesInS: 600, endsInS: 1_000 });
    const early = await enter();
    expect(codeOf(early)).toBe('RELEASE_NOT_OPEN');
    expect(early).toHaveProperty('extra.opensAt');
    await letPass(test.redis, 61);
    granted(await enter());
    await letPass(test.redis, 1_000);
    expect(codeOf(await enter([slot(1)]))).toBe('RELEASE_ENDED');
  });

  it('is refused once an operator has ended the release', async () => {
    granted(await enter());
    await engine.releases.end(release);
    expect(codeOf(await enter([slot(1)]))).toBe('RELEASE_ENDED');
    expect(await state()).toBe('OVER');
  });

  it('can be edited, and stays the same entry', async () => {
    const first = granted(await enter([slot(0)]));
    const second = granted(await enter([slot(2), slot(1)]));
    expect(second.entryId).toBe(first.entryId);
    expect(second.leaf).not.toBe(first.leaf);
    expect(await engine.rounds.list(account, release)).toEqual([
      {
        entryId: first.entryId,
        beneficiaries: [person],
        preferences: [slot(2), slot(1)],
        categories: [],
        state: 'entered',
        receipt: {
          ...second.receipt,
          issued_at: expect.any(String),
          signature: expect.any(String),
        },
        carryOver: null,
        booking: null,
      },
    ]);
  });

  it('that is sent again changes nothing', async () => {
    const first = granted(await enter());
    const before = await audit();
    const { receipt, ...again } = granted(await enter());
    expect(first).toMatchObject({ ...again, receipt: { entry: receipt.entry } });
    expect(await audit()).toBe(before);
  });

  it('has the same id after withdrawing, so that nobody draws a new number', async () => {
    const { entryId } = granted(await enter());
    granted(await withdraw());
    expect(await state()).toBe('NONE');
    expect(granted(await enter()).entryId).toBe(entryId);
  });

  it('stands in the transcript with the leaf of its receipt', async () => {
    const { leaf } = granted(await enter());
    await letPass(test.redis, 600);
    await nextRound(engine, release);
    const transcript = granted(await engine.rounds.transcript(release, 0));
    const text = gunzipSync(await buffer(transcript)).toString();
    expect(text).toContain(leaf);
    expect(text).not.toContain(person);
  });

  it('is charged to its account for good: people cannot be cycled through it', async () => {
    await open({ entriesPerAccount: 2 });
    const people = [person, await register(engine, account), await register(engine, account)];
    for (const one of people.slice(0, 2)) {
      granted(await enter(slots, { account, person: one }));
      granted(await withdraw({ account, person: one }));
    }
    const [first = '', , third = ''] = people;
    expect(codeOf(await enter(slots, { account, person: third }))).toBe('TOO_MANY_ENTRIES');
    granted(await enter(slots, { account, person: first }));
  });

  it('is seen and withdrawn by its own account only', async () => {
    const { entryId } = granted(await enter());
    const stranger = fresh('account');
    await register(engine, stranger);
    expect(await engine.rounds.list(stranger, release)).toEqual([]);
    expect(codeOf(await engine.rounds.withdraw(stranger, release, entryId))).toBe('ENTRY_UNKNOWN');
    expect(await state()).toBe('ENTERED');
  });
});

describe('an entry is refused', () => {
  const young = () => register(engine, account, { birthYear: 2060 });
  const cases: [code: string, why: string, act: () => Promise<unknown>][] = [
    [
      'RELEASE_UNKNOWN',
      'in no release',
      () =>
        engine.rounds.enter(account, 'nowhere', { beneficiaries: [person], preferences: slots }),
    ],
    [
      'SLOT_UNKNOWN',
      'for a slot of another release',
      () => enter([slot(0), 'c9-20990101-d1-0900']),
    ],
    ['SLOT_DUPLICATE', 'for a slot twice', () => enter([slot(0), slot(1), slot(0)])],
    [
      'TOO_MANY_PREFERENCES',
      'for more slots than allowed',
      () => enter(Array.from({ length: 6 }, () => slot(0))),
    ],
    [
      'GROUP_TOO_LARGE',
      'for more people than allowed',
      async () =>
        engine.rounds.enter(account, release, {
          beneficiaries: [person, 'a', 'b', 'c', 'd'],
          preferences: slots,
        }),
    ],
    [
      'BENEFICIARY_DUPLICATE',
      'for a person twice',
      () =>
        engine.rounds.enter(account, release, {
          beneficiaries: [person, person],
          preferences: slots,
        }),
    ],
    [
      'GROUP_TOO_LARGE',
      'for nobody',
      () => engine.rounds.enter(account, release, { beneficiaries: [], preferences: slots }),
    ],
    [
      'BENEFICIARY_UNKNOWN',
      "for another account's person",
      async () => enter(slots, { account: fresh('account'), person }),
    ],
    [
      'ID_TYPE_NOT_ACCEPTED',
      'with an ID that does not count here',
      async () =>
        enter(slots, { account, person: await register(engine, account, { idType: 'voter-id' }) }),
    ],
    [
      'NOT_ELIGIBLE',
      'for a session for others',
      async () => enter(slots, { account, person: await young() }),
    ],
  ];

  it.each(cases)('%s: %s', async (code, _why, act) => {
    if (code === 'NOT_ELIGIBLE') await open({ places: { minAge: 45 } });
    const before = await test.redis.hgetall(keys.release(release));
    expect(codeOf(await act())).toBe(code);
    expect(await test.redis.hgetall(keys.release(release))).toEqual(before);
    expect(await test.redis.exists(keys.entering(release))).toBe(0);
    expect(await audit()).toBe(1); // published
  });

  it('NOT_A_LOTTERY: in a release that books at once', async () => {
    await open({ mode: 'immediate' });
    expect(codeOf(await enter())).toBe('NOT_A_LOTTERY');
    expect(codeOf(await withdraw())).toBe('NOT_A_LOTTERY');
  });
});

describe('closing time', () => {
  it('holds although no worker runs: who comes later is in the next round', async () => {
    granted(await enter());
    const [late] = (await registerMany(engine, 1)) as [Who];
    await letPass(test.redis, 600);
    granted(await enter(slots, late));
    expect(await state()).toBe('SEALED');
    expect(await state(late)).toBe('ENTERED');
    expect(codeOf(await enter([slot(1)]))).toBe('ENTRY_SEALED');
    expect(codeOf(await withdraw())).toBe('ROUND_DRAWING');
    expect(await nextRound(engine, release)).toBe(0);
    expect(await state()).toBe('OFFERED');
    expect(await state(late)).toBe('ENTERED');
  });

  it('seals by the hand of whoever comes first, even to withdraw too late', async () => {
    granted(await enter());
    await letPass(test.redis, 600);
    expect(codeOf(await withdraw())).toBe('ROUND_DRAWING');
    const events = await test.redis.xrange(keys.audit(release), '-', '+');
    expect(events.at(-1)?.[1]).toEqual(['e', 'sealed 0']);
  });

  it('seals exactly what was acknowledged, while many edit and withdraw', async () => {
    const people = await registerMany(engine, 40);
    for (const who of people) granted(await enter([slot(0)], who));
    const closesAtMs = Number(await test.redis.hget(keys.release(release), 'closes_at_ms'));
    await letPass(test.redis, (closesAtMs - (await redisNowMs(test.redis)) - 150) / 1_000);
    let closed = false;
    const last = await Promise.all(
      people.map(async (who, number) => {
        let acknowledged: string | undefined = slot(0);
        for (let turn = 1; !closed; turn++) {
          const wish = slot(turn % slots.length);
          const withdraws = (turn + number) % 5 === 0;
          const answer = withdraws ? await withdraw(who) : await enter([wish], who);
          if (!isRefusal(answer)) acknowledged = withdraws ? undefined : wish;
          closed ||= ['ENTRY_SEALED', 'ROUND_DRAWING'].includes(codeOf(answer) ?? '');
        }
        return acknowledged;
      }),
    );
    const sealed = await test.redis.hgetall(keys.sealed(release));
    const entering = await test.redis.hgetall(keys.entering(release));
    for (const [number, who] of people.entries()) {
      const id = entryIdOf(engine.secrets, release, who.person);
      const packed = sealed[id] ?? entering[id];
      const held = packed && slot(unpackEntry(packed).prefs[0] ?? 0);
      expect(held).toBe(last[number]);
    }
    expect(Object.keys(sealed).length).toBeGreaterThan(0);
  });
});

describe('while a round is drawn', () => {
  it('no answer tells a staged offer from none', async () => {
    const { winner, waiter } = await drawTwo();
    granted(
      await engine.bookings.cancel(
        winner.account,
        await bookingOf(engine, winner.account, release),
      ),
    );
    await letPass(test.redis, 60);
    await engine.stores.drawing.cut(release);
    const id = entryIdOf(engine.secrets, release, waiter.person);
    const answers = async () => [
      codeOf(await enter([slot(1)], waiter)),
      codeOf(await withdraw(waiter)),
      await state(waiter),
      codeOf(await engine.bookings.confirm(waiter.account, `${release}.${id}.1`)),
      codeOf(await engine.bookings.cancel(waiter.account, `${release}.${id}.1`)),
      granted(await engine.rounds.list(waiter.account, release)),
      await engine.releases.seats(granted(await engine.releases.published(release)).manifest),
    ];
    const before = await answers();
    await engine.stores.drawing.stageBookings(release, 1, [[id, 'OFFERED|1|0|0|1|0']]);
    await engine.stores.drawing.stageOffers(release, 1, [id]);
    expect(await answers()).toEqual(before);
    expect(before.slice(0, 3)).toEqual(['ENTRY_SEALED', 'ROUND_DRAWING', 'WAITING']);
    expect(await nextRound(engine, release)).toBe(1);
    expect(await state(waiter)).toBe('OFFERED');
  });
});

describe('after the round', () => {
  it('who waits keeps place and preferences, may withdraw, and then enters behind', async () => {
    const { waiter } = await drawTwo();
    expect(codeOf(await enter([slot(1)], waiter))).toBe('ENTRY_SEALED');
    granted(await withdraw(waiter));
    expect(await state(waiter)).toBe('NONE');
    granted(await enter([slot(1)], waiter));
    await letPass(test.redis, 60);
    await nextRound(engine, release);
    expect(await entryOf(engine, waiter.account, release)).toMatchObject({
      preferences: [slot(1)],
      booking: { slot: slot(1), state: 'offered' },
    });
  });

  it('who holds a seat cannot enter or withdraw', async () => {
    const { winner } = await drawTwo();
    for (const expected of ['OFFERED', 'BOOKED']) {
      expect(await state(winner)).toBe(expected);
      expect(codeOf(await enter([slot(1)], winner))).toBe('HAS_BOOKING');
      expect(codeOf(await withdraw(winner))).toBe('HAS_BOOKING');
      await engine.bookings.confirm(
        winner.account,
        await bookingOf(engine, winner.account, release),
      );
    }
  });

  it.each([false, true])(
    'who let an offer lapse is out, whether or not a worker has come by (%s)',
    async (workerCameBy) => {
      const { winner } = await drawTwo();
      await letPass(test.redis, 901);
      if (workerCameBy) await nextRound(engine, release);
      const booking = await bookingOf(engine, winner.account, release);
      expect(await state(winner)).toBe('LAPSED');
      expect(codeOf(await engine.bookings.confirm(winner.account, booking))).toBe('OFFER_TOO_LATE');
      expect(codeOf(await engine.bookings.cancel(winner.account, booking))).toBe('BOOKING_OVER');
      expect(codeOf(await withdraw(winner))).toBe('ENTRY_UNKNOWN');
      expect(codeOf(await enter(slots, winner))).toBe('ENTRY_LAPSED');
    },
  );

  it('who cancels may enter again, behind those who wait', async () => {
    const { winner, waiter } = await drawTwo();
    granted(
      await engine.bookings.cancel(
        winner.account,
        await bookingOf(engine, winner.account, release),
      ),
    );
    expect(await state(winner)).toBe('CANCELLED');
    granted(await enter([slot(0)], winner));
    await letPass(test.redis, 60);
    await nextRound(engine, release);
    expect(await state(waiter)).toBe('OFFERED');
    expect(await state(winner)).toBe('WAITING');
  });
});
