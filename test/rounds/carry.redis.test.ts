/** Standing entries: from release to release of a series until they win, are withdrawn or expire. */
import { beforeEach, describe, expect, it } from 'vitest';
import { createEngine, type Engine } from '../../src/engine.ts';
import { present } from '../../src/lib/assert.ts';
import { isoFromMs, msFromIso } from '../../src/lib/clock.ts';
import { createLog } from '../../src/log.ts';
import type { Sms } from '../../src/notify/outbox.ts';
import { keys } from '../../src/redis/keys.ts';
import { redisNowMs } from '../../src/redis/client.ts';
import { isRefusal } from '../../src/refusal.ts';
import { ReleaseTerms } from '../../src/releases/rules.ts';
import type { LotteryManifest } from '../../src/releases/manifest.ts';
import type { Moving } from '../../src/rounds/carry-store.ts';
import { carryingOver } from '../../src/rounds/carry.ts';
import { entryIdOf, unpackEntry } from '../../src/rounds/rules.ts';
import { type Carried, unpackStanding } from '../../src/rounds/standing.ts';
import {
  bookingOf,
  carrierOn,
  codeOf,
  csvOf,
  engineOn,
  entryOf,
  forgetSms,
  fresh,
  granted,
  IMPORT_TERMS,
  letPass,
  nextRound,
  publishRelease,
  register,
  registerMany,
  type ReleaseWishes,
  smsOf,
  stateOf,
  type TestRelease,
  verify,
  workerOn,
} from '../support/engine.ts';
import { SECRET } from '../support/app.ts';
import { useRedis } from '../support/redis.ts';

const test = useRedis(['--appendfsync', 'no']);

type Who = { readonly account: string; readonly person: string };
const DAY_S = 86_400;

let engine: Engine;
let series: string;
let who: Who;
let first: TestRelease;

const open = (wishes: Partial<ReleaseWishes> = {}): Promise<TestRelease> =>
  publishRelease(engine, test.redis, { seats: [1], series, ...wishes });
const manifestOf = async (release: string): Promise<LotteryManifest> =>
  granted(await engine.releases.published(release)).manifest as LotteryManifest;
const arrive = async (): Promise<Who> => present((await registerMany(engine, 1))[0], 'somebody');
beforeEach(async () => {
  engine = engineOn(test.redis);
  series = fresh('series');
  who = await arrive();
  first = await open();
});

const untilOf = async ({ release }: TestRelease, days = 30): Promise<string> =>
  isoFromMs(msFromIso((await manifestOf(release)).ends_at) + days * DAY_S * 1000);

/** Enters these people to be carried over. */
const stand = async (
  one: TestRelease,
  { account, people }: { account: string; people: readonly string[] } = {
    account: who.account,
    people: [who.person],
  },
  { preferences = one.slots, days = 30 }: { preferences?: readonly string[]; days?: number } = {},
) =>
  granted(
    await engine.rounds.enter(account, one.release, {
      beneficiaries: people,
      preferences,
      carryOverUntil: await untilOf(one, days),
    }),
  );
const enter = ({ release, slots }: TestRelease, by = who, beneficiaries = [by.person]) =>
  engine.rounds.enter(by.account, release, { beneficiaries, preferences: slots });
const withdraw = ({ release }: TestRelease, by = who) =>
  engine.rounds.withdraw(by.account, release, entryIdOf(engine.secrets, release, by.person));
/** Ends a release before its time; the claims of its people can be taken over. */
const end = async ({ release }: TestRelease): Promise<void> => {
  granted(await engine.releases.end(release));
  await letPass(test.redis, 11);
};
const states = (one: TestRelease, ...people: readonly Who[]) =>
  Promise.all(people.map(({ person }) => stateOf(engine, one.release, person)));
const state = async (one: TestRelease, by = who) => (await states(one, by))[0];
const entry = (one: TestRelease, by = who) => entryOf(engine, by.account, one.release);

/** Carries all that can be carried into a release; what became of it. */
async function carry({ release }: TestRelease, by = engine): Promise<Carried[]> {
  const outcomes: Carried[] = [];
  const carrier = carrierOn(by, (outcome) => outcomes.push(outcome));
  while (await carrier(await manifestOf(release)));
  return outcomes;
}
const messages = (): Promise<Sms[]> => smsOf(engine, test.redis);
const templates = async (): Promise<string[]> =>
  (await messages()).map(({ message }) => message.template);
/** What is left of standing entries in a release. */
const left = async ({ release }: TestRelease): Promise<number> => {
  const [standing, carrying] = await Promise.all([
    test.redis.hlen(keys.standing(release)),
    test.redis.hlen(keys.carrying(release)),
  ]);
  return standing + carrying;
};

/** Puts what stands in a release on its way into another. */
const handOut = async (from: TestRelease, into: TestRelease) => {
  const reply = await engine.stores.carry.carryOut(from.release, into.release, 500);
  if (reply.outcome !== 'HANDED') throw new Error(reply.outcome);
  return reply;
};

