/** What a server counts after traffic that is known, and after traffic that is not. */
import { describe, expect, test } from 'vitest';
import { createEngine } from '../../src/engine.ts';
import { limitSetting } from '../../src/gates/limit-table.ts';
import { createApp } from '../../src/http/app.ts';
import { listen, type Server } from '../../src/http/server.ts';
import { createLog } from '../../src/log.ts';
import { createMetrics } from '../../src/metrics/server.ts';
import { connectRedis, disconnectRedis } from '../../src/redis/client.ts';
import { allRoutes } from '../../src/routes.ts';
import { call, type CallOptions, configWith, secrets, tokenOf } from '../support/app.ts';
import { fresh, publishRelease, register, type TestRelease } from '../support/engine.ts';
import { samplesOf, valueIn } from '../support/metrics.ts';
import { useRedis } from '../support/redis.ts';

const used = useRedis(['--appendfsync', 'no']);

/** A server wired as src/server.ts does it. */
async function withServer(
  settings: Record<string, string>,
  act: (server: Awaited<ReturnType<typeof wire>>) => Promise<void>,
): Promise<void> {
  const wired = await wire(settings);
  try {
    await act(wired);
  } finally {
    await wired.server.close({ timeoutMs: 100 });
    await disconnectRedis(wired.redis);
  }
}

async function wire(settings: Record<string, string>) {
  const metrics = createMetrics();
  const redis = connectRedis(used.server.address, metrics.redis);
  metrics.redis.watchConnection(redis);
  await redis.ping(); // until then each process counts limits for itself
  const config = configWith({ SMS_DRIVER: 'inbox', ...settings });
  const log = createLog('silent');
  const engine = createEngine(redis, config, { log, ...metrics.watch });
  const routes = allRoutes(engine, redis, config);
  const app = createApp({ routes, redis, config, secrets, log, metrics });
  const server: Server = await listen(app, { host: '127.0.0.1', port: 0 });
  const ask = (method: string, path: string, options: CallOptions = {}) =>
    call(server.url, method, path, options);
  return { metrics, redis, engine, routes, server, ask, page: () => metrics.registry.metrics() };
}

const entryPath = ({ release }: TestRelease): string => `/v1/releases/${release}/entry`;

