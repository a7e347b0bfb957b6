/**
 * The real services and scripts on a real Redis against the naive model, step by step, through
 * random evenings. A failure prints its seed and path: FAIRSLOT_MODEL_SEED and FAIRSLOT_MODEL_PATH
 * replay it; FAIRSLOT_MODEL_RUNS plays more.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  type Booking,
  bookingId,
  isPublished,
  parseBookingId,
  unpackBooking,
} from '../../src/bookings/rules.ts';
import type { Engine } from '../../src/engine.ts';
import { present } from '../../src/lib/assert.ts';
import type { Redis } from '../../src/redis/client.ts';
import { keys } from '../../src/redis/keys.ts';
import { isRefusal } from '../../src/refusal.ts';
import type { DrawingStore } from '../../src/rounds/drawing-store.ts';
import { entryIdOf, unpackEntry } from '../../src/rounds/rules.ts';
import {
  codeOf,
  engineOn,
  fresh,
  freshId,
  granted,
  letPass,
  publishRelease,
  register,
  replayed,
  verify,
  workerOn,
} from '../support/engine.ts';
import { assertProperty } from '../support/property.ts';
import { useRedis } from '../support/redis.ts';
import { createModel, type Terms, type Word } from './model.ts';

const it = useRedis(['--appendfsync', 'no']); // nothing outlives this Redis

const ACCOUNTS = 3;
const PEOPLE = 8;
const RELEASES = 2;
const SLOTS = 2;
/** Seconds that an evening may take on a slow machine without any answer changing. */
const MARGIN_S = 4;

const is = <const Name extends string>(name: Name) => fc.constant(name);
/** Mostly nothing: then an action is what an honest caller would do. */
const seldom = <T>(arbitrary: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 14, arbitrary: fc.constant(null) }, { weight: 1, arbitrary });
const person = fc.nat(PEOPLE - 1);
/** Mostly the first: there are too few seats for all, so that some wait. */
const release = fc.oneof({ weight: 2, arbitrary: fc.constant(0) }, fc.nat(RELEASES - 1));
const slots = Array.from({ length: SLOTS }, (_slot, number) => number);
const as = seldom(fc.nat(ACCOUNTS - 1));

const prefs = fc.shuffledSubarray(slots, { minLength: 1 });

const action = fc.oneof(
  // Enters, or books the first of the slots where that is the way; `other`: tries the other way.
  {
    weight: 90,
    arbitrary: fc.record({
      do: is('ask'),
      person,
      release,
      as,
      prefs: fc.oneof(
        { weight: 24, arbitrary: prefs },
        { weight: 1, arbitrary: fc.constant([1, 0, 1]) },
      ),
      // Which of the account's other people come along; and mostly nobody else's.
      company: fc.oneof(
        { weight: 3, arbitrary: fc.constant(0) },
        { weight: 2, arbitrary: fc.nat(7) },
      ),
      stranger: seldom(person),
      other: seldom(fc.constant(true)),
    }),
  },
  { weight: 20, arbitrary: fc.record({ do: is('withdraw'), person, release, as }) },
  // `pick`: which of the grants there ever were, counted from the newest.
  { weight: 40, arbitrary: fc.record({ do: is('confirm'), pick: fc.nat(9), as }) },
  { weight: 40, arbitrary: fc.record({ do: is('cancel'), pick: fc.nat(9), as }) },
  {
    weight: 35,
    arbitrary: fc.record({ do: is('wait'), seconds: fc.constantFrom(5, 20, 50, 150) }),
  },
  // The first worker may die after so many calls to its store; a second may work beside it.
  {
    weight: 60,
    arbitrary: fc.record({
      do: is('work'),
      release,
      diesAfter: fc.oneof(
        { weight: 1, arbitrary: fc.constant(null) },
        { weight: 1, arbitrary: fc.nat(8) },
      ),
      two: seldom(fc.constant(true)),
    }),
  },
  // Removes a person from their account, or registers one who has none.
  { weight: 15, arbitrary: fc.record({ do: is('move'), person, as, to: fc.nat(ACCOUNTS - 1) }) },
  { weight: 1, arbitrary: fc.record({ do: is('end'), release }) },
  { weight: 3, arbitrary: fc.record({ do: is('close'), release, slots: prefs }) },
  // Few ids of changes, so that some are sent again.
  {
    weight: 5,
    arbitrary: fc.record({
      do: is('lose'),
      release,
      slot: fc.nat(SLOTS - 1),
      seats: fc.integer({ min: 1, max: 2 }),
      change: fc.constantFrom('a', 'b', 'c'),
    }),
  },
);
const evening = fc.array(action, { maxLength: 120, size: 'max' });
/** At the same time, in releases of their own: they share round trips to Redis. */
const EVENINGS = 5;
const evenings = fc.array(evening, { minLength: 1, maxLength: EVENINGS, size: 'max' });
type Action = typeof action extends fc.Arbitrary<infer One> ? One : never;