describe('an entry that got nothing and stands', () => {
  it('is entered in the next release of its series, like one that is put by hand', async () => {
    const winner = await arrive();
    await stand(first);
    await stand(first, { account: winner.account, people: [winner.person] });
    await letPass(test.redis, 600);
    await nextRound(engine, first.release);
    const [mine] = await states(first, who);
    const [wins, loses] = mine === 'OFFERED' ? [who, winner] : [winner, who];
    expect(await states(first, wins, loses)).toEqual(['OFFERED', 'WAITING']);
    await letPass(test.redis, 7_200);
    const second = await open({ places: { date: '2099-01-02' } });

    expect(await carry(second)).toEqual(['ENTERED']);
    expect(await states(second, wins, loses)).toEqual(['NONE', 'ENTERED']);
    expect(await left(first)).toBe(0);
    const held = await entry(second, loses);
    expect(held.preferences).toEqual(second.slots);
    expect(held.carryOver).toEqual({ until: await untilOf(first), refused: null });
    expect((await entry(first, loses)).carryOver).toBeNull();
    expect(await engine.stores.people.claimsOf([loses.person])).toEqual([second.release]);

    // By hand, the very same entry is no edit: same people, wishes, categories, id and so chance.
    const packed = () => test.redis.hgetall(keys.entering(second.release));
    const before = await packed();
    expect(granted(await enter(second, loses)).entryId).toBe(held.entryId);
    expect(await packed()).toEqual(before);
    await letPass(test.redis, 600);
    await nextRound(engine, second.release);
    expect(await state(second, loses)).toBe('OFFERED');
    expect(await verify(engine, second.release)).toMatchObject({ accepted: true });
  });

  it('is told once', async () => {
    const mobile = engine.secrets.encrypt('+919812345678');
    await test.redis.hset(keys.account(who.account), 'mobile', mobile);
    await stand(first);
    await end(first);
    const second = await open();
    await carry(second);
    await carry(second);
    const { title } = await manifestOf(second.release);
    const until = await untilOf(first);
    expect((await messages()).map(({ message }) => message)).toEqual([
      { template: 'carried', title, until },
    ]);
  });

  it('arrives, and the others are told, where the number of one cannot be read', async () => {
    const others = await registerMany(engine, 2);
    const mobile = engine.secrets.encrypt('+919812345678');
    for (const [index, { account, person }] of [who, ...others].entries()) {
      await stand(first, { account, people: [person] });
      await test.redis.hset(keys.account(account), 'mobile', index === 1 ? 'unreadable' : mobile);
    }
    await end(first);
    const second = await open();
    expect(await carry(second)).toEqual(['ENTERED', 'ENTERED', 'ENTERED']);
    expect(await left(first)).toBe(0);
    expect(await templates()).toEqual(['carried', 'carried']);
  });

  it('arrives where nobody can be told', async () => {
    const mute = engineOn(test.redis);
    mute.outbox.send = () => Promise.reject(new Error('no outbox'));
    await stand(first);
    await end(first);
    expect(await carry(await open(), mute)).toEqual(['ENTERED']);
    expect(await left(first)).toBe(0);
  });

  it('goes on for as long as it gets nothing, from what was asked for at first', async () => {
    const both = await open({ seats: [1, 1] });
    await stand(both);
    await end(both);
    // Centre c0 alone is open, then none of them, then both again.
    const less = await open({ seats: [1], places: { date: '2099-01-02' } });
    expect(await carry(less)).toEqual(['ENTERED']);
    expect((await entry(less)).preferences).toEqual(less.slots);
    await end(less);
    const none = await open({ places: { date: '2099-01-03', dose: 2 } });
    expect(await carry(none)).toEqual(['REFUSED']);
    await end(none);
    const again = await open({ seats: [1, 1], places: { date: '2099-01-04' } });
    expect(await carry(again)).toEqual(['ENTERED']);
    expect((await entry(again)).preferences).toEqual(again.slots);
    expect(await Promise.all([both, less, none].map(left))).toEqual([0, 0, 0]);
  });

  it('waits until its release is over, and enters late as any other', async () => {
    // One seat is none for two.
    const other = await register(engine, who.account);
    await stand(first, { account: who.account, people: [who.person, other] });
    const second = await open({ seats: [2], closesInS: 900, endsInS: 90_000, opensInS: -50 });
    expect(await carry(second)).toEqual([]);
    await letPass(test.redis, 600);
    await engine.stores.drawing.cut(first.release);
    await letPass(test.redis, 7_200);
    expect(await carry(second)).toEqual([]); // its last round is being drawn
    await nextRound(engine, first.release);
    await nextRound(engine, second.release);
    expect(await carry(second)).toEqual(['ENTERED']);
    await letPass(test.redis, 60);
    expect(await nextRound(engine, second.release)).toBe(1);
    expect(await state(second)).toBe('OFFERED');
    expect(await verify(engine, second.release)).toMatchObject({ accepted: true });
  });

  it('is carried into no release that is not open, not of its series or before its own', async () => {
    const before = await open({ opensInS: -100 });
    await stand(first);
    await end(first);
    const later = await open({ opensInS: 60 });
    const other = await publishRelease(engine, test.redis, { seats: [1], series: fresh('series') });
    const alone = await publishRelease(engine, test.redis, { seats: [1] });
    const over = await open();
    await end(over);
    for (const one of [before, later, other, alone, over]) expect(await carry(one)).toEqual([]);
    expect(await left(first)).toBe(1);
  });

  it('is for the next release that still runs, not for the one after it', async () => {
    await stand(first);
    await end(first);
    const [second, third] = [await open({ opensInS: -50 }), await open({ opensInS: -40 })];
    expect(await carry(third)).toEqual([]);
    expect(await carry(second)).toEqual(['ENTERED']);
  });
});

