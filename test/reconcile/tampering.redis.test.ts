/** Whatever is wrong is found, as what it is, where it is, and nothing else; and what is mended. */
import { beforeEach, describe, expect, test } from 'vitest';
import type { Engine } from '../../src/engine.ts';
import { present } from '../../src/lib/assert.ts';
import { CLAIM_FIELD, packClaim } from '../../src/people/claim-field.ts';
import type { Redis } from '../../src/redis/client.ts';
import { keys } from '../../src/redis/keys.ts';
import { KINDS } from '../../src/reconcile/findings.ts';
import type { Wishes } from '../../src/reconcile/service.ts';
import { engineOn, restore, type Snapshot, snapshot } from '../support/engine.ts';
import { useRedis } from '../support/redis.ts';
import { contents, playScene, type Scene } from './scene.ts';

const it = useRedis(['--appendfsync', 'no']); // nothing outlives this Redis

let engine: Engine;
let scene: Scene;
let taken: Snapshot | undefined;
beforeEach(async () => {
  engine = engineOn(it.redis);
  if (taken) return restore(it.redis, taken);
  scene = await playScene(engine, it.redis);
  taken = await snapshot(it.redis);
});

/** `kind: where` of all that is found, and which of it was mended. */
async function found(wishes: Wishes = {}): Promise<{ all: string[]; repaired: string[] }> {
  const { releases, strays, isComplete } = await engine.reconciler.all(wishes);
  expect(isComplete).toBe(true);
  const findings = [...releases.flatMap((one) => one.findings), ...strays];
  const line = ({ kind, where }: (typeof findings)[number]): string => `${kind}: ${where}`;
  return {
    all: findings.map(line).toSorted(),
    repaired: findings.filter(({ repaired }) => repaired).map(line),
  };
}

type Tampering = {
  readonly name: string;
  readonly tamper: (redis: Redis, scene: Scene) => Promise<unknown>;
  readonly finds: (scene: Scene) => string[];
  /** Whether all of it is mended; else nothing. */
  readonly mends?: true;
  readonly wishes?: Wishes;
};

const ofEntry = ({ id }: { readonly id: string }): string => `entry ${id}`;
const STRANGER = 'A'.repeat(22);

/** Puts something else in the place of a field's value. */
const rewrite = async (
  redis: Redis,
  key: string,
  field: string,
  change: (value: string) => string,
): Promise<void> => {
  await redis.hset(key, field, change(present(await redis.hget(key, field), field)));
};
const claim = (redis: Redis, person: string, release: string) =>
  redis.hset(keys.person(person), CLAIM_FIELD, packClaim({ release, claimedAtMs: 1 }));
const say = (redis: Redis, release: string, line: string) =>
  redis.xadd(keys.audit(release), '*', 'e', line);

const SEATS: Tampering[] = [
  {
    name: 'a free seat too few',
    tamper: (redis, { key }) => redis.hincrby(key('seats'), '1/0', -1),
    finds: ({ places }) => [`seats-low: ${places.second}`],
    mends: true,
  },
  {
    name: 'a count of seats that is none',
    tamper: (redis, { key }) => redis.hset(key('seats'), '1/0', 'many'),
    finds: ({ places }) => [`seats-low: ${places.second}`],
  },
  {
    name: 'a count of seats that is gone',
    tamper: (redis, { key }) => redis.hdel(key('seats'), '1/0'),
    finds: ({ places }) => [`seats-low: ${places.second}`],
    mends: true,
  },
  {
    name: 'a free seat too many',
    tamper: (redis, { key }) => redis.hincrby(key('seats'), '0/0', 1),
    finds: ({ places }) => [`seats-high: ${places.first}`],
    mends: true,
  },
  {
    name: 'a free seat too many where people book at once',
    tamper: (redis, { atOnce }) => redis.hincrby(keys.seats(atOnce), '0/0', 1),
    finds: ({ placeAtOnce }) => [`seats-high: ${placeAtOnce}`],
    mends: true,
  },
  {
    name: 'a seat that is free for want of a booking made at once',
    tamper: (redis, { atOnce, booker }) => redis.hdel(keys.bookings(atOnce), booker.id),
    finds: ({ booker, placeAtOnce }) => [
      `audit-lost: ${ofEntry(booker)}`,
      `seats-low: ${placeAtOnce}`,
    ],
  },
  {
    name: 'a booking made at once that is in another slot',
    tamper: (redis, { atOnce, booker }) =>
      rewrite(redis, keys.bookings(atOnce), booker.id, (is) => is.replace('|0|0|1|', '|1|0|1|')),
    finds: ({ booker, placeAtOnce }) => [
      `booking-unasked: ${ofEntry(booker)}`,
      `seats-high: ${placeAtOnce.replace('c0', 'c1')}`,
      `seats-low: ${placeAtOnce}`,
    ],
  },
  {
    name: 'a sum of seats that is off',
    tamper: (redis, { release }) => redis.hincrby(keys.release(release), 'booked_seats', 2),
    finds: () => ['sums-differ: release'],
    mends: true,
  },
  {
    name: 'sums that an older version did not keep',
    tamper: (redis, { release }) => redis.hdel(keys.release(release), 'capacity', 'free_seats'),
    finds: () => ['sums-differ: release'],
    mends: true,
  },
];

