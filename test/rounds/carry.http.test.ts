/**
 * Two evenings of a series over HTTP, with a worker as a process of its own: who got nothing on the
 * first and stands is in the second without having done anything.
 */
import type { ChildProcess } from 'node:child_process';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createEngine, type Engine } from '../../src/engine.ts';
import { createApp } from '../../src/http/app.ts';
import { listen, type Server } from '../../src/http/server.ts';
import { present } from '../../src/lib/assert.ts';
import { isoFromMs, msFromIso, nowMs, sleep } from '../../src/lib/clock.ts';
import { createLog } from '../../src/log.ts';
import { createMetrics } from '../../src/metrics/server.ts';
import { accountOf } from '../../src/people/sign-in.ts';
import { PEOPLE_LIMITS } from '../../src/people/rules.ts';
import { freePort } from '../../src/redis/embedded.ts';
import { keys } from '../../src/redis/keys.ts';
import { apiRoutes } from '../../src/routes.ts';
import { type Answered, call, configWith, OPERATOR_KEY, secrets, tokenOf } from '../support/app.ts';
import { letPass, register, verify } from '../support/engine.ts';
import { kill, spawnWorker } from '../support/processes.ts';
import { useRedis } from '../support/redis.ts';

const used = useRedis();
let engine: Engine;
let server: Server;
let worker: ChildProcess;

beforeAll(async () => {
  const { redis } = used;
  const config = configWith({ SMS_DRIVER: 'inbox' });
  engine = createEngine(redis, config);
  const routes = apiRoutes(engine, redis, config);
  const parts = { log: createLog('silent'), metrics: createMetrics() };
  const app = createApp({ routes, redis, config, secrets, ...parts });
  server = await listen(app, { host: '127.0.0.1', port: 0 });
});
afterAll(async () => {
  await kill(worker, 'SIGTERM');
  await server.close();
});

const asOperator = (path: string, body?: unknown, headers = {}): Promise<Answered> =>
  call(server.url, 'POST', path, { token: OPERATOR_KEY, body, headers });

type Evening = { readonly release: string; readonly slots: string[]; readonly endsAt: string };

/** Publishes an evening with one seat, that closes after 1.5 s. */
async function publish(release: string, day: string, endsInMs: number): Promise<Evening> {
  const at = (inMs: number): string => isoFromMs(nowMs() + inMs);
  const endsAt = at(endsInMs);
  const created = await asOperator('/v1/admin/releases', {
    release,
    title: `Evening ${day}`,
    mode: 'lottery',
    series: 'evenings',
    idTypes: ['passport'],
    opensAt: at(-1_000),
    closesAt: at(1_500),
    endsAt,
    roundEveryS: 1,
    confirmWithinS: 60,
  });
  expect(created.status).toBe(201);
  const path = `/v1/admin/releases/${release}/import?date=${day}&minAge=45&bands=09:00-11:00`;
  const csv = 'centre_id,centre_name,seats\na,Alpha,1\n';
  expect((await asOperator(path, csv, { 'content-type': 'text/csv' })).status).toBe(200);
  expect((await asOperator(`/v1/admin/releases/${release}/publish`)).status).toBe(200);
  const { slots } = (await call(server.url, 'GET', `/v1/releases/${release}/slots`)).json;
  return { release, endsAt, slots: slots.map((one: { slot: string }) => one.slot) };
}

type Citizen = { readonly mobile: string; readonly token: string; readonly person: string };
async function arrive(number: number): Promise<Citizen> {
  const mobile = `+91981234000${number}`;
  const account = accountOf(secrets, mobile);
  await used.redis.hset(keys.account(account), 'mobile', secrets.encrypt(mobile));
  const person = await register(engine, account);
  return { mobile, person, token: await tokenOf(account) };
}

const entriesOf = async ({ token }: Citizen, { release }: Evening) =>
  (await call(server.url, 'GET', `/v1/releases/${release}/entry`, { token })).json.entries;
async function untilState(citizen: Citizen, evening: Evening, ...states: string[]) {
  for (;;) {
    const [entry] = await entriesOf(citizen, evening);
    if (states.includes(entry?.state)) return entry;
    await sleep(50);
  }
}
const messagesOf = async ({ mobile }: Citizen): Promise<string[]> => {
  const path = `/v1/dev/inbox?mobile=${encodeURIComponent(mobile)}`;
  const { messages } = (await call(server.url, 'GET', path)).json;
  return messages.map(({ text }: { text: string }) => text);
};

it('carries who got nothing over to the next evening, where they may win or withdraw', async () => {
  const metricsPort = await freePort();
  worker = await spawnWorker(used.server.address, {
    SMS_DRIVER: 'inbox',
    METRICS_PORT: String(metricsPort),
  });
  const citizens = await Promise.all([1, 2, 3].map(arrive));
  const first = await publish('first', '2099-01-01', 3_000);
  const carryOverUntil = isoFromMs(msFromIso(first.endsAt) + 86_400_000);
  for (const { token, person } of citizens) {
    const body = { beneficiaries: [person], preferences: first.slots, carryOverUntil };
    const entered = await call(server.url, 'PUT', '/v1/releases/first/entry', { token, body });
    expect(entered.status).toBe(200);
  }
  const drawn = await Promise.all(
    citizens.map((one) => untilState(one, first, 'offered', 'waiting', 'over')),
  );
  const winner = present(
    citizens.find((_, i) => drawn[i].state === 'offered'),
    'a winner',
  );
  const losers = citizens.filter((one) => one !== winner);
  await Promise.all(losers.map((one) => untilState(one, first, 'over')));
  // As if the claims had not been used for a while.
  const people = losers.map(({ person }) => keys.person(person));
  await letPass(used.redis, PEOPLE_LIMITS.claimLeaseMs / 1000, people);

  const second = await publish('second', '2099-01-02', 60_000);
  const carried = await Promise.all(losers.map((one) => untilState(one, second, 'entered')));
  const carryOver = { until: carryOverUntil, refused: null };
  for (const entry of carried)
    expect(entry).toMatchObject({ preferences: second.slots, carryOver });
  expect(await entriesOf(winner, second)).toEqual([]);
  const [stays, leaves] = losers as [Citizen, Citizen];
  const [{ entryId }] = await entriesOf(leaves, second);
  const path = `/v1/releases/second/entry?entryId=${entryId}`;
  const { token } = leaves;
  expect((await call(server.url, 'DELETE', path, { token })).status).toBe(204);

  const { booking, ...held } = await untilState(stays, second, 'offered');
  expect(held.carryOver).toBeNull();
  expect(booking.slot).toBe(second.slots[0]);
  expect(await entriesOf(leaves, second)).toEqual([]);
  while ((await messagesOf(stays)).length < 2) await sleep(50);
  const [offer, told] = await messagesOf(stays);
  expect(told).toMatch(
    /^Evening 2099-01-02: you are entered, as you asked for until .+, \d\d:\d\d UTC\. Withdraw at any time\.$/,
  );
  expect(offer).toContain('a seat for you at Alpha, 2 January, 09:00');
  expect(await verify(engine, 'second')).toMatchObject({ accepted: true });
  const metrics = await fetch(`http://127.0.0.1:${metricsPort}/metrics`);
  expect(await metrics.text()).toContain(
    'fairslot_rounds_carried_total{outcome="entered",process="worker-1"} 2',
  );
}, 60_000);