describe('an entry that a release cannot take', () => {
  const cases: [code: string, next: Partial<ReleaseWishes>][] = [
    ['SLOT_UNKNOWN', { places: { service: 'COVAXIN' } }],
    ['NOT_ELIGIBLE', { places: { maxAge: 100 } }], // born in 1960, wanted in 2099
    ['ID_TYPE_NOT_ACCEPTED', { idTypes: ['aadhaar'] }],
  ];
  it.each(cases)('says why (%s), stands on, and is tried once', async (code, next) => {
    await stand(first);
    await end(first);
    const second = await open(next);
    expect(await carry(second)).toEqual(['REFUSED']);
    expect(await carry(second)).toEqual([]);
    expect(await entry(second)).toMatchObject({
      state: 'standing',
      beneficiaries: [who.person],
      preferences: [],
      carryOver: { until: await untilOf(first), refused: code },
    });
    expect(await templates()).toEqual([]);
    await end(second);
    const third = await open();
    expect(await carry(third)).toEqual(['ENTERED']);
    expect((await entry(third)).carryOver?.refused).toBeNull();
  });

  it('is a group that is too large, or more people than an account may enter', async () => {
    const other = await register(engine, who.account);
    await stand(first, { account: who.account, people: [who.person, other] });
    await end(first);
    const second = await open({ limits: { groupSize: 1 } });
    expect(await carry(second)).toEqual(['REFUSED']);
    expect(await entry(second)).toMatchObject({
      beneficiaries: [who.person, other],
      carryOver: { refused: 'GROUP_TOO_LARGE' },
    });
    await end(second);
    const third = await open({ entriesPerAccount: 1 });
    expect(await carry(third)).toEqual(['REFUSED']);
    expect((await entry(third)).carryOver?.refused).toBe('TOO_MANY_ENTRIES');
  });

  it('is one whose people are in a release of no series, or of another', async () => {
    await stand(first);
    await end(first);
    const elsewhere = await publishRelease(engine, test.redis, { seats: [1] });
    granted(await enter(elsewhere));
    const second = await open();
    expect(await carry(second)).toEqual(['REFUSED']);
    expect((await entry(second)).carryOver?.refused).toBe('CLAIMED_ELSEWHERE');
    expect(await state(elsewhere)).toBe('ENTERED');
  });

  it('is tried again where only time is in the way', async () => {
    await stand(first);
    granted(await engine.releases.end(first.release)); // its claim was used a moment ago
    const second = await open();
    expect(await carry(second)).toEqual(['LATER']);
    expect(await state(second)).toBe('NONE');
    await letPass(test.redis, 11);
    expect(await carry(second)).toEqual(['ENTERED']);
  });

  it('keeps no more wishes than the release takes, of those its people may have', async () => {
    const many = await open({ seats: [1, 1, 1] });
    await stand(many);
    await end(many);
    const second = await open({ seats: [1, 1, 1], limits: { preferences: 2 } });
    expect(await carry(second)).toEqual(['ENTERED']);
    expect((await entry(second)).preferences).toEqual(second.slots.slice(0, 2));
  });
});

describe('slots that an operator has closed', () => {
  /** Three evenings that are alike, of which a wish may name two. */
  const openDates = async (): Promise<TestRelease> => {
    const nowMs = await redisNowMs(test.redis);
    const at = (s: number): string => isoFromMs(nowMs + s * 1000);
    const release = fresh('release');
    const terms = ReleaseTerms.parse({
      release,
      title: 'Evenings',
      mode: 'lottery',
      opensAt: at(-60),
      closesAt: at(600),
      endsAt: at(7_200),
      idTypes: ['passport'],
      limits: { entriesPerAccount: 4, preferences: 2 },
      series,
    });
    granted(await engine.releases.create(terms));
    let slots: string[] = [];
    for (const date of ['2099-01-02', '2099-01-03', '2099-01-04']) {
      const places = { ...IMPORT_TERMS, date };
      const imported = granted(await engine.releases.importInto(release, csvOf([1]), places));
      slots = imported.places.slots.map(({ slot }) => slot);
    }
    granted(await engine.releases.publish(release, nowMs));
    return { release, slots };
  };

  it('take no room from those that are open, and none is left where all are closed', async () => {
    await stand(first);
    await end(first);
    const second = await openDates();
    granted(await engine.releases.close(second.release, { slots: second.slots.slice(0, 2) }));
    expect(await carry(second)).toEqual(['ENTERED']);
    expect((await entry(second)).preferences).toEqual(second.slots.slice(2));
    await end(second);
    const third = await openDates();
    granted(await engine.releases.close(third.release, { slots: third.slots }));
    expect(await carry(third)).toEqual(['REFUSED']);
    expect((await entry(third)).carryOver?.refused).toBe('SLOTS_CLOSED');
  });
});

