/** A release of each mode in which everything stands that a check looks at; and all of Redis. */
import type { Engine } from '../../src/engine.ts';
import { present } from '../../src/lib/assert.ts';
import { CLAIM_FIELD, unpackClaim } from '../../src/people/claim-field.ts';
import type { Redis } from '../../src/redis/client.ts';
import { keys } from '../../src/redis/keys.ts';
import { entryIdOf } from '../../src/rounds/rules.ts';
import {
  bookingOf,
  fresh,
  granted,
  letPass,
  nextRound,
  publishRelease,
  register,
  registerMany,
  stateOf,
} from '../support/engine.ts';

type Someone = { readonly account: string; readonly person: string; readonly id: string };
export type Scene = Awaited<ReturnType<typeof playScene>>;

/**
 * After round 0 of a lottery: somebody has a seat and somebody an offer, somebody waits, a group has
 * seats, somebody came later. Elsewhere two have booked at once.
 */
export async function playScene(engine: Engine, redis: Redis) {
  const { release, slots } = await publishRelease(engine, redis, {
    seats: [2, 3],
    closesInS: 50,
    confirmWithinS: 900,
  });
  const [first = '', second = ''] = slots;
  const as = (one: { account: string; person: string }, where = release): Someone => ({
    ...one,
    id: entryIdOf(engine.secrets, where, one.person),
  });
  const enter = (account: string, people: readonly string[], slot: string) =>
    engine.rounds.enter(account, release, { beneficiaries: people, preferences: [slot] });
  const singles = await registerMany(engine, 4);
  for (const { account, person } of singles) granted(await enter(account, [person], first));
  const household = fresh('account');
  const [lead, member] = [await register(engine, household), await register(engine, household)];
  granted(await enter(household, [lead, member], second));
  await letPass(redis, 60);
  await nextRound(engine, release);

  const states = await Promise.all(singles.map(({ person }) => stateOf(engine, release, person)));
  const inState = (state: string, at = 0): Someone =>
    as(present(singles.filter((_one, which) => states[which] === state)[at], state));
  const [booked, offered] = [inState('OFFERED'), inState('OFFERED', 1)];
  for (const account of [booked.account, household])
    granted(await engine.bookings.confirm(account, await bookingOf(engine, account, release)));
  const [newcomer] = await registerMany(engine, 1);
  const late = as(present(newcomer, 'a newcomer'));
  granted(await enter(late.account, [late.person], second));

  const atOnce = await publishRelease(engine, redis, { mode: 'immediate', seats: [2, 2] });
  const bookers = (await registerMany(engine, 2)).map((one) => as(one, atOnce.release));
  for (const { account, person } of bookers)
    granted(
      await engine.bookings.book(account, {
        release: atOnce.release,
        beneficiary: person,
        slot: present(atOnce.slots[0], 'a slot'),
      }),
    );
  const [idle] = await registerMany(engine, 1);
  return {
    release,
    booked,
    offered,
    waiting: inState('WAITING'),
    otherWaiting: inState('WAITING', 1),
    group: as({ account: household, person: lead }),
    member: as({ account: household, person: member }),
    late,
    atOnce: atOnce.release,
    booker: present(bookers[0], 'a booker'),
    idle: present(idle, 'somebody'),
    stray: entryIdOf(engine.secrets, 'no-such-release', present(idle, 'somebody').person),
    places: { first: `slot ${first}, pool open`, second: `slot ${second}, pool open` },
    placeAtOnce: `slot ${atOnce.slots[0]}, pool open`,
    key: (noun: 'bookings' | 'entries' | 'seats' | 'members' | 'accounts' | 'entering') =>
      keys[noun](release),
  };
}

/** All that Redis holds, in an order of its own; without what tells the time of a repair. */
export async function contents(redis: Redis): Promise<Record<string, unknown>> {
  const names = (await redis.keys('*')).toSorted();
  const all = await Promise.all(names.map(async (name) => [name, await contentOf(redis, name)]));
  return Object.fromEntries(all) as Record<string, unknown>;
}

async function contentOf(redis: Redis, name: string): Promise<unknown> {
  switch (await redis.type(name)) {
    case 'hash': {
      const fields = Object.entries(await redis.hgetallBuffer(name)).map(
        ([field, value]) =>
          [
            field,
            field === CLAIM_FIELD
              ? unpackClaim(value.toString())?.release
              : value.toString('base64'),
          ] as const,
      );
      return Object.fromEntries(fields.toSorted(([a], [b]) => (a < b ? -1 : 1)));
    }
    case 'string':
      return redis.get(name);
    case 'list':
      return redis.lrange(name, 0, -1);
    case 'zset':
      return redis.zrange(name, '0', '-1', 'WITHSCORES');
    case 'set':
      return (await redis.smembers(name)).toSorted();
    default:
      return (await redis.xrange(name, '-', '+')).map(([, fields]) => fields);
  }
}
