/**
 * The containers without a container engine: start commands and healthchecks of docker-compose.yml
 * and of the Dockerfile against real processes, the engine on nothing but the files of its image, as
 * nobody, with nothing to write to but a directory for temporary files.
 */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findProgram, onPath } from '../../src/install.ts';
import { present } from '../../src/lib/assert.ts';
import { findRedisServer, freePort } from '../../src/redis/embedded.ts';
import {
  type Compose,
  exampleWith,
  findCompose,
  resolveWith,
  ROOT,
  SECRETS,
  type Service,
} from './compose.ts';
import { assembleImage, makeReadOnly, wordsOf } from './dockerfile.ts';
import {
  check,
  finish,
  healthy,
  isRoot,
  NOBODY,
  start,
  type Started,
  stop,
  withPorts,
} from './processes.ts';

const PATH = [dirname(process.execPath), process.env['PATH']].join(delimiter);
const INSTALL_MS = 300_000;
/** A healthcheck may take so long to notice what has gone. */
const AWAY_WITHIN_MS = 15_000;
const REHEARSAL = {
  NODE_ENV: 'development',
  SMS_DRIVER: 'inbox',
  TRUSTED_PROXIES: 'loopback',
  CAPTCHA_TRIES: '4',
  CAPTCHA_TRIES_MOST: '8',
};

let place = '';
let compose: Compose;
let ports: { redis: number; replica: number; http: number; metrics: number };
const started: Started[] = [];

const findPrometheus = (): string =>
  findProgram({
    need: 'The test of the deployment needs prometheus and promtool',
    look: () => (onPath('promtool') ? onPath('prometheus') : undefined),
    packages: { 'apt-get': 'prometheus', apk: 'prometheus', brew: 'prometheus' },
  });
const findWget = (): string =>
  findProgram({
    need: 'The healthchecks of the deployment need wget',
    look: () => onPath('wget'),
    packages: { 'apt-get': 'wget', apk: 'wget', dnf: 'wget', brew: 'wget' },
  });

const service = (name: string): Service => present(compose.services[name], name);
const testOf = (name: string): readonly string[] =>
  present(service(name).healthcheck?.test, `the healthcheck of ${name}`);
const run = (words: readonly string[], options: Parameters<typeof start>[1]): Started => {
  const one = start(words, options);
  started.push(one);
  return one;
};

beforeAll(async () => {
  findRedisServer();
  findCompose();
  findPrometheus();
  findWget();
  place = mkdtempSync(join(tmpdir(), 'fairslot-deploy-'));
  chmodSync(place, 0o755);
  compose = resolveWith(exampleWith(SECRETS)).compose();
  ports = {
    redis: await freePort(),
    replica: await freePort(),
    http: await freePort(),
    metrics: await freePort(),
  };
}, INSTALL_MS);
afterAll(async () => {
  await Promise.all(started.toReversed().map(stop));
  rmSync(place, { recursive: true, force: true });
}, 60_000);

const redisEnvironment = { PATH, REDISCLI_AUTH: SECRETS.REDIS_PASSWORD };

/** With the arguments of its service, and a directory of its own for /data. */
function startRedis(name: 'redis' | 'redis-replica'): Started {
  const own = name === 'redis' ? ports.redis : ports.replica;
  const data = join(place, name);
  mkdirSync(data, { recursive: true });
  const words = withPorts(service(name).command ?? [], { 6379: ports.redis }).map((word) =>
    word === 'redis' ? '127.0.0.1' : word,
  );
  const here = ['--port', String(own), '--bind', '127.0.0.1'];
  return run([...words, ...here], { cwd: data, env: redisEnvironment });
}

const isRedisHealthy = (name: 'redis' | 'redis-replica', env = redisEnvironment): boolean =>
  check(withPorts(testOf(name), { 6379: name === 'redis' ? ports.redis : ports.replica }), env) ===
  0;

describe('Redis and its replica', () => {
  it('start as the file says, and are healthy once they serve and follow', async () => {
    expect(isRedisHealthy('redis')).toBe(false);
    const primary = startRedis('redis');
    await healthy(() => isRedisHealthy('redis'), primary);
    expect(isRedisHealthy('redis-replica')).toBe(false);
    const replica = startRedis('redis-replica');
    await healthy(() => isRedisHealthy('redis-replica'), replica);
    expect(existsSync(join(place, 'redis', 'appendonlydir'))).toBe(true);
  });

  it('tell nothing to whoever has no password', () => {
    expect(isRedisHealthy('redis', { ...redisEnvironment, REDISCLI_AUTH: 'a guess' })).toBe(false);
  });
});

