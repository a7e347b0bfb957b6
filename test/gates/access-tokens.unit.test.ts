import fc from 'fast-check';
import { SignJWT, UnsecuredJWT } from 'jose';
import { describe, expect, test } from 'vitest';
import { createAccessTokens } from '../../src/gates/access-tokens.ts';
import { createSecrets } from '../../src/lib/secrets.ts';
import { isRefusal } from '../../src/refusal.ts';

const SECRET = 'a test secret of more than 32 characters';
const OLDER = 'an older secret of more than 32 characters';
const KEY = createSecrets(SECRET).key('access-token');
const KEY_ID = createSecrets(SECRET).pseudonym('access-token/key-id', '');
const START_MS = Date.UTC(2026, 0, 1);
const START_S = START_MS / 1000;
const LIFETIME_MS = 15 * 60 * 1000;
const GRANT = { account: 'somebody', epoch: 3 };

const CLAIMS = {
  iss: 'fairslot',
  aud: 'fairslot/api',
  sub: 'somebody',
  epoch: 3,
  device: '',
  iat: START_S,
  exp: START_S + LIFETIME_MS / 1000,
};

const forge = (claims: Record<string, unknown> = {}, header: Record<string, string> = {}) =>
  new SignJWT({ ...CLAIMS, ...claims })
    .setProtectedHeader({ alg: 'HS256', kid: KEY_ID, typ: 'at+jwt', ...header })
    .sign(KEY);

const at = (nowMs: number, ...keys: string[]) =>
  createAccessTokens([keys[0] ?? SECRET, ...keys.slice(1)], () => nowMs);

