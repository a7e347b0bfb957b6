/** What the command line goes by, and what it says where that cannot work. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { OPERATOR_KEY, SECRET } from './support/app.ts';
import { runCli, settingsOf } from './support/cli.ts';
import { useRedis } from './support/redis.ts';

const used = useRedis();
let cwd: string;
beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), 'fairslot-cli-'));
});
afterEach(() => rmSync(cwd, { recursive: true, force: true }));

const cli = (settings: Readonly<Record<string, string>>, ...parameters: string[]) =>
  runCli(parameters, { cwd, settings });
const onRedis = (): Record<string, string> => settingsOf(used.server.address);

describe('Redis', () => {
  it.each([
    ['redis://:secret@127.0.0.1:1', 'false', 'does not answer: ECONNREFUSED'],
    ['redis://:secret@127.0.0.1:1', 'true', 'does not answer: '],
  ])('at %s, cluster %s, is named where it is away', async (REDIS_URL, REDIS_CLUSTER, why) => {
    const settings = { REDIS_URL, REDIS_CLUSTER, FAIRSLOT_SECRET: SECRET };
    const { status, err } = await cli(settings, 'keys', 'list');
    expect({ status, err }).toEqual({
      status: 1,
      err: expect.stringContaining(`Redis at 127.0.0.1:1 (REDIS_URL) ${why}`),
    });
    expect(err).not.toContain('secret');
  });
});

describe('the secret of the command line', () => {
  it.each([['backup', 'file'], ['reconcile']])(
    'is none that it made: without one %s does nothing',
    async (...command) => {
      expect(await cli(onRedis(), ...command)).toEqual({
        status: 1,
        out: '',
        err: 'Set FAIRSLOT_SECRET, as the engine has it.',
      });
      expect(readdirSync(cwd)).toEqual([]);
    },
  );

  it('is that of the development engine beside it', async () => {
    mkdirSync(join(cwd, '.fairslot'));
    const kept = { secret: SECRET, operatorKey: OPERATOR_KEY };
    writeFileSync(join(cwd, '.fairslot', 'secrets.json'), JSON.stringify(kept));
    expect(await cli(onRedis(), 'backup', 'file')).toMatchObject({ status: 0 });
    expect(existsSync(join(cwd, 'file'))).toBe(true);
  });

  it('is all that a command on Redis needs, as the operator key is all that the API does', async () => {
    const set = { ...onRedis(), FAIRSLOT_SECRET: SECRET };
    for (const NODE_ENV of ['development', 'production'])
      expect(await cli({ ...set, NODE_ENV }, 'keys', 'list')).toMatchObject({
        status: 0,
        out: '[]',
      });
    const call = ['--url', 'http://127.0.0.1:1', 'release', 'list'];
    expect((await cli({}, ...call)).err).toBe('Set FAIRSLOT_OPERATOR_KEY, as the engine has it.');
    expect((await cli({ FAIRSLOT_OPERATOR_KEY: OPERATOR_KEY }, ...call)).err).toContain(
      'No engine answers',
    );
    expect(readdirSync(cwd)).toEqual([]);
  });
});