describe('a group of which one enters by hand', () => {
  let mate: Who;
  let group: { account: string; people: string[] };
  beforeEach(async () => {
    mate = { account: who.account, person: await register(engine, who.account) };
    group = { account: who.account, people: [who.person, mate.person] };
    await stand(first, group);
    await end(first);
  });
  const sizes = async ({ release }: TestRelease): Promise<number[]> =>
    (await test.redis.hvals(keys.entering(release))).map((one) => unpackEntry(one).persons.length);

  it('stands no longer in the release that had passed it over', async () => {
    const second = await open({ places: { service: 'COVAXIN' } });
    expect(await carry(second)).toEqual(['REFUSED']);
    expect(await states(second, who, mate)).toEqual(['STANDING', 'NONE']);
    granted(await enter(second, mate));
    expect(await left(second)).toBe(0);
    expect(await states(second, who, mate)).toEqual(['NONE', 'ENTERED']);
    await end(second);
    const third = await open();
    expect(await carry(third)).toEqual([]);
  });

  it('gives way to what that one has stand there', async () => {
    const second = await open({ places: { service: 'COVAXIN' } });
    await carry(second);
    await stand(second, { account: who.account, people: [mate.person] });
    await end(second);
    const third = await open({ places: { service: 'COVAXIN' } });
    expect(await carry(third)).toEqual(['ENTERED']);
    expect(await sizes(third)).toEqual([1]);
  });

  it('gives way to the wish of that one, where both are carried into the same release', async () => {
    const second = await open({ opensInS: -50 });
    await stand(second, { account: who.account, people: [mate.person] });
    await end(second); // nobody carried into it
    const third = await open({ opensInS: -40 });
    expect(await carry(third)).toEqual(['ENTERED', 'REPLACED']);
    expect(await sizes(third)).toEqual([1]);
    await end(third);
    const fourth = await open({ opensInS: -30 });
    expect(await carry(fourth)).toEqual(['ENTERED']);
    expect(await sizes(fourth)).toEqual([1]);
  });

  it('gives way also where that one can be entered no more than the group', async () => {
    const second = await open({ opensInS: -50 });
    await stand(second, { account: who.account, people: [mate.person] });
    await end(second);
    const third = await open({ opensInS: -40, places: { service: 'COVAXIN' } });
    expect(await carry(third)).toEqual(['REFUSED', 'REPLACED']);
    expect(await states(third, who, mate)).toEqual(['NONE', 'STANDING']);
  });

  it.each([{}, { places: { service: 'COVAXIN' } }])(
    'is not carried in after that one withdrew there (%j)',
    async (wishes) => {
      const second = await open(wishes);
      granted(await enter(second, mate));
      granted(await withdraw(second, mate));
      expect(await carry(second)).toEqual(['REPLACED']);
      expect((await left(first)) + (await left(second))).toBe(0);
    },
  );

  it('is not passed over beside the entry of that one', async () => {
    const second = await open({ places: { service: 'COVAXIN' } });
    granted(await enter(second, mate));
    expect(await carry(second)).toEqual(['REPLACED']);
    expect(await left(second)).toBe(0);
  });
});

describe('whoever enters by hand', () => {
  it('says anew whether they stand', async () => {
    await stand(first);
    const until = await untilOf(first);
    expect((await entry(first)).carryOver).toEqual({ until, refused: null });
    await stand(first, undefined, { days: 2 });
    expect((await entry(first)).carryOver?.until).toBe(await untilOf(first, 2));
    granted(await enter(first));
    expect((await entry(first)).carryOver).toBeNull();
    await stand(first);
    const other = await register(engine, who.account);
    granted(await enter(first, who, [who.person, other]));
    expect(await left(first)).toBe(0);
  });

  it.each(['ENTERED', 'SEALED', 'WAITING', 'OFFERED', 'CANCELLED'])(
    'is not carried in as well: their entry is %s',
    async (wanted) => {
      await stand(first);
      await end(first);
      const second = await open({ endsInS: 90_000 });
      // One seat is none for two.
      const company = wanted === 'WAITING' ? [await register(engine, who.account)] : [];
      granted(await enter(second, who, [who.person, ...company]));
      if (wanted !== 'ENTERED') await letPass(test.redis, 600);
      if (wanted === 'SEALED') await engine.stores.drawing.cut(second.release);
      if (['WAITING', 'OFFERED', 'CANCELLED'].includes(wanted))
        await nextRound(engine, second.release);
      if (wanted === 'CANCELLED')
        granted(
          await engine.bookings.cancel(
            who.account,
            await bookingOf(engine, who.account, second.release),
          ),
        );
      expect(await state(second)).toBe(wanted);
      expect(await carry(second)).toEqual(['REPLACED']);
      expect(await state(second)).toBe(wanted);
      expect((await entry(second)).carryOver).toBeNull();
      expect((await left(first)) + (await left(second))).toBe(0);
    },
  );

  it('is not carried in after they withdrew there', async () => {
    await stand(first);
    await end(first);
    const second = await open();
    granted(await enter(second));
    granted(await withdraw(second));
    expect(await carry(second)).toEqual(['REPLACED']);
    expect(await state(second)).toBe('NONE');
    expect((await left(first)) + (await left(second))).toBe(0);
  });

  it('takes a whole group out, whoever of it comes, here or in another release of the series', async () => {
    const other = await register(engine, who.account);
    const group = { account: who.account, people: [who.person, other] };
    await stand(first, group);
    await end(first);
    const second = await open();
    granted(await enter(second, who, [other]));
    expect(await carry(second)).toEqual(['REPLACED']);
    await end(second);

    const third = await open();
    await stand(third, group);
    await end(third);
    const [fourth, fifth] = [await open({ opensInS: -50 }), await open({ opensInS: -40 })];
    granted(await enter(fifth, who, [other]));
    expect(await carry(fourth)).toEqual(['REPLACED']);
    expect(await Promise.all([first, second, third, fourth].map(left))).toEqual([0, 0, 0, 0]);
  });

  it('may do so in a release that could not take the entry', async () => {
    await stand(first);
    await end(first);
    const second = await open({ seats: [1], places: { service: 'COVAXIN' } });
    await carry(second);
    granted(await enter(second));
    expect(await entry(second)).toMatchObject({ state: 'entered', carryOver: null });
    expect(await left(second)).toBe(0);
  });
});

