/** New code and new settings on one machine: they come in by a roll, or not at all. */
import { cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { call } from '../support/app.ts';
import { engineOn, publishRelease } from '../support/engine.ts';
import { UNLIMITED } from '../support/limits.ts';
import { startLoad } from '../support/load.ts';
import { type Machine, startMachine } from '../support/processes.ts';
import { useRedis } from '../support/redis.ts';

const used = useRedis(['--appendfsync', 'no']);
const ROOT = resolve(import.meta.dirname, '../..');

let directory: string;
let machine: Machine | undefined;
/** Puts the door of the server on disk as of another version. */
const writeServer = (code: string): void => {
  cpSync(join(ROOT, 'src/server.ts'), join(directory, 'src/server.ts'));
  writeFileSync(join(directory, 'src/server.ts'), code, { flag: 'a' });
};
const writeSettings = (settings: Readonly<Record<string, string>>): void =>
  writeFileSync(
    join(directory, 'settings.env'),
    Object.entries({ ...UNLIMITED, ...settings })
      .map(([name, value]) => `${name}=${value}\n`)
      .join(''),
  );
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'fairslot-version-'));
  cpSync(join(ROOT, 'src'), join(directory, 'src'), { recursive: true });
  for (const name of ['lua', 'verify', 'node_modules', 'package.json'])
    symlinkSync(join(ROOT, name), join(directory, name));
});
afterEach(async () => {
  await machine?.kill();
  rmSync(directory, { recursive: true, force: true });
});

it('keeps the old processes when new code or settings do not get ready, and takes good ones', async () => {
  writeSettings({ SERVERS: '1' });
  machine = await startMachine({
    redis: used.server.address,
    servers: 1,
    start: join(directory, 'src/start.ts'),
    settings: { SETTINGS_FILE: join(directory, 'settings.env'), SERVERS: undefined },
  });
  const { logged, lines, pids, signal, url } = machine;
  const engine = engineOn(used.redis);
  const release = await publishRelease(engine, used.redis, { seats: [10] });
  const load = await startLoad(engine, release, [url]);
  await load.answered(5);
  const before = pids();

  const roll = async (outcome: string): Promise<void> => {
    const from = lines.length;
    signal('SIGHUP');
    await logged(outcome, from);
    await load.answered(5);
  };
  writeServer("\nthrow new Error('bad code');\n");
  await roll('a new process did not get ready');
  expect(pids()).toEqual(before);
  // Code that listens, and dies as soon as it has said so.
  writeServer(`
    const { send } = process;
    process.send = (told) => send.call(process, told, () => process.kill(process.pid, 'SIGKILL'));
  `);
  await roll('a new process did not get ready');
  expect(pids().get('worker-1')).toBe(before.get('worker-1'));
  writeSettings({ SERVERS: '-1' });
  await roll('rolling restart failed');

  const policy = async (): Promise<unknown> =>
    (await call(url, 'GET', `/v1/releases/${release.release}`)).headers['ratelimit-policy'];
  expect(await policy()).toContain('"read-address";q=1000000;');
  writeServer("\nlog.info('another version');\n");
  writeSettings({ SERVERS: '2', LIMIT_READ_PER_ADDRESS: '1234567' });
  await roll('rolling restart completed');
  expect(lines.some((line) => line.includes('another version'))).toBe(true);
  expect(await policy()).toContain('"read-address";q=1234567;');
  expect([...pids().keys()].toSorted()).toEqual(['server-1', 'server-2', 'start', 'worker-1']);
  await load.stop();
  expect(load.failures()).toEqual([]);

  const [second = 0] = machine.history('server-2');
  writeSettings({ SERVERS: '1' });
  const from = lines.length;
  signal('SIGHUP');
  await logged('rolling restart completed', from);
  expect(() => process.kill(second, 0)).toThrow();
  expect(await machine.stop()).toBe(0);
});
