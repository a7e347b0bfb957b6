/** Answers that are made once: which of their two forms a client is sent. */
import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { answerWith, prepare } from '../../src/http/prepared.ts';

const LARGE = { text: 'x'.repeat(5_000) };
const encodingOf = async (acceptEncoding: string | undefined, body: object = LARGE) => {
  const answer = answerWith(await prepare(body), acceptEncoding, 'public, max-age=1');
  expect(answer.headers).toMatchObject({
    vary: 'accept-encoding',
    'cache-control': 'public, max-age=1',
  });
  const bytes = answer.body as Buffer;
  const encoding = answer.headers?.['content-encoding'];
  const text = encoding === undefined ? bytes : gunzipSync(bytes);
  expect(JSON.parse(text.toString())).toEqual(body);
  return encoding;
};

describe('an answer', () => {
  test.each([
    'gzip',
    'GZIP',
    'gzip, deflate, br',
    'deflate,gzip',
    ' gzip ; q=0.5',
    'br;q=1.0, gzip;q=0.001',
    'gzip;q=1',
    '*',
    'identity;q=0.5, *;q=0.1',
  ])('is compressed for %j', async (acceptEncoding) => {
    expect(await encodingOf(acceptEncoding)).toBe('gzip');
  });

  test.each([
    undefined,
    '',
    'identity',
    'br',
    'gzip;q=0',
    'gzip; q=0.000',
    'gzip ;q=0.0, br',
    'GZIP;Q=0',
    '*;q=0',
    'x-gzipped',
    'gzip;q=0, *',
    '*, gzip;q=0',
  ])('is plain for %j', async (acceptEncoding) => {
    expect(await encodingOf(acceptEncoding)).toBeUndefined();
  });

  test('is plain where compressing it gains nothing', async () => {
    expect(await encodingOf('gzip', { sessions: [] })).toBeUndefined();
  });

  test('has another ETag in either form, the same whenever it is made, and by its bytes', async () => {
    const etagOf = async (acceptEncoding: string, body: object = LARGE) =>
      answerWith(await prepare(body), acceptEncoding, 'public').headers?.['etag'];
    const etags = [
      await etagOf('gzip'),
      await etagOf(''),
      await etagOf('gzip', { ...LARGE, more: 1 }),
      await etagOf('', { ...LARGE, more: 1 }),
    ];
    expect(new Set(etags).size).toBe(4);
    expect(await etagOf('gzip')).toBe(etags[0]);
    for (const etag of etags) expect(etag).toMatch(/^"[\w-]+"$/);
  });
});
