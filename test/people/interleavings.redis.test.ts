/**
 * F1 and erasing under every order of events: the requests of one person and of a friend who enters
 * with them, at the same time, each reply of the store held back for as long as fast-check likes,
 * time passing in between, and processes that die. A failure prints its seed.
 */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { present } from '../../src/lib/assert.ts';
import { createLog } from '../../src/log.ts';
import { createClaims } from '../../src/people/claims.ts';
import { createErasure } from '../../src/people/erasure.ts';
import { createPeopleService } from '../../src/people/service.ts';
import { createPeopleStore, type PeopleStore } from '../../src/people/store.ts';
import { keys } from '../../src/redis/keys.ts';
import { entryIdOf, unpackEntry } from '../../src/rounds/rules.ts';
import { createClaimState } from '../../src/rounds/claim-state.ts';
import { createRoundService } from '../../src/rounds/service.ts';
import { createRoundStore, type RoundStore } from '../../src/rounds/store.ts';
import {
  engineOn,
  fresh,
  freshId,
  letPass,
  publishRelease,
  register,
  stateOf,
  type TestRelease,
} from '../support/engine.ts';
import { useRedis } from '../support/redis.ts';

const test = useRedis(['--appendfsync', 'no']);

type AnyCall = (...parts: never[]) => Promise<unknown>;

/** The store with each reply in the scheduler's hands. */
const held = <Store extends object>(scheduler: fc.Scheduler, store: Store): Store =>
  Object.fromEntries(
    Object.entries(store).map(([name, call]) => [
      name,
      (...parts: never[]) => scheduler.schedule((call as AnyCall)(...parts), name),
    ]),
  ) as Store;

class Died extends Error {}

/** The store as a process has it that dies before one more call than `calls`. */
const mortal = <Store extends object>(store: Store, calls: number): Store => {
  let left = calls;
  return Object.fromEntries(
    Object.entries(store).map(([name, call]) => [
      name,
      async (...parts: never[]) => {
        if (--left < 0) throw new Died();
        return (call as AnyCall)(...parts);
      },
    ]),
  ) as Store;
};

/**
 * letPass moves times in Redis into the past; what a request carries with it must move too. Above
 * these two stores time only ever goes on. Calls reach Redis in the order in which they are made.
 */
function onMovedTime(people: PeopleStore, rounds: RoundStore, movedMs: () => number) {
  const back = <Stale extends { claimedAtMs: number }>(stale: Stale) => ({
    ...stale,
    claimedAtMs: stale.claimedAtMs - movedMs(),
  });
  const forth = async <Reply extends object>(reply: Promise<Reply>): Promise<Reply> => {
    const moved = movedMs();
    const members = Object.entries(await reply).map(([name, value]) => [
      name,
      name.endsWith('Ms') ? Number(value) + moved : value,
    ]);
    return Object.fromEntries(members) as Reply;
  };
  const movedPeople: PeopleStore = {
    ...people,
    claim: (person, account, release, stale) =>
      forth(people.claim(person, account, release, stale && back(stale))),
    unregister: (person, account, stale) =>
      forth(people.unregister(person, account, stale && back(stale))),
    addBeneficiary: (...parts) => forth(people.addBeneficiary(...parts)),
    register: (person, account, { bindBeforeMs, ...facts }, abandoned) => {
      const stale = abandoned?.stale && back(abandoned.stale);
      const holder = abandoned && {
        account: abandoned.account,
        registeredAtMs: abandoned.registeredAtMs - movedMs(),
        ...(stale && { stale }),
      };
      const dated = { ...facts, bindBeforeMs: bindBeforeMs - movedMs() };
      return forth(people.register(person, account, dated, holder));
    },
  };
  const movedRounds: RoundStore = {
    ...rounds,
    enter: (release, entry) =>
      rounds.enter(release, { ...entry, enterBeforeMs: entry.enterBeforeMs - movedMs() }),
  };
  return { people: movedPeople, rounds: movedRounds };
}

const which = fc.nat(1);
/** After how many calls of the store the process that serves it dies; mostly it does not. */
const calls = fc.oneof(
  { weight: 3, arbitrary: fc.constant(Infinity) },
  { weight: 1, arbitrary: fc.nat(6) },
);
const wait = fc.record({ do: fc.constant('wait' as const) });
const remove = fc.record({ do: fc.constant('remove' as const), by: which, calls });
const add = fc.record({ do: fc.constant('add' as const), by: which, calls });
const entering = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant('enter' as const), which, by: which, group: fc.nat(3) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('withdraw' as const), which, by: which, lead: which }),
  },
  { weight: 4, arbitrary: wait },
  { weight: 2, arbitrary: remove },
  { weight: 2, arbitrary: add },
);
const leaving = fc.oneof(
  { weight: 4, arbitrary: add },
  { weight: 2, arbitrary: remove },
  { weight: 2, arbitrary: wait },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('erase' as const), by: which, calls }),
  },
);
type Move = typeof entering | typeof leaving extends fc.Arbitrary<infer One> ? One : never;