describe('a standing entry is over', () => {
  it('when it is withdrawn, also from a release that has ended', async () => {
    await stand(first);
    await end(first);
    expect((await entry(first)).carryOver).not.toBeNull();
    granted(await withdraw(first));
    expect((await entry(first)).carryOver).toBeNull();
    expect(codeOf(await withdraw(first))).toBe('RELEASE_ENDED');
    expect(await carry(await open())).toEqual([]);
  });

  it('when it is withdrawn where it was carried to; where it was, nothing is left to withdraw', async () => {
    await stand(first);
    await end(first);
    const second = await open();
    await carry(second);
    expect(codeOf(await withdraw(first))).toBe('RELEASE_ENDED');
    expect(await state(second)).toBe('ENTERED');
    granted(await withdraw(second));
    await end(second);
    expect(await carry(await open())).toEqual([]);
  });

  it('when it is withdrawn from a release that could not take it', async () => {
    await stand(first);
    await end(first);
    const second = await open({ places: { dose: 2 } });
    await carry(second);
    granted(await withdraw(second));
    expect(await engine.rounds.list(who.account, second.release)).toEqual([]);
    expect(codeOf(await withdraw(second))).toBe('ENTRY_UNKNOWN');
    await end(second);
    expect(await carry(await open())).toEqual([]);
  });

  it.each(['OFFERED', 'BOOKED', 'CANCELLED', 'LAPSED'])(
    'when it was given a seat, whatever came of it: %s',
    async (wanted) => {
      await stand(first);
      await letPass(test.redis, 600);
      await nextRound(engine, first.release);
      const booking = await bookingOf(engine, who.account, first.release);
      if (wanted === 'BOOKED') granted(await engine.bookings.confirm(who.account, booking));
      if (wanted === 'CANCELLED') granted(await engine.bookings.cancel(who.account, booking));
      if (wanted === 'LAPSED') await letPass(test.redis, 901);
      expect(await state(first)).toBe(wanted);
      expect((await entry(first)).carryOver).toBeNull();
      await end(first);
      const second = await open();
      expect(await carry(second)).toEqual([]);
      expect(await state(second)).toBe('NONE');
      expect(await left(first)).toBe(0);
    },
  );

  it('when its time has come, which is told', async () => {
    const mobile = engine.secrets.encrypt('+919812345678');
    await test.redis.hset(keys.account(who.account), 'mobile', mobile);
    await stand(first);
    const id = entryIdOf(engine.secrets, first.release, who.person);
    const standing = String(await test.redis.hget(keys.standing(first.release), id));
    await end(first);
    await test.redis.hset(keys.standing(first.release), id, standing.replace(/^\d+/, '1'));
    const second = await open();
    expect(await carry(second)).toEqual(['EXPIRED']);
    expect(await templates()).toEqual(['standing-over']);
    expect(await state(second)).toBe('NONE');
    expect(await left(first)).toBe(0);
  });

  it('when its time has come, which nobody is told who was entered before that', async () => {
    const mobile = engine.secrets.encrypt('+919812345678');
    await test.redis.hset(keys.account(who.account), 'mobile', mobile);
    await stand(first);
    await end(first);
    const second = await open();
    const { moving, nowMs } = await handOut(first, second);
    const { id, standing } = present(moving[0], 'an entry');
    const over = standing.replace(/^\d+/, String(nowMs));
    const entrance = await engine.rounds.entrance(second.release);
    expect(await entrance.carryIn(unpackStanding(over))).toMatchObject({ outcome: 'ENTERED' });
    await test.redis.hset(keys.carrying(first.release), id, over);
    expect(await carry(second)).toEqual(['ALREADY']);
    expect(await state(second)).toBe('ENTERED');
    expect(await templates()).toEqual(['carried']);
  });

  it('when a person of it has left its account', async () => {
    await stand(first);
    await end(first);
    granted(await engine.people.removeBeneficiary(who.account, who.person));
    expect(await carry(await open())).toEqual(['LEFT']);
    expect(await left(first)).toBe(0);
  });
});

describe('a group', () => {
  it('is carried as one, with the categories that its people have by then', async () => {
    const other = await register(engine, who.account);
    await stand(first, { account: who.account, people: [other, who.person] });
    await end(first);
    await engine.stores.people.attest(who.person, ['senior']);
    await engine.stores.people.attest(other, ['senior']);
    const second = await open({
      seats: [4],
      pools: [{ pool: 'senior', percent: 50 }, { pool: 'open' }],
    });
    expect(await carry(second)).toEqual(['ENTERED']);
    expect(await entry(second)).toMatchObject({
      entryId: entryIdOf(engine.secrets, second.release, other),
      beneficiaries: [other, who.person],
      categories: ['senior'],
    });
    expect(await engine.stores.people.claimsOf([who.person, other])).toEqual([
      second.release,
      second.release,
    ]);
  });
});

class Died extends Error {}
/** An engine whose stores stop answering once so many calls are used up. */
function mortal(calls: number): Engine {
  const dying = engineOn(test.redis);
  let life = calls;
  for (const store of [...Object.values(dying.stores), dying.outbox] as Record<string, unknown>[])
    for (const [name, call] of Object.entries(store))
      store[name] = async (...parts: unknown[]): Promise<unknown> => {
        if (life-- <= 0) throw new Died();
        return (call as (...all: unknown[]) => Promise<unknown>)(...parts);
      };
  return dying;
}
/** More calls than carrying two entries needs. */
const CALLS = 44;
const everyCrash = Array.from({ length: CALLS }, (_crash, calls) => calls);

