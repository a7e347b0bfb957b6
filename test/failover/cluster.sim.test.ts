/**
 * A Redis Cluster of three masters, each with a replica, under many releases at once: one master is
 * killed while people enter, another while rounds are drawn. What was acknowledged is there, rounds
 * are published and verified, who needs nothing of the dead master hardly notices, and nothing of
 * ours has to be started again.
 */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { seededRandom } from '../../src/demo/random.ts';
import { present } from '../../src/lib/assert.ts';
import { nowMs, sleep } from '../../src/lib/clock.ts';
import { connectRedis, disconnectRedis, type Redis } from '../../src/redis/client.ts';
import { keys } from '../../src/redis/keys.ts';
import { audit } from '../chaos/audit.ts';
import { type Client, createClient } from '../chaos/client.ts';
import { gather } from '../chaos/evidence.ts';
import type { Write } from '../chaos/history.ts';
import { SETTINGS } from '../chaos/machines.ts';
import type { Release } from '../chaos/operator.ts';
import { enter, type Party, tokenOf } from '../chaos/players.ts';
import { engineOn, publishRelease, registerMany } from '../support/engine.ts';
import { type Machine, startMachine } from '../support/processes.ts';
import { type RedisCluster, startRedisCluster } from '../support/redis-cluster.ts';
import type { RedisNode } from '../support/redis-node.ts';
import { ONLY_IF_SLOW, TOO_SLOW } from '../support/slow.ts';

const RELEASES = 24;
const PEOPLE = 6;
/** People enter, and enter again, for so long, if set-up leaves it; then comes the first round. */
const ENTERING_MS = 11_000;
const WINDOW_MS = 13_000;
const LENGTH_MS = 20_000;
const KILLED_AFTER_MS = 2_000;
/** Later than its replica takes over. */
const BACK_AFTER_MS = 3_000;
const NODE_TIMEOUT_MS = 1_000;
/** The node timeout, an election, and the new master's first replica; if not, 9 s. */
const RECOVERS_WITHIN_MS = 8_000;
/**
 * Who counts a limit on the dead master waits a second before it counts for itself (guard.ts), and
 * as long as ever for anything else.
 */
const HARDLY_MS = 1_500;
/** Of the time until the dead master is replaced, on a machine where all of it takes longer. */
const HARDLY_SHARE = 0.6;

let cluster: RedisCluster;
let redis: Redis;
let machine: Machine;
let client: Client;
beforeEach(async () => {
  cluster = await startRedisCluster(NODE_TIMEOUT_MS);
  redis = connectRedis(cluster.address);
  redis.on('error', () => undefined); // killed nodes are seen in the answers
  machine = await startMachine({
    redis: cluster.address,
    settings: { ...SETTINGS, REDIS_REPLICAS: '1' },
  });
  client = createClient(() => [machine.url], seededRandom('failover'));
});
afterEach(async () => {
  client?.close();
  await machine?.kill();
  if (redis) await disconnectRedis(redis);
  await cluster?.stop();
});

type Person = { readonly party: Party; readonly from: string };
type Player = Person & { readonly release: Release };

async function openReleases(): Promise<Release[]> {
  const opening = Array.from({ length: RELEASES }, async (): Promise<Release> => {
    const closesAtMs = nowMs() + WINDOW_MS;
    const endsAtMs = nowMs() + LENGTH_MS;
    const { release, slots } = await publishRelease(engineOn(redis), redis, {
      seats: [2, 2],
      closesInS: WINDOW_MS / 1_000,
      endsInS: LENGTH_MS / 1_000,
      roundEveryS: 1,
    });
    return { release, mode: 'lottery', series: false, slots, closesAtMs, endsAtMs };
  });
  return Promise.all(opening);
}

async function gatherPeople(): Promise<Person[]> {
  const people = await registerMany(engineOn(redis), RELEASES * PEOPLE);
  const known = people.map(
    async ({ account, person }, number): Promise<Person> => ({
      party: { account, token: await tokenOf(account), people: [person] },
      from: `127.${1 + (number % 250)}.${1 + Math.floor(number / 250)}.1`,
    }),
  );
  return Promise.all(known);
}

const leadOf = ({ party }: Person): string => present(party.people[0], 'who leads');

/** Those of whom nothing lives on this master: neither person nor account. */
async function elsewhere(people: readonly Person[], master: RedisNode): Promise<Set<string>> {
  const looked = people.map(async (one) => {
    const own = [keys.person(leadOf(one)), keys.account(one.party.account)];
    const nodes = await Promise.all(own.map((key) => cluster.masterOf(key)));
    return nodes.includes(master) ? [] : [leadOf(one)];
  });
  return new Set((await Promise.all(looked)).flat());
}

/** The master of each release, by its name. */
async function shardsOf(releases: readonly Release[]): Promise<Map<string, RedisNode>> {
  const looked = releases.map(
    async ({ release }) => [release, await cluster.masterOf(keys.release(release))] as const,
  );
  return new Map(await Promise.all(looked));
}

