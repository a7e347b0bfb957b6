/** Releases of one series on a test Redis, people whose entries stand in them, and who carries. */
import { beforeEach } from 'vitest';
import type { Engine } from '../../src/engine.ts';
import { present } from '../../src/lib/assert.ts';
import { isoFromMs, msFromIso } from '../../src/lib/clock.ts';
import { keys } from '../../src/redis/keys.ts';
import type { LotteryManifest } from '../../src/releases/manifest.ts';
import { entryIdOf } from '../../src/rounds/rules.ts';
import type { Carried } from '../../src/rounds/carry/standing.ts';
import {
  carrierOn,
  engineOn,
  entryOf,
  fresh,
  granted,
  letPass,
  publishRelease,
  registerMany,
  type ReleaseWishes,
  smsOf,
  stateOf,
  type TestRelease,
} from '../support/engine.ts';
import { useRedis } from '../support/redis.ts';

export type Who = { readonly account: string; readonly person: string };
const DAY_S = 86_400;

/**
 * Call it at the top of a test file. Each test starts in a series of its own, with somebody (`who`)
 * and a release (`first`); read both, and `engine`, inside tests and hooks only.
 */
export function useSeries() {
  const used = useRedis(['--appendfsync', 'no']);
  let engine: Engine;
  let name: string;
  let who: Who;
  let first: TestRelease;

  const open = (wishes: Partial<ReleaseWishes> = {}): Promise<TestRelease> =>
    publishRelease(engine, used.redis, { seats: [1], series: name, ...wishes });
  const arrive = async (): Promise<Who> => present((await registerMany(engine, 1))[0], 'somebody');
  const begin = async (): Promise<void> => {
    name = fresh('series');
    who = await arrive();
    first = await open();
  };
  beforeEach(async () => {
    engine = engineOn(used.redis);
    await begin();
  });

  const manifestOf = async ({ release }: TestRelease): Promise<LotteryManifest> =>
    granted(await engine.releases.published(release)).manifest as LotteryManifest;
  const untilOf = async (one: TestRelease, days = 30): Promise<string> =>
    isoFromMs(msFromIso((await manifestOf(one)).ends_at) + days * DAY_S * 1000);
  const states = (one: TestRelease, ...people: readonly Who[]) =>
    Promise.all(people.map(({ person }) => stateOf(engine, one.release, person)));
  /** What people were told. */
  const messages = async () => (await smsOf(engine, used.redis)).map(({ message }) => message);

  return {
    get name() {
      return name;
    },
    get redis() {
      return used.redis;
    },
    get engine() {
      return engine;
    },
    get who() {
      return who;
    },
    get first() {
      return first;
    },
    open,
    arrive,
    /** Starts anew within a test: another series, another `who`, another `first`. */
    begin,
    manifestOf,
    untilOf,

    /** Enters these people to be carried over. */
    stand: async (
      one: TestRelease,
      { account, people }: { account: string; people: readonly string[] } = {
        account: who.account,
        people: [who.person],
      },
      days = 30,
    ) =>
      granted(
        await engine.rounds.enter(account, one.release, {
          beneficiaries: people,
          preferences: one.slots,
          carryOverUntil: await untilOf(one, days),
        }),
      ),
    enter: ({ release, slots }: TestRelease, by = who, beneficiaries = [by.person]) =>
      engine.rounds.enter(by.account, release, { beneficiaries, preferences: slots }),
    withdraw: ({ release }: TestRelease, by = who) =>
      engine.rounds.withdraw(by.account, release, entryIdOf(engine.secrets, release, by.person)),
    /** Ends a release before its time; the claims of its people can be taken over. */
    end: async ({ release }: TestRelease): Promise<void> => {
      granted(await engine.releases.end(release));
      await letPass(used.redis, 11);
    },

    states,
    state: async (one: TestRelease, by = who) => (await states(one, by))[0],
    entry: (one: TestRelease, by = who) => entryOf(engine, by.account, one.release),
    /** What is left of standing entries in a release. */
    left: async ({ release }: TestRelease): Promise<number> => {
      const [standing, carrying] = await Promise.all([
        used.redis.hlen(keys.standing(release)),
        used.redis.hlen(keys.carrying(release)),
      ]);
      return standing + carrying;
    },

    /** Carries all that can be carried into a release; what became of it. */
    carry: async (into: TestRelease, by = engine): Promise<Carried[]> => {
      const outcomes: Carried[] = [];
      const carrier = carrierOn(by, (outcome) => outcomes.push(outcome));
      while (await carrier(await manifestOf(into)));
      return outcomes;
    },
    /** Puts what stands in a release on its way into another. */
    handOut: async (from: TestRelease, into: TestRelease) => {
      const reply = await engine.stores.carry.carryOut(from.release, into.release, 500);
      if (reply.outcome !== 'HANDED') throw new Error(reply.outcome);
      return reply;
    },

    /** Gives an account a mobile, at which it can be told. */
    giveMobile: async ({ account } = who): Promise<void> => {
      const mobile = engine.secrets.encrypt('+919812345678');
      await used.redis.hset(keys.account(account), 'mobile', mobile);
    },
    messages,
    templates: async () => (await messages()).map(({ template }) => template),
  };
}