describe('whatever dies while entries are carried', () => {
  let other: Who;
  let second: TestRelease;
  /** The carrier dies after so many calls. */
  const dieAfter = async (calls: number): Promise<void> => {
    const dying = mortal(calls);
    const manifest = await manifestOf(second.release);
    await carrierOn(dying)(manifest).catch((error: unknown) => {
      expect(error).toBeInstanceOf(Died);
    });
  };
  const begin = async (): Promise<void> => {
    series = fresh('series');
    [who, other] = (await registerMany(engine, 2)) as [Who, Who];
    first = await open();
    await stand(first);
    await stand(first, { account: other.account, people: [other.person] });
    await end(first);
    second = await open();
  };
  const standingIn = async ({ release }: TestRelease): Promise<string[]> =>
    (await test.redis.hvals(keys.standing(release)))
      .map((packed) => present(unpackStanding(packed).persons[0], 'a lead'))
      .toSorted();
  const settle = async (): Promise<void> => {
    await carry(second);
    expect(await left(first)).toBe(0);
    expect(await carry(second)).toEqual([]);
  };

  it('the next worker carries each exactly once', async () => {
    let died = 0;
    for (const calls of everyCrash) {
      await begin();
      await dieAfter(calls);
      died += Number((await left(first)) > 0);
      await settle();
      expect(await states(second, who, other), `after ${calls}`).toEqual(['ENTERED', 'ENTERED']);
      expect(await standingIn(second)).toEqual([who.person, other.person].toSorted());
      const events = await test.redis.xrange(keys.audit(second.release), '-', '+');
      expect(events.filter(([, [, event]]) => event?.startsWith('carried '))).toHaveLength(2);
    }
    expect(died).toBeGreaterThan(10);
    expect(died, 'some finish').toBeLessThan(CALLS);
  });

  it('who withdraws in the new release is not entered again', async () => {
    for (const calls of everyCrash) {
      await begin();
      await dieAfter(calls);
      const withdrawn = await withdraw(second);
      await settle();
      expect(await states(second, who, other), `after ${calls}`).toEqual([
        isRefusal(withdrawn) ? 'ENTERED' : 'NONE',
        'ENTERED',
      ]);
      expect(await left(second)).toBe(isRefusal(withdrawn) ? 2 : 1);
    }
  });

  it('who withdraws in the old release is not in the new one', async () => {
    let withdrawals = 0;
    for (const calls of everyCrash) {
      await begin();
      await dieAfter(calls);
      const withdrawn = await withdraw(first);
      withdrawals += isRefusal(withdrawn) ? 0 : 1;
      expect((await entry(first)).carryOver).toBeNull();
      await settle();
      expect(await states(second, who, other), `after ${calls}`).toEqual([
        isRefusal(withdrawn) ? 'ENTERED' : 'NONE',
        'ENTERED',
      ]);
      if (!isRefusal(withdrawn)) expect(await standingIn(second)).toEqual([other.person]);
    }
    expect(withdrawals).toBeGreaterThan(10);
  });

  it('who withdraws in the old release and enters the new one by hand is in it', async () => {
    for (const calls of everyCrash) {
      await begin();
      await dieAfter(calls);
      await withdraw(first);
      await letPass(test.redis, 11);
      granted(await enter(second));
      await settle();
      expect(await states(second, who, other), `after ${calls}`).toEqual(['ENTERED', 'ENTERED']);
      expect(await standingIn(second)).toEqual([other.person]);
    }
  });

  it('what was on its way into a release that has ended goes to the next one, once', async () => {
    for (const calls of everyCrash) {
      await begin();
      await dieAfter(calls);
      await end(second);
      const third = await open({ opensInS: -40 });
      await carry(third);
      await letPass(test.redis, 11);
      await carry(third);
      expect(await states(third, who, other), `after ${calls}`).toEqual(['ENTERED', 'ENTERED']);
      expect([await left(first), await left(second), await left(third)]).toEqual([0, 0, 2]);
    }
  });

  it('who withdraws in the old release between entry and clean-up is not in the new one', async () => {
    await begin();
    const slow = engineOn(test.redis);
    const { done } = slow.stores.carry;
    slow.stores.carry.done = async (...parts) => {
      if (parts[1] === 'ARRIVED') await withdraw(first);
      return done(...parts);
    };
    expect(await carry(second, slow)).toEqual(['ENTERED', 'ENTERED']);
    expect(await states(second, who, other)).toEqual(['ENTERED', 'ENTERED']);
    expect(await carry(second)).toEqual(['WITHDRAWN']);
    expect(await states(second, who, other)).toEqual(['NONE', 'ENTERED']);
    expect([await left(first), await left(second)]).toEqual([0, 1]);
  });

  it('who was to be told of an entry is told', async () => {
    for (const calls of everyCrash) {
      await begin();
      const mobile = engine.secrets.encrypt('+919812345678');
      await test.redis.hset(keys.account(who.account), 'mobile', mobile);
      await dieAfter(calls);
      await settle();
      const told = await templates();
      expect(told.length, `after ${calls}`).toBeGreaterThan(0);
      expect(told.length).toBeLessThan(3);
      await forgetSms(test.redis);
    }
  });

  it('a seat that was let go does not bring an entry back', async () => {
    for (const calls of everyCrash) {
      await begin();
      await dieAfter(calls);
      await letPass(test.redis, 600);
      await engine.stores.drawing.cut(second.release);
      await nextRound(engine, second.release);
      if ((await state(second)) !== 'OFFERED') continue;
      await letPass(test.redis, 901);
      await end(second);
      const third = await open({ opensInS: -40 });
      await carry(third);
      expect(await state(third), `after ${calls}`).toBe('NONE');
    }
  });

  it('a withdrawal while its round is drawn is seen to when it is over', async () => {
    const seen = new Set<string>();
    for (const calls of everyCrash) {
      await begin();
      await dieAfter(calls);
      const isWithdrawn = !isRefusal(await withdraw(first));
      await letPass(test.redis, 600);
      await engine.stores.drawing.cut(second.release);
      await carry(second);
      const drawing = present(await state(second), 'a state');
      await nextRound(engine, second.release);
      await carry(second);
      expect(await left(first)).toBe(0);
      if (!isWithdrawn) continue;
      const drawn = present(await state(second), 'a state');
      seen.add(`${drawing} ${drawn}`);
      // A seat that the draw gave is theirs to refuse.
      expect(['NONE NONE', 'SEALED NONE', 'SEALED OFFERED']).toContain(`${drawing} ${drawn}`);
    }
    expect(seen.size).toBeGreaterThan(1);
  });
});

