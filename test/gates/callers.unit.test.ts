import { describe, expect, test } from 'vitest';
import { createIdentify } from '../../src/gates/callers.ts';
import { refuse } from '../../src/refusal.ts';

const KEY = 'an-operator-key-of-more-than-32-characters';
const identify = createIdentify(
  {
    verify: async (token) =>
      token === 'good'
        ? { account: 'account-1', device: 'device-1' }
        : refuse('ACCESS_TOKEN_INVALID'),
  },
  KEY,
);

describe('a caller', () => {
  test('is nobody in particular where a route asks for nobody, whatever is presented', async () => {
    expect(await identify('anyone', 'Bearer good')).toEqual({
      account: '',
      owner: '',
      device: '',
    });
  });

  test('is the account of its token', async () => {
    const caller = { account: 'account-1', owner: 'account-1', device: 'device-1' };
    expect(await identify('account', 'Bearer good')).toEqual(caller);
    expect(await identify('account', 'bearer  good')).toEqual(caller);
  });

  test('may be either where a route takes both, but not with a token that is none', async () => {
    expect(await identify('either', undefined)).toMatchObject({ account: '', device: '' });
    expect(await identify('either', 'Bearer good')).toMatchObject({ account: 'account-1' });
    expect(await identify('either', 'Bearer bad')).toEqual({ refused: 'ACCESS_TOKEN_INVALID' });
  });

  test.each([undefined, '', 'Bearer', 'Bearer ', 'Basic good', 'good', 'Bearer good more'])(
    'without a bearer token (%j) is told that one is missing',
    async (authorization) => {
      expect(await identify('account', authorization)).toEqual({ refused: 'ACCESS_TOKEN_MISSING' });
    },
  );

  test('with the operator key is the operator and no account', async () => {
    expect(await identify('operator', `Bearer ${KEY}`)).toEqual({
      account: '',
      owner: 'operator',
      device: '',
    });
  });

  test.each([undefined, 'Bearer good', `Bearer ${KEY}x`, `Bearer ${KEY.slice(1)}`, KEY])(
    'with %j is not the operator',
    async (authorization) => {
      expect(await identify('operator', authorization)).toEqual({
        refused: 'OPERATOR_KEY_INVALID',
      });
    },
  );

  test('with the operator key is no account', async () => {
    expect(await identify('account', `Bearer ${KEY}`)).toEqual({ refused: 'ACCESS_TOKEN_INVALID' });
  });
});
