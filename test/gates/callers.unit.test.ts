import { describe, expect, test } from 'vitest';
import { createIdentify, scopeRefusal } from '../../src/gates/callers.ts';
import type { Operator } from '../../src/gates/operator-keys.ts';
import { refuse } from '../../src/refusal.ts';

const OPS: Operator = { name: 'console', scopes: ['ops'] };
const grant = { account: 'account-1', epoch: 2, device: 'device-1' };
const MOST_WRONG = 3;

function gate() {
  const counted: string[] = [];
  const over = { refusal: refuse('TOO_MANY_REQUESTS', { retryAfterS: 60 }), headers: {}, share: 1 };
  const wrong = (address: string) => counted.filter((one) => one === address).length;
  const identify = createIdentify({
    tokens: {
      verify: async (token) => (token === 'good' ? grant : refuse('ACCESS_TOKEN_INVALID')),
    },
    operatorKeys: { find: async (presented) => (presented === 'key' ? OPS : undefined) },
    limits: {
      blocked: (_limit, { address }) => (wrong(address) > MOST_WRONG ? over : undefined),
      count: async (_limit, { address }) => {
        counted.push(address);
        return wrong(address) > MOST_WRONG ? over : { refusal: undefined, headers: {}, share: 0 };
      },
    },
  });
  return { counted, identify };
}

const HERE = '203.0.113.7';
const { identify } = gate();

describe('a caller', () => {
  test('is nobody in particular where a route asks for nobody, whatever is presented', async () => {
    expect(await identify('anyone', 'Bearer good', HERE)).toEqual({ account: '', owner: '' });
  });

  test('is the account of its token', async () => {
    const caller = { account: 'account-1', owner: 'account-1', grant };
    expect(await identify('account', 'Bearer good', HERE)).toEqual(caller);
    expect(await identify('account', 'bearer  good', HERE)).toEqual(caller);
  });

  test('may be either where a route takes both, but not with a token that is none', async () => {
    expect(await identify('either', undefined, HERE)).toMatchObject({ account: '' });
    expect(await identify('either', 'Bearer good', HERE)).toMatchObject({ account: 'account-1' });
    expect(await identify('either', 'Bearer bad', HERE)).toEqual({
      refused: 'ACCESS_TOKEN_INVALID',
    });
  });

  test.each([undefined, '', 'Bearer', 'Bearer ', 'Basic good', 'good', 'Bearer good more'])(
    'without a bearer token (%j) is told that one is missing',
    async (authorization) => {
      expect(await identify('account', authorization, HERE)).toEqual({
        refused: 'ACCESS_TOKEN_MISSING',
      });
    },
  );

  test('with an operator key is that operator and no account', async () => {
    expect(await identify('operator', 'Bearer key', HERE)).toEqual({
      account: '',
      owner: 'operator:console',
      operator: OPS,
    });
    expect(await identify('account', 'Bearer key', HERE)).toEqual({
      refused: 'ACCESS_TOKEN_INVALID',
    });
  });

  test.each([undefined, 'Bearer good', 'Bearer keyx', 'key'])(
    'with %j is not an operator',
    async (authorization) => {
      expect(await gate().identify('operator', authorization, HERE)).toEqual({
        refused: 'OPERATOR_KEY_INVALID',
      });
    },
  );

  test('with wrong operator keys is told to wait, uncounted from then on; a good one passes', async () => {
    const { identify, counted } = gate();
    const wrong = (address = HERE) => identify('operator', 'Bearer wrong', address);
    for (let i = 0; i < MOST_WRONG; i++)
      expect(await wrong()).toEqual({ refused: 'OPERATOR_KEY_INVALID' });
    for (let i = 0; i < 5; i++)
      expect(await wrong()).toEqual({ refused: 'TOO_MANY_REQUESTS', retryAfterS: 60 });
    expect(counted).toHaveLength(MOST_WRONG + 1);
    expect(await identify('operator', 'Bearer key', HERE)).toMatchObject({ operator: OPS });
    expect(await wrong('203.0.113.8')).toEqual({ refused: 'OPERATOR_KEY_INVALID' });
  });
});

describe('a scope', () => {
  test('is asked of operators only, and named in the refusal', () => {
    const operator = { account: '', owner: 'operator:console', operator: OPS };
    expect(scopeRefusal({ caller: 'operator', scope: 'ops' }, operator)).toBeUndefined();
    expect(scopeRefusal({ caller: 'operator', scope: 'audit' }, operator)).toEqual({
      refused: 'SCOPE_MISSING',
      extra: { scope: 'audit' },
    });
    expect(scopeRefusal({ caller: 'account' }, { account: 'a', owner: 'a' })).toBeUndefined();
  });
});
