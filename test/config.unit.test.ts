/** Which settings cannot work, and what is said of them. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { placeOf } from '../src/redis/address.ts';
import { environmentNow } from '../src/settings-file.ts';
import { configWith } from './support/app.ts';

describe('REDIS_URL', () => {
  it.each(['http://127.0.0.1:6379', 'unix:///run/redis.sock', 'redis://a:1,tcp://b:1'])(
    'is refused as %s: it would be a path or a host of that name',
    (REDIS_URL) => {
      expect(() => configWith({ REDIS_URL })).toThrow(/not redis\[s\].*\n.*REDIS_URL/);
    },
  );

  it.each([
    'redis://a',
    'rediss://:p,w@a:1/2',
    '/run/redis.sock',
    'a:6379,b:6379',
    'redis+sentinel://a:1,b:2/name',
  ])('may be %s', (REDIS_URL) => {
    expect(configWith({ REDIS_URL }).redis?.url).toBe(REDIS_URL);
  });

  it('must be set in production, lest an empty Redis takes the place of a forgotten one', () => {
    expect(() => configWith({ NODE_ENV: 'production' })).toThrow('production needs REDIS_URL');
    const said = configWith({ NODE_ENV: 'production', REDIS_URL: 'embedded' });
    expect([said.redis, configWith().redis]).toEqual([undefined, undefined]);
  });

  it.each([
    ['redis://user:secret@a:6380/2?password=secret', 'a:6380'],
    ['redis://a', 'a:6379'],
    ['rediss://:se,cret@a:1', 'a:1'],
    ['redis://:sec?ret@a:1', 'REDIS_URL'],
    ['/run/redis.sock?password=secret', '/run/redis.sock'],
    ['redis+sentinel://:secret@a:1,b/name?sentinelPassword=secret', 'master name of a:1,b:26379'],
  ])('%s is named without its secret: %s', (url, place) => {
    expect(placeOf({ url, cluster: false })).toBe(place);
  });

  it('of a cluster is named by its nodes', () => {
    expect(placeOf({ url: 'redis://:secret@a:1, b:2', cluster: true })).toBe('a:1,b:2');
  });
});

describe('SETTINGS_FILE', () => {
  const { SETTINGS_FILE: before } = process.env;
  const directory = mkdtempSync(join(tmpdir(), 'fairslot-settings-'));
  afterAll(() => {
    if (before === undefined) delete process.env['SETTINGS_FILE'];
    else process.env['SETTINGS_FILE'] = before;
    rmSync(directory, { recursive: true });
  });
  const read = (text: string): NodeJS.ProcessEnv => {
    const file = join(directory, 'engine.env');
    writeFileSync(file, text);
    process.env['SETTINGS_FILE'] = file;
    return environmentNow();
  };

  it('is refused with each name that is no setting, and the one that was meant', () => {
    expect(() => read('SMS_BUDGET_NEW_PER_MINTE=5\nLIMIT_READ_PER_ADRESS=1\nCOLOUR=red')).toThrow(
      /engine\.env: COLOUR is no setting; LIMIT_READ_PER_ADRESS is no setting: is LIMIT_READ_PER_ADDRESS meant\?; .*is SMS_BUDGET_NEW_PER_MINUTE meant\?$/,
    );
  });

  it('may have all settings, those of Node, and no line at all', () => {
    const text = readFileSync('settings.example/engine/engine.env', 'utf8');
    expect(read(text.replaceAll(/^#(?=[A-Z_]+=)/gm, ''))).toMatchObject({ SMS_DRIVER: 'inbox' });
    expect(read('NODE_OF_A_TEST=1\nLIMIT_READ_PER_ADDRESS=7')).toMatchObject({
      NODE_OF_A_TEST: '1',
      LIMIT_READ_PER_ADDRESS: '7',
    });
    expect(() => read('')).not.toThrow();
  });
});