const BOOKINGS: Tampering[] = [
  {
    name: 'a booking that is gone',
    tamper: (redis, { key, booked }) => redis.hdel(key('bookings'), booked.id),
    finds: ({ booked, places }) => [`audit-lost: ${ofEntry(booked)}`, `seats-low: ${places.first}`],
  },
  {
    name: 'an offer that is gone',
    tamper: (redis, { key, offered }) => redis.hdel(key('bookings'), offered.id),
    finds: ({ offered, places }) => [
      `offer-stale: ${ofEntry(offered)}, round 0`,
      `seats-low: ${places.first}`,
    ],
  },
  {
    name: 'an offer that is gone without a trace, from the transcripts',
    tamper: async (redis, { key, offered, release }) => {
      await redis.hdel(key('bookings'), offered.id);
      await redis.hdel(keys.offers(release, 0), offered.id);
    },
    finds: ({ offered, places }) => [
      `ledger-differs: ${ofEntry(offered)}`,
      `seats-low: ${places.first}`,
    ],
    wishes: { verify: true },
  },
  {
    name: 'an offer that is given to somebody else, from the transcripts',
    tamper: async (redis, { key, offered, waiting, release }) => {
      const offer = present(await redis.hget(key('bookings'), offered.id), 'an offer');
      await redis.hdel(key('bookings'), offered.id);
      await redis.hset(key('bookings'), waiting.id, offer);
      await redis.hdel(keys.offers(release, 0), offered.id);
      await redis.hset(keys.offers(release, 0), waiting.id, '');
    },
    finds: ({ offered, waiting }) =>
      [offered, waiting].map((one) => `ledger-differs: ${ofEntry(one)}`),
    wishes: { verify: true },
  },
  {
    name: 'a confirmed booking that would lapse',
    tamper: (redis, { booked, release }) => redis.hset(keys.offers(release, 0), booked.id, ''),
    finds: ({ booked }) => [`offer-stale: ${ofEntry(booked)}, round 0`],
    mends: true,
  },
  {
    name: 'an offer that would never lapse',
    tamper: (redis, { offered, release }) => redis.hdel(keys.offers(release, 0), offered.id),
    finds: ({ offered }) => [`offer-unlisted: ${ofEntry(offered)}, round 0`],
    mends: true,
  },
  {
    name: 'an offer of a round that nobody looks at',
    tamper: (redis, { release }) => redis.hset(keys.release(release), 'unexpired_round', 1),
    finds: ({ offered }) => [`offer-unlisted: ${ofEntry(offered)}, round 0`],
  },
  {
    name: 'a booking of more seats than people',
    tamper: (redis, { key, booked }) =>
      rewrite(redis, key('bookings'), booked.id, (is) => is.replace('|0|0|1|', '|0|0|2|')),
    finds: ({ booked, places }) => [
      `booking-size: ${ofEntry(booked)}`,
      `seats-high: ${places.first}`,
    ],
  },
  {
    name: 'a booking that is no booking',
    tamper: (redis, { key, booked }) => redis.hset(key('bookings'), booked.id, 'BOOKED|twice'),
    finds: ({ booked, places }) => [`seats-low: ${places.first}`, `unreadable: ${ofEntry(booked)}`],
  },
];