describe('an entry on its way', () => {
  let second: TestRelease;
  let moving: Moving;
  const arriveInSecond = async (): Promise<void> => {
    const entrance = await engine.rounds.entrance(second.release);
    const { outcome } = await entrance.carryIn(unpackStanding(moving.standing));
    expect(outcome).toBe('ENTERED');
  };
  beforeEach(async () => {
    await stand(first);
    await end(first);
    second = await open({ opensInS: -50 });
    moving = present((await handOut(first, second)).moving[0], 'an entry');
  });

  it('that is withdrawn is so also if the release it was on its way to is over by then', async () => {
    await arriveInSecond();
    granted(await withdraw(first));
    await end(second);
    const third = await open({ opensInS: -40 });
    expect(await carry(third)).toEqual(['WITHDRAWN']);
    expect(await state(third)).toBe('NONE');
    expect(await Promise.all([first, second, third].map(left))).toEqual([0, 0, 0]);
  });

  it('that is withdrawn is so also if it is on its way from there as well by then', async () => {
    await arriveInSecond();
    await end(second);
    const third = await open({ opensInS: -40 });
    await handOut(second, third);
    granted(await withdraw(first));
    expect(await carry(third)).toEqual(['WITHDRAWN', 'WITHDRAWN']);
    expect(await state(third)).toBe('NONE');
  });

  it('that is withdrawn is so also if it has come into the release after that by then', async () => {
    await arriveInSecond();
    await end(second);
    const third = await open({ opensInS: -40 });
    const slow = engineOn(test.redis);
    const { done } = slow.stores.carry;
    slow.stores.carry.done = async (...parts) => {
      if (parts[0] === first.release) await withdraw(first);
      return done(...parts);
    };
    expect(await carry(third, slow)).toEqual(['ALREADY', 'ENTERED', 'WITHDRAWN']);
    expect(await state(third)).toBe('NONE');
    expect(await Promise.all([first, second, third].map(left))).toEqual([0, 0, 0]);
  });

  it('is known where it has come, however late the script is sent again', async () => {
    await arriveInSecond();
    const id = entryIdOf(engine.secrets, second.release, who.person);
    const packed = present(await test.redis.hget(keys.entering(second.release), id), 'an entry');
    const late = { id, packed, account: who.account, enterBeforeMs: 1, standing: moving.standing };
    expect(await engine.stores.rounds.carry(second.release, late, 'CARRIED')).toEqual({
      outcome: 'ALREADY_CARRIED',
      entered: true,
    });
  });

  it('that is withdrawn is so also if it was taken back as not entered, and is', async () => {
    await engine.stores.carry.done(first.release, 'BACK', [moving]);
    await arriveInSecond(); // of another worker
    granted(await withdraw(first));
    expect(await state(first)).toBe('OVER');
    expect((await entry(first)).carryOver).toBeNull();
    expect(await carry(second)).toEqual(['WITHDRAWN']);
    expect(await state(second)).toBe('NONE');
    expect(await Promise.all([first, second].map(left))).toEqual([0, 0]);
  });

  it('into a release that is over goes to the next one at once', async () => {
    granted(await engine.releases.end(second.release));
    const third = await open({ opensInS: -40 });
    expect(await carry(third)).toEqual(['LATER', 'ENTERED']);
  });
});

describe('a release whose receipts cannot be signed', () => {
  it('is carried into by nobody, and its key is asked for once a step', async () => {
    const people = await registerMany(engine, 3);
    for (const { account, person } of people) await stand(first, { account, people: [person] });
    await end(first);
    const second = await open();
    const logged: unknown[] = [];
    const log = createLog('silent');
    log.error = (what: unknown) => void logged.push(what);
    const keyless = createEngine(
      test.redis,
      { secret: SECRET, receiptSecrets: ['another secret, of at least thirty-two bytes'] },
      { log, onBeaconAnswer: () => undefined },
    );
    expect(await carry(second, keyless)).toEqual([]);
    expect(logged).toHaveLength(1);
    expect(await left(first)).toBe(3);
    await handOut(first, second);
    expect(await carry(second, keyless)).toEqual(['LATER', 'LATER', 'LATER']);
    expect(logged).toHaveLength(2);
    expect(await carry(second)).toEqual(['ENTERED', 'ENTERED', 'ENTERED']);
  });
});