describe('an access token', () => {
  test('names its account and epoch to every process that has the secret', async () => {
    const { accessToken, expiresInS } = await createAccessTokens([SECRET]).issue(GRANT);
    expect(expiresInS).toBe(900);
    expect(await createAccessTokens([SECRET]).verify(accessToken)).toMatchObject(GRANT);
  });

  test('is good for 15 minutes and no longer, seen before or not', async () => {
    let nowMs = START_MS;
    const tokens = createAccessTokens([SECRET], () => nowMs);
    const seen = (await tokens.issue({ account: 'seen', epoch: 0 })).accessToken;
    const unseen = (await tokens.issue({ account: 'unseen', epoch: 0 })).accessToken;
    nowMs += LIFETIME_MS - 1;
    expect(await tokens.verify(seen)).toMatchObject({ account: 'seen' });
    nowMs += 1;
    expect(await tokens.verify(seen)).toEqual({ refused: 'ACCESS_TOKEN_EXPIRED' });
    expect(await tokens.verify(unseen)).toEqual({ refused: 'ACCESS_TOKEN_EXPIRED' });
  });

  test('of a process whose clock is 10 s ahead passes, of one further ahead it does not', async () => {
    const ahead = async (ms: number) => (await at(START_MS + ms).issue(GRANT)).accessToken;
    expect(await at(START_MS).verify(await ahead(10_000))).toMatchObject(GRANT);
    expect(await at(START_MS).verify(await ahead(11_000))).toEqual({
      refused: 'ACCESS_TOKEN_INVALID',
    });
  });

  test.each([
    [
      'signed with another secret',
      async () => (await at(START_MS, OLDER).issue(GRANT)).accessToken,
    ],
    [
      'signed with another secret under our key id',
      () =>
        new SignJWT(CLAIMS)
          .setProtectedHeader({ alg: 'HS256', kid: KEY_ID, typ: 'at+jwt' })
          .sign(createSecrets(OLDER).key('access-token')),
    ],
    [
      'with a changed payload',
      async () => {
        const [header, , signature] = (await forge()).split('.');
        const payload = Buffer.from(JSON.stringify({ ...CLAIMS, sub: 'admin' }));
        return `${header}.${payload.toString('base64url')}.${signature}`;
      },
    ],
    ['without a signature', async () => new UnsecuredJWT(CLAIMS).encode()],
    [
      'that says alg none under our key id and type',
      async () => {
        const [, payload] = (await forge()).split('.');
        const header = { alg: 'none', kid: KEY_ID, typ: 'at+jwt' };
        return `${Buffer.from(JSON.stringify(header)).toString('base64url')}.${payload}.`;
      },
    ],
    [
      'of another algorithm with the same bytes as key',
      () =>
        new SignJWT(CLAIMS)
          .setProtectedHeader({ alg: 'HS512', kid: KEY_ID, typ: 'at+jwt' })
          .sign(Buffer.concat([KEY, KEY])),
    ],
    ['of another issuer', () => forge({ iss: 'elsewhere' })],
    ['for another audience', () => forge({ aud: 'fairslot/devices' })],
    ['of another key id', () => forge({}, { kid: 'access-token/0' })],
    ['of another kind, such as a device token', () => forge({}, { typ: 'device+jwt' })],
    ['without an account', () => forge({ sub: undefined })],
    ['of an empty account', () => forge({ sub: '' })],
    ['without an epoch', () => forge({ epoch: undefined })],
    ['of an epoch that is no whole number', () => forge({ epoch: '3' })],
    ['of a fractional epoch', () => forge({ epoch: 3.5 })],
    ['without an end', () => forge({ exp: undefined })],
    ['without a beginning', () => forge({ iat: undefined })],
    ['from the future', () => forge({ iat: START_S + 60, exp: START_S + 960 })],
    ['that lives longer than ours', () => forge({ exp: START_S + 3_600 })],
    ['not yet good', () => forge({ nbf: START_S + 60 })],
    ['longer than any of ours', async () => `${await forge()}${'A'.repeat(2_000)}`],
    ['that is no JWT', async () => 'nonsense'],
    ['that is empty', async () => ''],
  ])('%s is refused', async (_case, make) => {
    expect(await at(START_MS).verify(await make())).toEqual({ refused: 'ACCESS_TOKEN_INVALID' });
  });

  test('that was forged well is accepted, so that the cases above fail for their own reason', async () => {
    expect(await at(START_MS).verify(await forge())).toMatchObject(GRANT);
  });

  test('with any change at any place is refused', async () => {
    const good = await forge();
    const tokens = at(START_MS);
    const places = fc.nat({ max: good.length - 2 }); // the last character has two spare bits
    await fc.assert(
      fc.asyncProperty(places, fc.string({ maxLength: 3 }), async (place, text) => {
        const changed = good.slice(0, place) + text + good.slice(place + 1);
        fc.pre(changed !== good);
        expect(isRefusal(await tokens.verify(changed)), changed).toBe(true);
      }),
      { numRuns: 1_000 },
    );
  });

  test('with a character that decoders pass over is refused', async () => {
    const good = await forge();
    for (const stray of [' ', '\n', '=', '\t', '*'])
      for (const place of [1, good.indexOf('.') + 2, good.length - 1]) {
        const changed = good.slice(0, place) + stray + good.slice(place);
        expect(isRefusal(await at(START_MS).verify(changed)), changed).toBe(true);
      }
  });

  test('of arbitrary text is refused and throws nothing', async () => {
    const tokens = at(START_MS);
    const part = fc.oneof(
      fc.string(),
      fc.json().map((text) => Buffer.from(text).toString('base64url')),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(part, { maxLength: 5 }), async (parts) => {
        expect(isRefusal(await tokens.verify(parts.join('.')))).toBe(true);
      }),
      { numRuns: 1_000 },
    );
  });
});

describe('rotating the key', () => {
  const issuedBy = async (...keys: string[]) =>
    (await at(START_MS, ...keys).issue(GRANT)).accessToken;

  test('leaves the tokens of the older key good until they expire', async () => {
    const old = await issuedBy(OLDER);
    expect(await at(START_MS + 1_000, SECRET, OLDER).verify(old)).toMatchObject(GRANT);
    expect(await at(START_MS + LIFETIME_MS, SECRET, OLDER).verify(old)).toEqual({
      refused: 'ACCESS_TOKEN_EXPIRED',
    });
  });

  test('signs with the newest, which a process that has both takes already', async () => {
    const fresh = await issuedBy(SECRET, OLDER);
    expect(await at(START_MS, OLDER, SECRET).verify(fresh)).toMatchObject(GRANT);
    expect(await at(START_MS, OLDER).verify(fresh)).toEqual({ refused: 'ACCESS_TOKEN_INVALID' });
  });

  test('takes no token of a key that was taken away', async () => {
    expect(await at(START_MS, SECRET).verify(await issuedBy(OLDER))).toEqual({
      refused: 'ACCESS_TOKEN_INVALID',
    });
  });
});