const ENTRIES: Tampering[] = [
  {
    name: 'an entry that is gone',
    tamper: (redis, { key, waiting }) => redis.hdel(key('entries'), waiting.id),
    finds: ({ waiting }) => [`audit-lost: ${ofEntry(waiting)}`],
  },
  {
    name: 'an entry that is gone before its round',
    tamper: (redis, { key, late }) => redis.hdel(key('entering'), late.id),
    finds: ({ late }) => [`audit-lost: ${ofEntry(late)}`],
  },
  {
    name: 'a booking of nobody',
    tamper: (redis, { key, booked }) => redis.hdel(key('entries'), booked.id),
    finds: ({ booked }) => [`entry-missing: ${ofEntry(booked)}`],
  },
  {
    name: 'an entry in two rounds',
    tamper: async (redis, { key, waiting }) =>
      redis.hset(
        key('entering'),
        waiting.id,
        present(await redis.hget(key('entries'), waiting.id), 'an entry'),
      ),
    finds: ({ waiting }) => [`entry-twice: ${ofEntry(waiting)}`],
  },
  {
    name: 'an entry that outlives its booking',
    tamper: (redis, { key, waiting }) =>
      redis.hset(key('bookings'), waiting.id, 'CANCELLED|0|0|0|1|1'),
    finds: ({ waiting }) => [
      `audit-unrecorded: ${ofEntry(waiting)}`,
      `entry-left: ${ofEntry(waiting)}`,
    ],
  },
  {
    name: 'an entry that is no entry',
    tamper: (redis, { key, waiting }) => redis.hset(key('entries'), waiting.id, '|'),
    finds: ({ waiting }) => [`unreadable: ${ofEntry(waiting)}`],
  },
  {
    name: 'a member whom nothing leads to the group',
    tamper: (redis, { key, member }) => redis.hdel(key('members'), member.id),
    finds: ({ group }) => [`members-wrong: ${ofEntry(group)}`],
  },
  {
    name: 'somebody in a group by mistake',
    tamper: (redis, { key, waiting, late }) =>
      redis.hset(key('members'), waiting.id, `${waiting.id},${late.id}`),
    finds: ({ waiting }) => [`members-wrong: ${ofEntry(waiting)}`],
  },
  {
    name: 'a person in two entries',
    tamper: (redis, { key, late, waiting }) =>
      rewrite(redis, key('entering'), late.id, (is) => is.replace(late.person, waiting.person)),
    finds: ({ late, waiting }) => [
      `members-wrong: ${ofEntry(late)}`,
      `person-twice: entries ${[late.id, waiting.id].toSorted().join(' and ')}`,
    ],
  },
];

const PEOPLE: Tampering[] = [
  {
    name: 'nobody bound to an entry',
    tamper: (redis, { waiting }) => redis.hdel(keys.person(waiting.person), CLAIM_FIELD),
    finds: ({ waiting }) => [`claim-missing: ${ofEntry(waiting)}`],
    mends: true,
  },
  {
    name: 'a member of a group bound elsewhere',
    tamper: (redis, { member, atOnce }) => claim(redis, member.person, atOnce),
    finds: ({ group }) => [`claim-elsewhere: ${ofEntry(group)}`],
  },
  {
    name: 'somebody bound to a release that does not exist',
    tamper: (redis, { idle }) => claim(redis, idle.person, 'no-such-release'),
    finds: ({ stray }) => [`claim-stray: entry ${stray}`],
    mends: true,
  },
  {
    name: 'a group that nobody is charged for',
    tamper: (redis, { key, group }) => redis.hdel(key('accounts'), group.account),
    finds: ({ group }) => [
      `charge-missing: ${ofEntry(group)}`,
      `charge-missing: ${ofEntry(group)}`,
    ],
  },
  {
    name: 'an account with more people than it may have',
    tamper: (redis, { key, waiting }) =>
      rewrite(redis, key('accounts'), waiting.account, (is) => is + 'aaaaaabbbbbbccccccdddddd'),
    finds: ({ waiting }) => [`charge-over: whoever entered ${waiting.id.slice(0, 6)}…`],
  },
];

const AUDIT: Tampering[] = [
  {
    name: 'a stream that tells of an entry that was never put',
    tamper: (redis, { release }) => say(redis, release, `entered ${STRANGER}`),
    finds: () => [`audit-lost: entry ${STRANGER}`],
  },
  {
    name: 'a stream that tells of a cancellation',
    tamper: (redis, { release, booked }) => say(redis, release, `cancelled ${booked.id}`),
    finds: ({ booked }) => [`audit-unrecorded: ${ofEntry(booked)}`],
  },
  {
    name: 'a stream that tells of a loss of seats',
    tamper: (redis, { release }) => say(redis, release, 'lost 0/0 1'),
    finds: () => ['audit-lost: change 0/0 1'],
  },
  {
    name: 'a change that nobody ordered',
    tamper: (redis, { release }) => redis.hset(keys.changes(release), 'loss:x', '1/0 1 0'),
    finds: () => ['audit-unrecorded: change 1/0 1'],
  },
  {
    name: 'a stream that was cut',
    tamper: async (redis, { release }) => {
      const [first] = await redis.xrange(keys.audit(release), '-', '+', 'COUNT', 1);
      return redis.xdel(keys.audit(release), present(first, 'a line')[0]);
    },
    finds: () => ['audit-incomplete: release'],
  },
];