describe('two workers at once', () => {
  it('enter each once, and lose and withdraw nobody', async () => {
    const people = await registerMany(engine, 30);
    for (const { account, person } of people) await stand(first, { account, people: [person] });
    await end(first);
    const second = await open();
    const [here, there] = [engineOn(test.redis), engineOn(test.redis)];
    await Promise.all([carry(second, here), carry(second, there), carry(second)]);
    await carry(second);
    expect(new Set(await states(second, ...people))).toEqual(new Set(['ENTERED']));
    expect(await test.redis.hlen(keys.standing(second.release))).toBe(30);
    expect(await left(first)).toBe(0);
  });

  it('never enter who withdraws at the same time', async () => {
    const people = await registerMany(engine, 40);
    for (const { account, person } of people) await stand(first, { account, people: [person] });
    await end(first);
    const second = await open();
    const [answers] = await Promise.all([
      Promise.all(people.map((one) => withdraw(first, one))),
      carry(second),
      carry(second, engineOn(test.redis)),
    ]);
    await carry(second);
    const foretold = answers.map((answer) => (isRefusal(answer) ? 'ENTERED' : 'NONE'));
    expect(await states(second, ...people)).toEqual(foretold);
    expect(await left(first)).toBe(0);
    expect(await left(second)).toBe(foretold.filter((one) => one === 'ENTERED').length);
  });
});

describe('many', () => {
  it('are carried in batches, without a second look at what is empty', async () => {
    const count = 1_100;
    const people = await registerMany(engine, count);
    const until = await untilOf(first);
    const [slot = ''] = first.slots;
    await Promise.all(
      people.map(async ({ account, person }) =>
        granted(
          await engine.rounds.enter(account, first.release, {
            beneficiaries: [person],
            preferences: [slot],
            carryOverUntil: until,
          }),
        ),
      ),
    );
    await end(first);
    const second = await open();
    const carrier = carrierOn(engine);
    const manifest = await manifestOf(second.release);
    const index = () => test.redis.zrange(keys.series(series), '0', '-1');
    expect(await carrier(manifest)).toBe(true);
    expect(await test.redis.hlen(keys.entering(second.release))).toBe(500);
    expect(await carrier(manifest)).toBe(true);
    expect(await carrier(manifest)).toBe(false);
    expect(await test.redis.hlen(keys.entering(second.release))).toBe(count);
    expect(await index()).toEqual([first.release, second.release]);
    expect(await carrier(manifest)).toBe(false);
    expect(await index()).toEqual([second.release]);
    const held = await test.redis.hvals(keys.entering(second.release));
    expect(new Set(held.map((packed) => unpackEntry(packed).persons[0])).size).toBe(count);
  });
});

describe('a step', () => {
  it('takes a batch in all, and is in no hurry where only time helps', async () => {
    const standIn = async (one: TestRelease, count: number): Promise<void> => {
      const people = await registerMany(engine, count);
      for (const { account, person } of people) await stand(one, { account, people: [person] });
    };
    const before = await open({ opensInS: -90 });
    await standIn(before, 300);
    await standIn(first, 300);
    for (const { release } of [before, first]) granted(await engine.releases.end(release));
    const second = await open({ opensInS: -50 });
    const carrier = carrierOn(engine);
    const manifest = await manifestOf(second.release);
    expect(await carrier(manifest)).toBe(false); // their claims were used a moment ago
    expect(await left(before)).toBe(300);
    await letPass(test.redis, 11);
    expect(await carrier(manifest)).toBe(true);
    expect(await test.redis.hlen(keys.entering(second.release))).toBe(500);
    expect(await carrier(manifest)).toBe(false);
    expect(await test.redis.hlen(keys.entering(second.release))).toBe(600);
  });
});

describe('a release that is over by the clock alone', () => {
  it('is looked at again, in case the clock is set back and somebody enters', async () => {
    const second = await open({ opensInS: -50, closesInS: 90_000, endsInS: 100_000 });
    await letPass(test.redis, 600);
    await nextRound(engine, first.release); // nobody is in it
    await letPass(test.redis, 6_650);
    expect(await carry(second)).toEqual([]);
    const index = () => test.redis.zrange(keys.series(series), '0', '-1');
    expect(await index()).toEqual([first.release, second.release]);
    await letPass(test.redis, -60);
    await stand(first);
    await letPass(test.redis, 90);
    expect(await carry(second)).toEqual(['ENTERED']);
    expect(await carry(second)).toEqual([]);
    expect(await index()).toEqual([first.release, second.release]);
    await letPass(test.redis, 3_600);
    expect(await carry(second)).toEqual([]);
    expect(await index()).toEqual([second.release]);
  });
});

describe('the conductor of a release', () => {
  it('carries before it draws, and draws also where carrying fails', async () => {
    await stand(first);
    const lost = await arrive();
    await stand(first, { account: lost.account, people: [lost.person] });
    const id = entryIdOf(engine.secrets, first.release, lost.person);
    await test.redis.hset(keys.standing(first.release), id, 'nonsense');
    await end(first);
    const second = await open();
    const { releases } = engine;
    const log = createLog('silent');
    const worker = carryingOver(workerOn(engine), carrierOn(engine), { releases, log });
    expect(await worker.step(second.release)).toMatchObject({ step: 'WAITING' });
    expect(await state(second)).toBe('ENTERED');
    await letPass(test.redis, 600);
    expect(await worker.step(second.release)).toMatchObject({ step: 'PUBLISHED', round: 0 });
    const failing = carryingOver(workerOn(engine), () => Promise.reject(new Died()), {
      releases,
      log,
    });
    expect(await failing.step(second.release)).toMatchObject({ step: 'WAITING' });
    expect(await state(second)).toBe('OFFERED');
  });
});