async function begin(scheduler: fc.Scheduler, releases: readonly TestRelease[]) {
  const engine = engineOn(test.redis);
  const accounts = [fresh('account'), fresh('account')];
  for (const account of accounts)
    await test.redis.hset(keys.account(account), 'created_at_ms', 1, 'mobile', 'encrypted');
  const idNumber = freshId();
  const person = await register(engine, String(accounts[0]), { idNumber });
  const friend = await register(engine, String(accounts[0]));
  const groups = [[person], [friend], [person, friend], [friend, person]];
  let movedMs = 0;
  const moved = onMovedTime(
    createPeopleStore(test.redis),
    createRoundStore(test.redis),
    () => movedMs,
  );
  const people = held(scheduler, moved.people);
  const store = held(scheduler, moved.rounds);
  const { secrets, receipts } = engine;
  const claims = createClaims(
    people,
    createClaimState({
      rounds: store,
      arrivals: engine.stores.arrivals,
      people,
      releases: engine.releases,
      secrets,
      timeZone: 'UTC',
    }),
  );
  const rounds = createRoundService({
    timeZone: 'UTC',
    store,
    releases: engine.releases,
    people,
    claims,
    secrets,
    receipts,
    log: createLog('silent'),
  });
  const serviceOn = (mine: PeopleStore) =>
    createPeopleService({ ...engine, store: mine, claims: createClaims(mine, claims.stateOf) });
  const erasureOn = (mine: PeopleStore) =>
    createErasure({
      store: mine,
      claims: createClaims(mine, claims.stateOf),
      outbox: { forget: async () => 0 },
      reminders: engine.stores.arrivals,
    });
  const erased = new Set<string>();

  const audit = async (): Promise<void> => {
    for (const one of [person, friend]) {
      const states = await Promise.all(
        releases.map(({ release }) => stateOf(engine, release, one)),
      );
      expect(states.filter((state) => state !== 'NONE').length, states.join()).toBeLessThan(2);
    }
    const entering = await Promise.all(
      releases.map(({ release }) => test.redis.hvals(keys.entering(release))),
    );
    const entered = entering.flat().flatMap((packed) => unpackEntry(packed).persons);
    for (const one of [person, friend])
      expect(entered.filter((found) => found === one).length, 'entries').toBeLessThan(2);
    const lists = await Promise.all(
      accounts.map((account) => engine.stores.people.persons(account)),
    );
    const accountsOf = lists.flat().filter((listed) => listed === person);
    expect(accountsOf.length, 'accounts of one person').toBeLessThan(2);
  };

  const make = async (one: Move): Promise<void> => {
    await scheduler.schedule(Promise.resolve(), JSON.stringify(one));
    const account = String('by' in one ? accounts[one.by] : '');
    const { release, slots } = releases['which' in one ? one.which : 0] as TestRelease;
    const facts = { name: 'A', birthYear: 1960, gender: 'other', idType: 'passport' } as const;
    if (one.do === 'enter')
      await rounds.enter(account, release, {
        beneficiaries: present(groups[one.group], 'a group'),
        preferences: slots,
      });
    if (one.do === 'withdraw')
      await rounds.withdraw(
        account,
        release,
        entryIdOf(secrets, release, one.lead === 0 ? person : friend),
      );
    const mine = mortal(people, 'calls' in one ? one.calls : Infinity);
    const act = async (): Promise<void> => {
      if (one.do === 'remove') await serviceOn(mine).removeBeneficiary(account, person);
      if (one.do === 'add') await serviceOn(mine).addBeneficiary(account, { ...facts, idNumber });
      if (one.do !== 'erase') return;
      const done = await erasureOn(mine).eraseAccount(account);
      if ('outcome' in done && done.outcome === 'ERASED') erased.add(account);
    };
    await act().catch((error: unknown) => {
      if (!(error instanceof Died)) throw error;
    });
    if (one.do === 'wait') {
      movedMs += 11_000;
      const adding = accounts.map((holder) => keys.adding(holder, person));
      await letPass(test.redis, 11, [keys.person(person), keys.person(friend), ...adding]);
    }
    await audit();
  };
  /** Once nothing is under way. */
  const settled = async (): Promise<void> => {
    for (const one of [person, friend]) {
      const account = await engine.stores.people.accountOfPerson(one);
      const listed = account === null || (await engine.stores.people.persons(account));
      if (listed !== true) expect(listed, 'who is bound is listed').toContain(one);
      expect([...erased], 'an erased account has nobody').not.toContain(account);
    }
    for (const account of erased) {
      expect(await test.redis.hgetall(keys.beneficiaries(account)), 'an erased list').toEqual({});
      expect(await test.redis.hkeys(keys.account(account))).toEqual(['epoch']);
    }
  };
  return { make, settled };
}

/** What may happen beside each other, in any order. */
async function hold(
  move: fc.Arbitrary<Move>,
  { minLength, maxLength }: { minLength: number; maxLength: number },
): Promise<void> {
  const engine = engineOn(test.redis);
  const open = () => publishRelease(engine, test.redis, { seats: [1, 1] });
  const releases = await Promise.all([open(), open()]);
  await fc.assert(
    fc.asyncProperty(
      fc.scheduler(),
      fc.array(move, { minLength, maxLength, size: 'max' }),
      async (scheduler, moves) => {
        const { make, settled } = await begin(scheduler, releases);
        await scheduler.waitFor(Promise.all(moves.map(make)));
        await settled();
      },
    ),
    { numRuns: Number(process.env['FAIRSLOT_MODEL_RUNS'] ?? 400) },
  );
}

it(
  'one person never has two claims or two accounts, whatever overtakes what',
  () => hold(entering, { minLength: 6, maxLength: 16 }),
  120_000,
);

it(
  'an account that was erased lists nobody and nobody is bound to it, whatever died',
  () => hold(leaving, { minLength: 2, maxLength: 8 }),
  120_000,
);