const ROUNDS: Tampering[] = [
  {
    name: 'a round that never ends',
    tamper: (redis, { release }) => redis.hset(keys.rounds(release), 'settling', 0),
    finds: () => ['phase-wrong: release'],
  },
  {
    name: 'a round that was skipped',
    tamper: (redis, { release }) => redis.hset(keys.release(release), 'round', 2),
    finds: () => ['phase-wrong: release'],
  },
  {
    name: 'another digest',
    tamper: (redis, { release }) => redis.hset(keys.rounds(release), 'digest:0', 'ab'.repeat(32)),
    finds: () => ['round-digest: round 0', 'round-digest: round 0'],
  },
  {
    name: 'another record',
    tamper: (redis, { release }) =>
      rewrite(redis, keys.rounds(release), 'record:0', (is) =>
        is.replace('"trust":"', '"trust":"!'),
      ),
    finds: () => ['round-digest: round 0'],
  },
  {
    name: 'a seal that is gone',
    tamper: (redis, { release }) => redis.hdel(keys.rounds(release), 'seal:0'),
    finds: () => ['round-incomplete: round 0'],
  },
  {
    name: 'a transcript that is gone',
    tamper: (redis, { release }) => redis.del(keys.transcript(release, 0)),
    finds: () => ['round-incomplete: round 0'],
  },
  {
    name: 'a transcript whose end is gone, recomputed',
    tamper: async (redis, { release }) => {
      const key = keys.transcript(release, 0);
      const whole = present(await redis.hgetBuffer(key, '0'), 'a chunk');
      return redis.hset(key, '0', whole.subarray(0, -20));
    },
    finds: () => ['transcript-differs: round 0'],
    wishes: { verify: true },
  },
];

const ALL = [...SEATS, ...BOOKINGS, ...ENTRIES, ...PEOPLE, ...AUDIT, ...ROUNDS];

test('the scene is all right, also when it is recomputed, and repairing changes nothing', async () => {
  const before = await contents(it.redis);
  expect(await found({ verify: true, repair: true })).toEqual({ all: [], repaired: [] });
  const { [keys.reconcileLast()]: last, ...after } = await contents(it.redis);
  expect(last).toBeDefined();
  expect(after).toEqual(before);
});

describe.each(ALL)('$name', ({ tamper, finds, mends, wishes }) => {
  test(`is found${mends ? ', and mended' : ', and left alone'}`, async () => {
    const { redis } = it;
    const sound = await contents(redis);
    await tamper(redis, scene);
    const tampered = await contents(redis);
    const expected = finds(scene);
    const { all } = await found(wishes);
    expect(all).toEqual(expected.toSorted());

    const { repaired } = await found({ ...wishes, repair: true });
    expect(repaired).toHaveLength(mends ? expected.length : 0);
    const { audit, rest } = split(await contents(redis));
    expect(rest).toEqual(split(mends ? sound : tampered).rest);
    const lines = audit.filter((line) => line.startsWith('repaired '));
    // Nothing of a release that does not exist is written anywhere.
    const isWritten = mends && !all.some((line) => line.startsWith('claim-stray'));
    expect(lines).toHaveLength(isWritten ? 1 : 0);
    if (mends) expect(await found({ ...wishes, repair: true })).toEqual({ all: [], repaired: [] });
  });
});

test('every kind of finding is tried', () => {
  const tried = new Set(ALL.flatMap(({ finds }) => finds(scene).map((line) => line.split(':')[0])));
  expect(KINDS.filter((kind) => !tried.has(kind))).toEqual([]);
});

/** The lines of audit streams, and all else. */
function split(all: Record<string, unknown>): { audit: string[]; rest: Record<string, unknown> } {
  const of = (isAudit: boolean) =>
    Object.entries(all).filter(([key]) => key.endsWith(':audit') === isAudit);
  const { [keys.reconcileLast()]: _last, ...rest } = Object.fromEntries(of(false));
  return {
    audit: of(true).flatMap(([, lines]) => (lines as string[][]).map(([, line = '']) => line)),
    rest,
  };
}