const FIRST: Terms = {
  mode: 'lottery',
  seats: [2, 1],
  opensAt: -60,
  closesAt: 100,
  endsAt: 450,
  roundEvery: 30,
  confirmWithin: 80,
  entriesPerAccount: 3,
};
const SECOND: Terms = { ...FIRST, seats: [2, 2], opensAt: 20, closesAt: 200, endsAt: 600 };

/**
 * A fingerprint of all that a release holds, its free seats, its bookings and its entries, in one
 * step. Fields are sorted: Redis may move them about between two reads.
 */
const LOOK = `
local function content(key)
  local kind = redis.call('TYPE', key).ok
  if kind == 'string' then return redis.call('GET', key) end
  if kind == 'list' then return table.concat(redis.call('LRANGE', key, 0, -1), ' ') end
  if kind == 'stream' then return redis.call('XLEN', key) end
  local flat, fields = redis.call('HGETALL', key), {}
  for i = 1, #flat, 2 do fields[#fields + 1] = flat[i] .. '=' .. flat[i + 1] end
  table.sort(fields)
  return table.concat(fields, ' ')
end
local contents = {}
for i, key in ipairs(KEYS) do contents[i] = content(key) end
local print = redis.sha1hex(table.concat(contents, ' / '))
local entries = {}
for i = 3, 5 do
  for _, entry in ipairs(redis.call('HVALS', KEYS[i])) do entries[#entries + 1] = entry end
end
return { print, redis.call('HGETALL', KEYS[1]), redis.call('HVALS', KEYS[2]), entries }
`;
const HELD = [
  keys.seats,
  keys.bookings,
  keys.entering,
  keys.sealed,
  keys.entries,
  keys.release,
  keys.manifest,
  keys.accounts,
  keys.members,
  keys.happened,
  keys.happenedSealed,
  keys.changes,
  keys.resized,
  keys.displacements,
  keys.rounds,
  keys.audit,
];
type Looked = readonly [
  print: string,
  seats: readonly string[],
  bookings: readonly string[],
  entries: readonly string[],
];
const look = async (redis: Redis, release: string): Promise<Looked> =>
  (await redis.eval(LOOK, HELD.length, ...HELD.map((build) => build(release)))) as Looked;

class WorkerDied extends Error {}

/** A worker whose store stops answering once `life.calls` are used up. */
function mortalWorker(engine: Engine) {
  const life = { calls: Infinity };
  const mortal = Object.entries(engine.stores.drawing).map(([name, call]) => [
    name,
    (...parts: unknown[]) => {
      if (life.calls-- <= 0) throw new WorkerDied();
      return (call as (...parts: unknown[]) => unknown)(...parts);
    },
  ]);
  return { life, ...workerOn(engine, Object.fromEntries(mortal) as DrawingStore) };
}

/** Two releases and some people, in Redis and in the model. */
async function begin(redis: Redis, terms: readonly Terms[]) {
  const engine = engineOn(redis);
  const accounts = Array.from({ length: ACCOUNTS }, () => fresh('account'));
  const idNumbers = Array.from({ length: PEOPLE }, () => freshId());
  const owner = (person: number): number => person % ACCOUNTS;
  const accountOf = (account: number): string => present(accounts[account], 'an account');
  const releases = await Promise.all(
    terms.map((one) =>
      publishRelease(engine, redis, {
        ...one,
        opensInS: one.opensAt,
        closesInS: one.closesAt,
        endsInS: one.endsAt,
        roundEveryS: one.roundEvery,
        confirmWithinS: one.confirmWithin,
      }),
    ),
  );
  const people = await Promise.all(
    idNumbers.map((idNumber, person) => register(engine, accountOf(owner(person)), { idNumber })),
  );
  const entryIds = releases.map(({ release }) =>
    people.map((person) => entryIdOf(engine.secrets, release, person)),
  );
  const entryId = (release: number, person: number): string =>
    present(entryIds[release]?.[person], 'an entry id');
  const model = createModel(terms, entryId);
  for (const person of people.keys()) model.add(owner(person), person);
  return { redis, engine, terms, model, accountOf, idNumbers, people, releases, entryId };
}
type Evening = Awaited<ReturnType<typeof begin>>;