describe('the image', () => {
  const image = () => join(place, 'app');
  const temporary = () => join(place, 'tmp');
  const example = readFileSync(join(ROOT, 'settings.example/engine/engine.env'), 'utf8');
  let engine: Started;

  const settingsFile = () => join(place, 'engine.env');
  /** What the service sets, on the ports of this test. */
  const environment = (settings: Record<string, string> = {}): Record<string, string> => ({
    ...service('engine').environment,
    PATH,
    HOST: '127.0.0.1',
    PORT: String(ports.http),
    METRICS_PORT: String(ports.metrics),
    REDIS_URL: `redis://:${SECRETS.REDIS_PASSWORD}@127.0.0.1:${ports.redis}`,
    FAIRSLOT_DATA_DIR: join(temporary(), 'fairslot'),
    SETTINGS_FILE: settingsFile(),
    TMPDIR: temporary(),
    HOME: '/nonexistent',
    ...settings,
  });
  const isHealthy = (): boolean =>
    check(['CMD', ...wordsOf('HEALTHCHECK')], { PATH, PORT: String(ports.http) }) === 0;
  const inImage = (words: readonly string[], settings: Record<string, string> = {}): Started =>
    run(words, { cwd: image(), env: environment(settings), asNobody: true });

  beforeAll(() => {
    writeFileSync(settingsFile(), example);
    mkdirSync(temporary());
    if (isRoot) chownSync(temporary(), NOBODY, NOBODY);
    assembleImage(image());
    makeReadOnly(image());
  });

  it('has all that the engine needs, which gets ready without root and with nothing to write to', async () => {
    expect(isHealthy()).toBe(false);
    engine = inImage(wordsOf('CMD'));
    await healthy(isHealthy, engine);
    const url = `http://127.0.0.1:${ports.http}`;
    for (const path of ['/readyz', '/docs', '/openapi.json', '/api/openapi.json', '/verify'])
      expect((await fetch(url + path)).status, path).toBe(200);
    const metrics = await fetch(`http://127.0.0.1:${ports.metrics}/metrics`);
    expect(await metrics.text()).toContain('fairslot_http_requests_total');
  });

  it('refuses to rehearse where real people are', async () => {
    const url = `http://127.0.0.1:${ports.http}`;
    const load = inImage(['node', 'src/load.ts', '--url', url, '--key', 'x']);
    expect(await finish(load)).toBe(1);
    expect(load.said()).toContain('SMS_DRIVER=inbox');
  });

  it('has what an appointment slip is made of, in three scripts', async () => {
    const program = join(place, 'slip.mts');
    writeFileSync(
      program,
      `
      import { createSlipPress } from '${image()}/src/bookings/slip/press.ts';
      const people = ['Asha Kale', 'आशा काळे', 'আশা কালে'].map((name) => (
        { name, birthYear: 1960, idType: 'Passport', idMasked: 'XXXX9999' }));
      const slip = await createSlipPress()({ title: 'Pune', people, service: 'COVISHIELD', dose: 1,
        centre: 'A hospital', place: [], date: '2021-04-10', from: '09:00', to: '11:00',
        bookingId: 'pune.q1Z8Yp0r7hQ2mJcT5wLxEg.0', securityCode: '0417' });
      process.stdout.write(slip.subarray(0, 5).toString('latin1'));`,
    );
    const slip = inImage(['node', program]);
    expect(await finish(slip)).toBe(0);
    expect(slip.said()).toBe('%PDF-');
  });

  it('is unhealthy while Redis is away, and healthy again after it', async () => {
    await stop(present(started[0], 'Redis'));
    const askedMs = performance.now();
    while (isHealthy() && performance.now() - askedMs < AWAY_WITHIN_MS);
    expect(isHealthy()).toBe(false);
    await healthy(() => isRedisHealthy('redis'), startRedis('redis'));
    await healthy(isHealthy, engine);
  });

  it('leaves on SIGTERM, in order', async () => {
    expect(await stop(engine)).toBe(0);
    expect(isHealthy()).toBe(false);
  });

  it('says which setting is wrong, and ends', async () => {
    const secretless = inImage(wordsOf('CMD'), { FAIRSLOT_SECRET: '' });
    expect(await finish(secretless)).toBe(1);
    expect(secretless.said()).toContain('FAIRSLOT_SECRET');
    writeFileSync(settingsFile(), example.replace('Asia/Kolkata', 'Asia/Atlantis'));
    const placeless = inImage(wordsOf('CMD'));
    expect(await finish(placeless)).toBe(1);
    expect(placeless.said()).toContain('TIME_ZONE');
    writeFileSync(settingsFile(), example);
  });

  it('rehearses an evening with the load profile, whose rounds are recomputed', async () => {
    engine = inImage(wordsOf('CMD'), REHEARSAL);
    await healthy(isHealthy, engine);
    const words = (service('load').command ?? []).map((word) =>
      word.replace('http://engine:8080', `http://127.0.0.1:${ports.http}`),
    );
    const small = ['--citizens', '12', '--bots', '1', '--evenings', '1', '--minute', '0.1'];
    const load = run([...words, ...small], {
      cwd: image(),
      env: { PATH, HOME: '/nonexistent', ...service('load').environment },
      asNobody: true,
    });
    expect(await finish(load)).toBe(0);
    expect(load.said()).toMatch(
      /13 people, [1-9]\d* were offered a seat, [1-9]\d* rounds verified/,
    );
    expect(await stop(engine)).toBe(0);
  }, 60_000);
});

describe('Prometheus', () => {
  const mounted = (path: string): string => join(place, path);

  it('accepts its configuration, starts as the file says and gets healthy', async () => {
    const { volumes = [], command = [] } = service('prometheus');
    for (const [from = '', to = ''] of volumes.map((volume) => volume.split(':'))) {
      if (!to.endsWith('.yml')) continue;
      mkdirSync(dirname(mounted(to)), { recursive: true });
      copyFileSync(join(ROOT, from.slice(from.indexOf('grafana/'))), mounted(to));
    }
    const checked = spawnSync('promtool', [
      'check',
      'config',
      mounted('/etc/prometheus/prometheus.yml'),
    ]);
    expect(checked.stderr.toString()).toBe('');
    expect(checked.status).toBe(0);

    const port = await freePort();
    const words = command.map((word) => word.replace(/=\//, `=${place}/`));
    const here = [...words, `--web.listen-address=127.0.0.1:${port}`];
    const isHealthy = (): boolean =>
      check(withPorts(testOf('prometheus'), { 9090: port }), { PATH }) === 0;
    expect(isHealthy()).toBe(false);
    const prometheus = run([findPrometheus(), ...here], { cwd: place, env: { PATH } });
    await healthy(isHealthy, prometheus);
  });
});
