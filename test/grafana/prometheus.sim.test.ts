/** A real Prometheus beside a real engine: no panel is empty, no alert is blind, and what fires is heard. */
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Panel } from '@grafana/grafana-foundation-sdk/dashboard';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { type Alert, ALERTS } from '../../grafana/source/alerts.ts';
import { DASHBOARDS, GRAFANA } from '../../grafana/source/files.ts';
import { isoFromMs, monotonicMs, nowMs, sleep } from '../../src/lib/clock.ts';
import { freePort } from '../../src/redis/embedded.ts';
import { HERE } from '../arrivals/day.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { type Machine, startMachine } from '../support/processes.ts';
import { type Prometheus, startPrometheus } from '../support/prometheus.ts';
import {
  HOSTNAME,
  SITE_KEY,
  SITE_SECRET,
  startProvider,
  type TestProvider,
} from '../support/siteverify.ts';
import { createTraffic } from './traffic.ts';

/** Scraped every 2 s, which leaves a busy machine time to answer; a rate sees all of the test. */
const RATE_INTERVAL = '1m';
/** Two scrapes and an evaluation, on a machine that may be busy. */
const SEEN_WITHIN_MS = 60_000;
const SOON = { timeout: SEEN_WITHIN_MS, interval: 1_000 } as const;
/** More than an engine that does not get ready is given, and then all of the traffic. */
const START_WITHIN_MS = 300_000;

/** What Alertmanager is told. */
type Told = {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
};

let machine: Machine;
let gateway: TestGateway;
let provider: TestProvider;
let prometheus: Prometheus;
const told: Told[] = [];
const ear = createServer((request, response) => {
  void hear(request).then(() => response.writeHead(200).end());
});
async function hear(request: IncomingMessage): Promise<void> {
  told.push(...(JSON.parse(await text(request)) as Told[]));
}

/** The committed files, with targets of this machine and intervals of a test. */
function settings(metricsPort: number, alertmanager: string): Record<string, string> {
  const read = (file: string) => parse(readFileSync(join(GRAFANA, file), 'utf8'));
  const config = read('prometheus.yml');
  config.global = { scrape_interval: '2s', evaluation_interval: '1s' };
  config.scrape_configs[0].static_configs = [{ targets: [`127.0.0.1:${metricsPort}`] }];
  config.alerting.alertmanagers[0].static_configs = [{ targets: [alertmanager] }];
  const rules = read('alerts.yml');
  for (const group of rules.groups) group.interval = '1s';
  return { 'prometheus.yml': stringify(config), 'alerts.yml': stringify(rules) };
}

beforeAll(async () => {
  [gateway, provider] = await Promise.all([startGateway(), startProvider()]);
  await new Promise<void>((resolve) => {
    ear.listen(0, '127.0.0.1', resolve);
  });
  const { port } = ear.address() as AddressInfo;
  const metricsPort = await freePort();
  // Both at once: Prometheus takes some seconds until it scrapes for the first time.
  const [engine, watcher] = await Promise.allSettled([
    startEngine(metricsPort),
    startPrometheus(settings(metricsPort, `127.0.0.1:${port}`)),
  ]);
  // What did start is there to be ended, also where the other did not.
  if (engine.status === 'fulfilled') machine = engine.value;
  if (watcher.status === 'fulfilled') prometheus = watcher.value;
  for (const one of [engine, watcher]) if (one.status === 'rejected') throw one.reason;
  await seen('count(up == 1) and count(fairslot_build_info) >= 3');
  const traffic = createTraffic(machine.url, gateway);
  // Twice: a counter that is there for the first time has not yet risen.
  for (const wave of [1, 2]) await traffic.wave(wave);
  const times = { opensAt: isoFromMs(nowMs() + 300_000), endsAt: isoFromMs(nowMs() + 600_000) };
  await traffic.publish('to-come', { mode: 'immediate', ...times }, ['2099-01-01'], 5);
}, START_WITHIN_MS);