type Grant = { readonly person: number; readonly release: number; readonly grant: string };
const NEVER_GIVEN: Grant = { person: 0, release: 0, grant: '0' };

type Outcome = {
  readonly said: Word;
  readonly foretold: Word;
  /** Releases in which something may have changed. */
  readonly touched: readonly number[];
};

const outcome = (answer: unknown, foretold: Word, touched: readonly number[]): Outcome => ({
  said: codeOf(answer) ?? 'DONE',
  foretold,
  touched,
});

/** Does one thing in the engine and in the model. */
function doer(evening: Evening) {
  const { redis, engine, model, accountOf, idNumbers, people, releases, entryId } = evening;
  const workers = [mortalWorker(engine), mortalWorker(engine)];
  /** All there ever were, the newest first. */
  const grants: Grant[] = [];
  const everywhere = [...releases.keys()];
  const timed = [
    ...releases.flatMap(({ release }) => [keys.release(release), keys.rounds(release)]),
    ...people.map(keys.person),
  ];
  const personId = (person: number): string => present(people[person], 'a person');
  const releaseAt = (release: number) => present(releases[release], 'a release');
  const slotIds = (release: number, slots: readonly number[]): string[] =>
    slots.map((slot) => present(releaseAt(release).slots[slot], 'a slot'));
  const owner = (person: number): number => model.accountOf(person) ?? 0;
  const remember = (release: number): void => {
    for (const [person, { grant }] of model.release(release).bookings) {
      const known = grants.some(
        (one) => one.person === person && one.release === release && one.grant === grant,
      );
      if (!known) grants.unshift({ person, release, grant });
    }
  };

  const takeStep = async (worker: number, release: string, calls: number): Promise<void> => {
    const { life, step } = present(workers[worker], 'a worker');
    life.calls = calls;
    try {
      await step(release);
    } catch (error) {
      if (!(error instanceof WorkerDied)) throw error;
      workers[worker] = mortalWorker(engine);
    }
  };

  const work = async ({ release: number, diesAfter, two }: Action & { do: 'work' }) => {
    const { release } = releaseAt(number);
    const { round } = model.release(number);
    const steps = [takeStep(0, release, diesAfter ?? Infinity)];
    if (two) steps.push(takeStep(1, release, Infinity));
    await Promise.all(steps);
    const due = model.prepare(number, two === true || diesAfter !== 0);
    const record = due ? await engine.rounds.round(release, round) : {};
    if ('seed' in record) {
      model.publish(number, String(record['seed']));
      await compareLedger(evening, number);
    } else
      expect(due && (two === true || diesAfter === null), 'a round that nobody drew').toBe(false);
    remember(number);
  };

  const move = async ({ person, as, to }: Action & { do: 'move' }): Promise<Outcome> => {
    if (model.accountOf(person) !== undefined) {
      const by = as ?? owner(person);
      const said = await engine.people.removeBeneficiary(accountOf(by), personId(person));
      return outcome(said, model.remove(by, person), []);
    }
    const facts = { name: 'Asha Kale', birthYear: 1960, gender: 'female' } as const;
    const idNumber = present(idNumbers[person], 'an ID');
    const said = await engine.people.addBeneficiary(accountOf(to), {
      ...facts,
      idType: 'passport',
      idNumber,
    });
    return outcome(said, model.add(to, person), []);
  };

  const answer = async (action: Action & { do: 'confirm' | 'cancel' }): Promise<Outcome> => {
    const { person, release, grant } = grants[action.pick % grants.length] ?? NEVER_GIVEN;
    const by = action.as ?? owner(person);
    const entry = entryId(release, person);
    const id = bookingId({ release: releaseAt(release).release, entry, grant });
    const said = await engine.bookings[action.do](accountOf(by), id);
    return outcome(said, model[action.do](by, person, release, grant), [release]);
  };

  /** The people of an entry: the lead first. */
  const groupOf = ({ person, company, stranger }: Action & { do: 'ask' }): number[] => {
    const others = [...people.keys()].filter(
      (one) => one !== person && model.accountOf(one) === model.accountOf(person),
    );
    const along = others.filter((_one, index) => (company & (1 << index)) !== 0);
    return [person, ...along, ...(stranger === null ? [] : [stranger])];
  };

  const enter = async (action: Action & { do: 'ask' }) => {
    const { person, release, as, prefs } = action;
    const by = as ?? owner(person);
    const group = groupOf(action);
    const said = await engine.rounds.enter(accountOf(by), releaseAt(release).release, {
      beneficiaries: group.map(personId),
      preferences: slotIds(release, prefs),
    });
    return outcome(said, model.enter(by, group, release, prefs), [release]);
  };

  const book = async ({ person, release, as, prefs }: Action & { do: 'ask' }) => {
    const by = as ?? owner(person);
    const [slot = 0] = prefs;
    const said = await engine.bookings.book(accountOf(by), {
      release: releaseAt(release).release,
      beneficiary: personId(person),
      slot: present(slotIds(release, [slot])[0], 'a slot'),
    });
    const grant = isRefusal(said) ? '' : present(parseBookingId(said.bookingId), 'an id').grant;
    const foretold = model.book(by, person, release, slot, grant);
    remember(release);
    return outcome(said, foretold, [release]);
  };

  const withdraw = async ({ person, release, as }: Action & { do: 'withdraw' }) => {
    const by = as ?? owner(person);
    const id = entryId(release, person);
    const said = await engine.rounds.withdraw(accountOf(by), releaseAt(release).release, id);
    return outcome(said, model.withdraw(by, person, release), [release]);
  };

  const change = async (action: Action & { do: 'close' | 'lose' }) => {
    const { release } = releaseAt(action.release);
    if (action.do === 'close') {
      const slots = slotIds(action.release, action.slots);
      const said = await engine.releases.close(release, { slots });
      return outcome(said, model.close(action.release, action.slots), [action.release]);
    }
    const { change, seats, slot: number } = action;
    const [slot = ''] = slotIds(action.release, [number]);
    const said = await engine.releases.lose(release, { change, slot, pool: 'open', seats });
    return outcome(said, model.lose(action.release, change, number, seats), [action.release]);
  };

  return async (action: Action): Promise<Outcome> => {
    switch (action.do) {
      case 'ask': {
        const { mode } = model.release(action.release).terms;
        return (mode === 'lottery') === (action.other === null) ? enter(action) : book(action);
      }
      case 'withdraw':
        return withdraw(action);
      case 'confirm':
      case 'cancel':
        return answer(action);
      case 'move':
        return move(action);
      case 'close':
      case 'lose':
        return change(action);
      case 'wait':
        await letPass(redis, model.wait(action.seconds, MARGIN_S), timed);
        return outcome(undefined, 'DONE', everywhere);
      case 'work':
        await work(action);
        return outcome(undefined, 'DONE', [action.release]);
      case 'end':
        granted(await engine.releases.end(releaseAt(action.release).release));
        model.end(action.release);
        return outcome(undefined, 'DONE', [action.release]);
    }
  };
}

