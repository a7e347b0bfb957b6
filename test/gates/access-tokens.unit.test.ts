import { SignJWT, UnsecuredJWT } from 'jose';
import { describe, expect, test } from 'vitest';
import { createAccessTokens } from '../../src/gates/access-tokens.ts';
import { createSecrets } from '../../src/lib/secrets.ts';

const secrets = createSecrets('a test secret of more than 32 characters');
const KEY_ID = 'access-token/1';
const START_MS = Date.UTC(2026, 0, 1);
const LIFETIME_MS = 15 * 60 * 1000;

const CLAIMS = {
  iss: 'fairslot',
  aud: 'fairslot/api',
  sub: 'somebody',
  exp: (START_MS + LIFETIME_MS) / 1000,
};

const forge = (claims: Record<string, unknown> = {}, header: Record<string, string> = {}) =>
  new SignJWT({ ...CLAIMS, ...claims })
    .setProtectedHeader({ alg: 'HS256', kid: KEY_ID, typ: 'at+jwt', ...header })
    .sign(secrets.key(KEY_ID));

describe('an access token', () => {
  test('names its account to every process that has the secret', async () => {
    const issuer = createAccessTokens(secrets);
    const { accessToken, expiresInS } = await issuer.issue('account-1');
    expect(expiresInS).toBe(900);
    const other = createAccessTokens(createSecrets('a test secret of more than 32 characters'));
    expect(await other.verify(accessToken)).toMatchObject({ account: 'account-1' });
  });

  test('is good for 15 minutes and no longer, seen before or not', async () => {
    let nowMs = START_MS;
    const tokens = createAccessTokens(secrets, () => nowMs);
    const seen = (await tokens.issue('seen')).accessToken;
    const unseen = (await tokens.issue('unseen')).accessToken;
    nowMs += LIFETIME_MS - 1;
    expect(await tokens.verify(seen)).toMatchObject({ account: 'seen' });
    nowMs += 1;
    expect(await tokens.verify(seen)).toEqual({ refused: 'ACCESS_TOKEN_EXPIRED' });
    expect(await tokens.verify(unseen)).toEqual({ refused: 'ACCESS_TOKEN_EXPIRED' });
  });

  test.each([
    [
      'signed with another secret',
      async () => {
        const foreign = createAccessTokens(
          createSecrets('another secret of more than 32 characters'),
          () => START_MS,
        );
        return (await foreign.issue('somebody')).accessToken;
      },
    ],
    [
      'with a changed payload',
      async () => {
        const [header, , signature] = (await forge()).split('.');
        const payload = Buffer.from(JSON.stringify({ sub: 'admin' })).toString('base64url');
        return `${header}.${payload}.${signature}`;
      },
    ],
    ['without a signature', async () => new UnsecuredJWT().setSubject('somebody').encode()],
    ['of another issuer', () => forge({ iss: 'elsewhere' })],
    ['for another audience', () => forge({ aud: 'elsewhere' })],
    ['of another key id', () => forge({}, { kid: 'access-token/0' })],
    ['of another type', () => forge({}, { typ: 'JWT' })],
    ['without an account', () => forge({ sub: undefined })],
    ['without an end', () => forge({ exp: undefined })],
    ['longer than any of ours', async () => `${await forge()}${'A'.repeat(2_000)}`],
    ['that is no JWT', async () => 'nonsense'],
  ])('%s is refused', async (_case, make) => {
    const tokens = createAccessTokens(secrets, () => START_MS);
    const token = await make();
    expect(await tokens.verify(token)).toEqual({ refused: 'ACCESS_TOKEN_INVALID' });
  });

  test('that was forged well is accepted, so that the cases above fail for their own reason', async () => {
    const tokens = createAccessTokens(secrets, () => START_MS);
    expect(await tokens.verify(await forge())).toMatchObject({ account: 'somebody' });
  });
});
