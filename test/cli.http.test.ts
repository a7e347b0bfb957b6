/** What an operator reads of an engine that refuses, and of an address that is none. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { serveApi, type TestApi } from './support/api.ts';
import { OPERATOR_KEY } from './support/app.ts';
import { CLI, runCli } from './support/cli.ts';
import { useRedis } from './support/redis.ts';

const used = useRedis(['--appendfsync', 'no']);
let api: TestApi;
beforeAll(async () => {
  api = await serveApi(used.redis);
});
afterAll(() => api.close());

const settings = { FAIRSLOT_OPERATOR_KEY: OPERATOR_KEY };
const at = (url: string, ...command: string[]) =>
  runCli(['--url', url, ...command], { cwd: tmpdir(), settings });
const cli = (...command: string[]) => at(api.url, ...command);

describe('a refusal', () => {
  it('says in words what it means, and which request it was', async () => {
    expect(await cli('release', 'end', 'nothing')).toEqual({
      status: 1,
      out: '',
      err: expect.stringMatching(
        /^RELEASE_UNKNOWN: There is no such release\.\nrequest [\da-f-]{36}$/,
      ),
    });
  });

  it('says what is wrong with the request', async () => {
    const { err } = await cli('audit', '--of', 'nobody');
    expect(err).toMatch(/^REQUEST_INVALID: .*\n\{[^]*"path": "query.of"[^]*\}\nrequest /);
  });
});

it('says that it waits, where the engine has a limit', async () => {
  const limited = await serveApi(used.redis, undefined, { LIMIT_ADMIN_PER_ADDRESS: '1' });
  try {
    expect((await at(limited.url, 'sms', 'dead')).status).toBe(0);
    const child = spawn(process.execPath, [CLI, '--url', limited.url, 'sms', 'dead'], {
      env: { PATH: process.env['PATH'], ...settings },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const [said] = (await once(child.stderr, 'data')) as [Buffer];
    child.kill();
    expect(said.toString()).toMatch(/^Over a limit of the engine: this goes on in \d+ s\.\n$/);
  } finally {
    await limited.close();
  }
});

describe('the id of a release', () => {
  it.each([['show'], ['publish'], ['end'], ['close', '--session', 's']])(
    'is no path to anything else: %s',
    async (verb, ...options) => {
      const { status, err } = await cli('release', verb, '../sms/dead', ...options);
      expect({ status, err }).toEqual({
        status: 1,
        err: expect.stringMatching(/^REQUEST_INVALID: [^]*"path": "params.release"/),
      });
    },
  );
});

describe('a number', () => {
  it.each([
    ['--seats', 'release', 'lose', 'some', '--slot', 's', '--seats', 'ten'],
    ['--top', 'release', 'bots', 'some', '--top', '-1'],
    ['--limit', 'audit', '--limit', '1.5'],
  ])('that is none is refused before anything is sent: %s', async (option, ...command) => {
    const { status, out, err } = await at('http://127.0.0.1:1', ...command);
    expect({ status, out }).toEqual({ status: 1, out: '' });
    expect(err).toMatch(new RegExp(`^error: option '${option} .* It is a whole number\\.`));
  });
});

describe('an address', () => {
  it.each([['localhost:8080'], ['8080'], ['file:///etc']])('%s is none of HTTP', async (url) => {
    const { status, err } = await at(url, 'release', 'list');
    expect(status).toBe(1);
    expect(err).toMatch(/^error: option '--url <url>' .* It is as in http:\/\/127\.0\.0\.1:8080\./);
  });

  it('at which something else listens is said to be no engine', async () => {
    const other = createServer((_request, response) => {
      response.writeHead(404, { 'content-type': 'text/html' }).end('<!DOCTYPE html>');
    });
    await new Promise<void>((resolve) => void other.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(other.address() as AddressInfo).port}`;
    try {
      expect(await at(url, 'release', 'list')).toEqual({
        status: 1,
        out: '',
        err: `${url} answered 404, but not in JSON: that is no engine, or not all of one.`,
      });
    } finally {
      other.close();
    }
  });
});