/** What follows from the published files alone is what the model and, by `check`, Redis hold. */
async function compareLedger({ engine, model, releases }: Evening, number: number) {
  const { release } = present(releases[number], 'a release');
  const ledger = await replayed(engine, release);
  const { free, returned, capacity } = model.release(number);
  expect([...ledger.capacity]).toEqual(capacity);
  expect([...ledger.free]).toEqual(free.map((seats, slot) => seats - (returned[slot] ?? 0)));
}

/** Kept beside the seats, for whoever only counts. */
const SUMS = ['free_seats', 'offered_seats', 'offered_entries', 'booked_seats', 'booked_entries'];
const countsOf = (granted: readonly Booking[]): number[] =>
  (['OFFERED', 'BOOKED'] as const).flatMap((state) => {
    const those = granted.filter((one) => one.state === state);
    return [those.reduce((sum, { size }) => sum + size, 0), those.length];
  });

/** What the engine holds of a release, in the model's terms, and a fingerprint of all of it. */
async function held({ redis, engine, people, releases, entryId }: Evening, number: number) {
  const { release } = present(releases[number], 'a release');
  const ids = people.map((_person, person) => entryId(number, person));
  const [standings, reading, [print, seats, bookings, entries], sums] = await Promise.all([
    engine.stores.rounds.view(release, ids),
    engine.releases.read(release),
    look(redis, release),
    redis.hmget(keys.release(release), ...SUMS),
  ]);
  const { round, phase, published } = present(reading, 'a state');
  const granted = bookings
    .map(unpackBooking)
    .filter((one) => isPublished(one, published) && /OFFERED|BOOKED/.test(one.state));
  const free = slots.map((slot) => Number(seats[seats.indexOf(`${slot}/0`) + 1]));
  const given = slots.map((slot) =>
    granted.reduce((sum, one) => sum + (one.slot === slot ? one.size : 0), 0),
  );
  return {
    print,
    sums: sums.map(Number),
    counted: [free.reduce((sum, seats) => sum + seats, 0), ...countsOf(granted)],
    persons: entries.flatMap((entry) => unpackEntry(entry).persons),
    capacities: free.map((seats, slot) => seats + (given[slot] ?? 0)),
    state: {
      round,
      drawing: phase === 'DRAWING',
      free,
      entries: standings.map(({ state, entry, booking }) => ({
        state,
        prefs: entry === '' ? null : unpackEntry(entry).prefs,
        booking: booking === '' ? null : unpackBooking(booking),
      })),
    },
  };
}