/** Kills a master, and has it back as a replica of the one that took its place. */
async function killForAWhile(master: RedisNode): Promise<void> {
  await master.kill();
  await sleep(BACK_AFTER_MS);
  await master.start();
}

/** Done at the first sight of rounds being drawn on this master; one takes some ms only. */
async function drawingOn(master: RedisNode, releases: readonly string[]): Promise<void> {
  for (;;) {
    const states = await Promise.all(
      releases.map((release) => master.redis.hmget(keys.release(release), 'phase', 'published')),
    );
    if (states.some(([phase, published]) => phase === 'DRAWING' || published !== '-1')) return;
    await sleep(2);
  }
}

/** The longest time between the two in which none of these writes was acknowledged, in ms. */
function longestGapMs(writes: readonly Write[], fromMs: number, untilMs: number): number {
  const times = writes
    .filter(({ outcome }) => outcome === 'acknowledged')
    .map(({ endedAtMs }) => endedAtMs)
    .filter((atMs) => atMs > fromMs && atMs < untilMs)
    .toSorted((a, b) => a - b);
  return Math.max(...[...times, untilMs].map((atMs, at) => atMs - (times[at - 1] ?? fromMs)));
}

it('two masters die, and no acknowledged entry and no round with them', ONLY_IF_SLOW, async () => {
  const people = await gatherPeople();
  // The first to go holds counters of everybody.
  const first = await cluster.masterOf(keys.limitPrefix('write-account'));
  const untouched = await elsewhere(people, first);
  // Last, since their windows are open from here on.
  const releases = await openReleases();
  const closesAtMs = Math.min(...releases.map((release) => release.closesAtMs));
  const shardOf = await shardsOf(releases);
  expect(new Set(shardOf.values())).toEqual(new Set(await cluster.masters()));
  const players = people.map(
    (person, number): Player => ({
      ...person,
      release: present(releases[number % RELEASES], 'a release'),
    }),
  );

  const writes: Write[] = [];
  const enteringFromMs = nowMs();
  const enteringUntilMs = Math.min(enteringFromMs + ENTERING_MS, closesAtMs);
  const entering = players.map(async ({ party, release, from }, number) => {
    const random = seededRandom(`player ${number}`);
    const seat = { client, random, noted: { writes }, party, release, from };
    while (nowMs() < enteringUntilMs) {
      await sleep(random() * 500);
      await enter(seat);
    }
  });
  await sleep(KILLED_AFTER_MS);
  const killedAtMs = nowMs();
  await killForAWhile(first);
  await Promise.all(entering);
  await cluster.healthy();

  const there = writes.filter(({ release }) => shardOf.get(release) === first);
  const others = writes.filter(
    ({ release, person }) => shardOf.get(release) !== first && untouched.has(person),
  );
  const backMs = longestGapMs(there, killedAtMs, enteringUntilMs);
  const gapMs = longestGapMs(others, killedAtMs, enteringUntilMs);
  const beforeMs = longestGapMs(others, enteringFromMs, killedAtMs);

  const shardNow = await shardsOf(releases);
  const other = releases.find(({ release }) => shardOf.get(release) !== first);
  const second = present(shardNow.get(other?.release ?? ''), 'another master');
  const onSecond = releases.filter(({ release }) => shardNow.get(release) === second);
  await drawingOn(
    second,
    onSecond.map(({ release }) => release),
  );
  const roundsLeftMs = Math.max(...onSecond.map(({ endsAtMs }) => endsAtMs)) - nowMs();
  await killForAWhile(second);
  const parties = Map.groupBy(players, ({ release }) => release.release);
  const evidence = await gather(client, {
    unheardEndsMs: [],
    releases,
    parties: new Map(
      Array.from(parties, ([release, here]) => [release, here.map(({ party }) => party)]),
    ),
    writes,
    sightings: [],
  });
  const { acknowledged, findings } = audit(evidence);
  const told = { acknowledged, all: writes.length, backMs, beforeMs, gapMs, roundsLeftMs };
  console.log({ ...told, others: others.length });
  expect(findings).toEqual([]);
  expect(acknowledged).toBeGreaterThan(players.length);
  for (const { release, rounds } of evidence.releases)
    expect(rounds.length, release).toBeGreaterThan(0);
  // Nothing of ours was started again.
  for (const name of machine.pids().keys())
    if (name !== 'start') expect(machine.history(name), name).toHaveLength(1);
  expect(roundsLeftMs, `${TOO_SLOW}: rounds were to come when the second died`).toBeGreaterThan(0);
  expect(backMs, TOO_SLOW).toBeLessThan(RECOVERS_WITHIN_MS);
  expect(gapMs, TOO_SLOW).toBeLessThan(Math.max(beforeMs + HARDLY_MS, backMs * HARDLY_SHARE));
});