describe('a server counts', () => {
  test('entries by what came of them, and claims', () =>
    withServer({}, async ({ engine, ask, page }) => {
      const release = await publishRelease(engine, used.redis, { seats: [1, 1] });
      const [one = '', two = ''] = release.slots;
      const account = fresh('account');
      const person = await register(engine, account);
      const token = await tokenOf(account);
      const enter = (preferences: string[], beneficiaries = [person]) =>
        ask('PUT', entryPath(release), { token, body: { beneficiaries, preferences } });
      const { entryId } = (await enter([one])).json;
      expect((await enter([two, one])).status).toBe(200);
      expect((await enter([two, one])).status).toBe(200);
      expect((await enter(['nowhere'])).json.code).toBe('SLOT_UNKNOWN');
      expect((await enter([one], ['x'.repeat(22)])).json.code).toBe('BENEFICIARY_UNKNOWN');
      const withdrawn = await ask('DELETE', `${entryPath(release)}?entryId=${entryId}`, {
        token,
      });
      expect(withdrawn.status).toBeLessThan(300);
      const text = await page();
      const entries = (outcome: string, code = '') =>
        valueIn(text, `fairslot_rounds_entries_total{outcome="${outcome}",code="${code}"}`);
      expect([entries('entered'), entries('edited'), entries('repeated')]).toEqual([1, 1, 1]);
      expect(entries('withdrawn')).toBe(1);
      expect(entries('refused', 'SLOT_UNKNOWN')).toBe(1);
      expect(entries('refused', 'BENEFICIARY_UNKNOWN')).toBe(1);
      expect(valueIn(text, 'fairslot_people_claims_total{outcome="claimed",code=""}')).toBe(3);
      expect(
        valueIn(text, 'fairslot_people_claims_total{outcome="refused",code="BENEFICIARY_UNKNOWN"}'),
      ).toBe(1);
      expect(
        valueIn(text, 'fairslot_people_beneficiaries_total{outcome="registered",code=""}'),
      ).toBe(1);
    }));

  test('bookings at once, and who finds no seat; a repeated answer under its key', () =>
    withServer({}, async ({ engine, ask, page }) => {
      const { release, slots } = await publishRelease(engine, used.redis, {
        mode: 'immediate',
        seats: [1],
      });
      const book = async (key: string) => {
        const account = fresh('account');
        const body = { release, beneficiary: await register(engine, account), slot: slots[0] };
        const token = await tokenOf(account);
        const options = { token, body, headers: { 'idempotency-key': key } };
        const answers = [
          await ask('POST', '/v1/bookings', options),
          await ask('POST', '/v1/bookings', options),
        ];
        return answers.map(({ status }) => status);
      };
      expect(await book('a')).toEqual([201, 201]);
      expect(await book('b')).toEqual([409, 409]);
      const text = await page();
      const bookings = 'fairslot_bookings_immediate_total';
      expect(valueIn(text, `${bookings}{outcome="booked",code=""}`)).toBe(1);
      expect(valueIn(text, `${bookings}{outcome="refused",code="SLOT_FULL"}`)).toBe(2);
      expect(valueIn(text, 'fairslot_http_replays_total{outcome="replayed"}')).toBe(1);
      expect(
        valueIn(text, 'fairslot_redis_script_duration_seconds_count{script="bookings/book"}'),
      ).toBe(3);
    }));

  test('who is over a limit, by its name and what it counts, and who waits for it in memory', () =>
    withServer({ [limitSetting('write', 'account')]: '2' }, async ({ ask, page }) => {
      const token = await tokenOf(fresh('account'));
      for (let i = 0; i < 5; i++) await ask('PUT', '/v1/releases/none/entry', { token, body: {} });
      await ask('GET', '/v1/account/beneficiaries', { token: 'forged' });
      await ask('POST', '/v1/admin/releases', { token: 'no-key', body: {} });
      const text = await page();
      const refused = 'fairslot_gates_limit_refusals_total';
      expect(valueIn(text, `${refused}{limit="write",by="account"}`)).toBe(3);
      expect(valueIn(text, `${refused}{limit="write",by="address"}`)).toBe(0);
      expect(valueIn(text, 'fairslot_gates_blocked_callers{by="account"}')).toBe(1);
      expect(valueIn(text, 'fairslot_gates_blocked_callers{by="address"}')).toBe(0);
      const gates = samplesOf(text).filter(({ name }) => name === 'fairslot_http_refusals_total');
      const at = (gate: string) =>
        gates.reduce((sum, one) => sum + (one.labels['gate'] === gate ? one.value : 0), 0);
      expect([at('limit'), at('key')]).toEqual([3, 1]);
      expect(valueIn(text, 'fairslot_http_in_flight_requests')).toBe(0);
      expect(valueIn(text, 'fairslot_redis_connected')).toBe(1);
    }));

  test('OTPs asked for and checked', () =>
    withServer({}, async ({ ask, page }) => {
      const asked = () => ask('POST', '/v1/auth/otp', { body: { mobile: '+919800000001' } });
      const { txnId } = (await asked()).json;
      expect((await asked()).json.code).toBe('OTP_TOO_SOON');
      await ask('POST', '/v1/auth/token', { body: { txnId, otp: '000000' } });
      const text = await page();
      const otps = 'fairslot_people_otps';
      expect(valueIn(text, `${otps}_asked_total{outcome="sent",code=""}`)).toBe(1);
      expect(valueIn(text, `${otps}_asked_total{outcome="refused",code="OTP_TOO_SOON"}`)).toBe(1);
      expect(valueIn(text, `${otps}_checked_total{outcome="refused",code="OTP_WRONG"}`)).toBe(1);
    }));
});

describe('labels', () => {
  test('come from their closed lists, whatever is asked, and series stay as many', () =>
    withServer({}, async ({ metrics, routes, ask, page }) => {
      const token = await tokenOf(fresh('account'));
      const storm = async (seed: number): Promise<void> => {
        const made = Array.from({ length: 60 }, (_, index) => `${seed}-${index}`);
        await Promise.all(
          made.flatMap((name) => [
            ask('PUT', `/v1/releases/${name}/entry`, { token, body: { [name]: name } }),
            ask('GET', `/${name}/${name}?${name}`),
            ask('PROPFIND', `/v1/releases/${name}`, { headers: { 'x-request-id': name } }),
            ask('POST', '/v1/auth/token', { body: { txnId: name, otp: name } }),
            ask('GET', `/v1/captcha?purpose=${name}`, { token: name }),
            ask('POST', `/v1/admin/releases/${name}/publish`, { token: name }),
          ]),
        );
      };
      const ours = async () =>
        samplesOf(await page()).filter(({ name }) => name.startsWith('fairslot_'));
      await storm(0); // until every limit is reached that these requests reach
      await storm(1);
      const before = await ours();
      await storm(2);
      const after = await ours();
      // When refusals are tallied, once a second, is no matter of what was asked.
      const settled = (all: typeof after) =>
        all.filter(({ labels }) => labels['script'] === undefined).length;
      expect(settled(after)).toBe(settled(before));
      const names = new Set([
        ...routes.map(({ name }) => name),
        'preflight',
        'unknown',
        'mintDevice',
        'askCaptcha',
      ]);
      const strays = after.filter(({ name, labels }) => {
        const base = name.replace(/_(?:bucket|sum|count)$/, '');
        const written = metrics.entries.find((one) => one.name === name || one.name === base);
        if (!written) return true;
        return Object.entries(labels).some(([label, value]) => {
          if (label === 'le') return false;
          if (label === 'route') return !names.has(value);
          const values = written.labels?.[label];
          return !(values instanceof RegExp ? values.test(value) : values?.includes(value));
        });
      });
      expect(strays.map((one) => JSON.stringify(one))).toEqual([]);
      expect(after.length).toBeLessThan(1_500);
    }));
});