/** The same from the model, as far as it says. */
function foreseen({ model, people }: Evening, number: number) {
  const { round, drawing, free, entering, sealed, waiting, bookings } = model.release(number);
  const entries = people.map((_person, person) => {
    const state = model.standing(number, person);
    const lead = model.leadOf(number, person);
    const booking = entering.has(lead) ? undefined : bookings.get(lead);
    if (booking) {
      const { state: answered, grant, slot, size } = booking;
      return { state, booking: { state: answered, grant, slot, size, pool: 0 } };
    }
    const entry = entering.get(lead) ?? sealed.get(lead) ?? waiting.get(lead);
    return { state, prefs: entry?.prefs ?? null, booking: null };
  });
  return { round, drawing, free, entries };
}

const LIVE = new Set(['ENTERED', 'SEALED', 'WAITING', 'OFFERED', 'BOOKED']);

/** Compares one release with the model, and audits it. */
async function check(evening: Evening, number: number) {
  const { state, capacities, persons, print, sums, counted } = await held(evening, number);
  expect(state).toMatchObject(foreseen(evening, number));
  const { capacity } = evening.model.release(number);
  expect(capacities, 'free, offered and booked').toEqual(capacity);
  expect(sums, 'the sums over a release').toEqual(counted);
  expect(new Set(persons).size, 'people in two entries').toBe(persons.length);
  for (const { prefs, booking } of state.entries)
    if (prefs && booking) expect(prefs, 'their own list').toContain(booking.slot);
  return { print, live: state.entries.map((entry) => LIVE.has(entry.state)) };
}

async function play(redis: Redis, terms: readonly Terms[], actions: readonly Action[]) {
  const evening = await begin(redis, terms);
  const act = doer(evening);
  const { model, people, releases } = evening;
  const cuts = () => String(terms.map((_terms, release) => model.release(release).drawing));
  const known = await Promise.all(releases.map((_release, number) => check(evening, number)));
  for (const action of actions) {
    const label = JSON.stringify(action);
    const cutBefore = cuts();
    const { said, foretold, touched } = await act(action);
    expect(said, label).toBe(foretold);
    // Closing time is not what was refused: whoever comes first after it cuts.
    const refused = said !== 'DONE' && cuts() === cutBefore;
    for (const number of touched) {
      const { print, live } = await check(evening, number);
      if (refused) expect(print, `${label} changed something`).toBe(known[number]?.print);
      known[number] = { print, live };
    }
    const claims = people.map((_person, person) => known.filter(({ live }) => live[person]).length);
    expect(Math.max(...claims), 'live claims of one person').toBeLessThanOrEqual(1);
  }
  for (const [number, { release }] of releases.entries()) {
    if (model.release(number).publishedAt.length > 0)
      expect(await verify(evening.engine, release)).toMatchObject({ accepted: true });
  }
}

const {
  FAIRSLOT_MODEL_RUNS: runsWished,
  FAIRSLOT_MODEL_SEED: seed,
  FAIRSLOT_MODEL_PATH: path,
} = process.env;
/** A slow machine plays fewer evenings, and gives up looking for a smaller failure. */
const LONGEST_MS = 10_000;
const chosen = {
  ...(runsWished ? { numRuns: Number(runsWished) } : { withinMs: LONGEST_MS }),
  ...(seed ? { seed: Number(seed) } : {}),
  ...(path ? { path } : {}),
};

test.each([
  ['two lotteries', [FIRST, SECOND], 50],
  ['a lottery and immediate booking', [FIRST, { ...SECOND, mode: 'immediate' }], 30],
] as const)(
  'the engine does what the model does, in %s',
  async (_name, terms, runs) => {
    await assertProperty(
      evenings,
      async (all) => {
        const played = await Promise.allSettled(all.map((one) => play(it.redis, terms, one)));
        for (const one of played) if (one.status === 'rejected') throw one.reason;
      },
      { numRuns: runs, ...chosen },
    );
  },
  600_000,
);