const startEngine = (metricsPort: number): Promise<Machine> =>
  startMachine({
    settings: {
      METRICS_PORT: String(metricsPort),
      TIME_ZONE: HERE,
      SMS_DRIVER: 'http',
      SMS_HTTP_URL: gateway.url,
      CAPTCHA_DRIVER: 'hcaptcha',
      CAPTCHA_URL: provider.url,
      CAPTCHA_SITE_KEY: SITE_KEY,
      CAPTCHA_SECRET: SITE_SECRET,
      CAPTCHA_HOSTNAMES: HOSTNAME,
      LIMIT_READ_PER_ADDRESS: '100',
      SMS_BUDGET_COWIN_PER_MINUTE: '1',
    },
  });

/** Done when Prometheus has an answer. */
async function seen(expression: string): Promise<void> {
  const giveUpAt = monotonicMs() + SEEN_WITHIN_MS;
  while ((await prometheus.query(expression)).length === 0) {
    if (monotonicMs() > giveUpAt) throw new Error(`not seen: ${expression}`);
    await sleep(100);
  }
}

afterAll(async () => {
  await Promise.all([prometheus?.stop(), machine?.kill(), gateway?.close(), provider?.close()]);
  ear.closeAllConnections();
  ear.close();
});

/** What is wrong with an expression; nothing while it has a value. */
async function wrongWith(expression: string): Promise<string | undefined> {
  const whole = expression.replaceAll('$__rate_interval', RATE_INTERVAL);
  try {
    const samples = await prometheus.query(whole);
    if (samples.length === 0) return 'no data';
    return samples.every(({ value }) => Number.isNaN(value)) ? 'not a number' : undefined;
  } catch (error) {
    return String(error);
  }
}

async function allWrong(
  expressions: readonly (readonly [where: string, expression: string])[],
): Promise<string[]> {
  const looked = await Promise.all(
    expressions.map(async ([where, expression]) => {
      const wrong = await wrongWith(expression);
      return wrong === undefined ? [] : [`${where}: ${wrong}: ${expression}`];
    }),
  );
  return looked.flat();
}

it('every panel of every dashboard has something to show', async () => {
  const committed = DASHBOARDS.map(
    ({ uid = '' }) => `dashboards/${uid.replace('fairslot-', '')}.json`,
  );
  const expressions = committed.flatMap((file) => {
    const { panels } = JSON.parse(readFileSync(join(GRAFANA, file), 'utf8'));
    return (panels as Panel[]).flatMap(({ title, targets = [] }) =>
      (targets as { expr?: string }[]).map(({ expr = '' }): [string, string] => [
        `${file}, ${title}`,
        expr,
      ]),
    );
  });
  expect(expressions.length).toBeGreaterThan(50);
  await expect.poll(() => allWrong(expressions), SOON).toEqual([]);
});

it('every alert sees what it watches, before anything is wrong', async () => {
  const watched = Object.entries<Alert>(ALERTS).flatMap(([name, { value, when }]) => [
    [name, value] as const,
    ...(when === undefined ? [] : [[`${name}, when`, when.replaceAll(/ > \d+/g, '')] as const]),
  ]);
  await expect.poll(() => allWrong(watched), SOON).toEqual([]);
  const healths = async (): Promise<string[]> => {
    const { groups } = (await prometheus.get('rules')) as {
      groups: { rules: { health: string }[] }[];
    };
    return groups.flatMap(({ rules }) => rules.map(({ health }) => health));
  };
  await expect.poll(healths, SOON).toEqual(Object.keys(ALERTS).map(() => 'ok'));
});

it('what is wrong reaches Alertmanager in words, and nothing else does', async () => {
  const names = () => [...new Set(told.map(({ labels }) => labels['alertname'] ?? ''))].toSorted();
  await expect.poll(names, SOON).toEqual(['SecurityCodesGuessed', 'SmsBudgetSpent']);
  for (const { annotations } of told) {
    expect(Object.keys(annotations).toSorted()).toEqual(['description', 'runbook_url', 'summary']);
    expect(Object.values(annotations).join('\n')).not.toMatch(/\{\{|\{value\}|<error|NaN/);
  }
});
