/**
 * Who is calling: the gate before every other, since it asks neither the body nor, but for the list
 * of operator keys now and then, Redis.
 */
import { isRefusal, type Refusal, refuse } from '../refusal.ts';
import type { AccessTokens, Grant } from './access-tokens.ts';
import type { Limits } from './limits.ts';
import type { Operator, OperatorKeys } from './operator-keys.ts';
import type { Scope } from './scopes.ts';

/** `either`: an account where an access token is presented, otherwise nobody in particular. */
export type CallerKind = 'anyone' | 'either' | 'account' | 'operator';

/** Who must be calling; of an operator, which scope their key must have. */
export type Admitted =
  | { readonly caller: 'anyone' | 'either' | 'account' }
  | { readonly caller: 'operator'; readonly scope: Scope };

export type Caller = {
  /** The calling account; empty where nobody or an operator calls. */
  readonly account: string;
  /** Under whose name idempotency keys are kept; empty where nobody in particular calls. */
  readonly owner: string;
  /** What the access token says, where an account calls. */
  readonly grant?: Grant;
  readonly operator?: Operator;
};

/** `authorization`: the header's value. `address`: of the client. */
export type Identify = (
  kind: CallerKind,
  authorization: string | undefined,
  address: string,
) => Promise<Caller | Refusal>;

const ANYONE: Caller = { account: '', owner: '' };
const BEARER = /^Bearer +(\S+)$/i; // RFC 6750

type Parts = {
  readonly tokens: Pick<AccessTokens, 'verify'>;
  readonly operatorKeys: Pick<OperatorKeys, 'find'>;
  readonly limits: Pick<Limits, 'blocked' | 'count'>;
};

export function createIdentify({ tokens, operatorKeys, limits }: Parts): Identify {
  /**
   * A good key passes from anywhere, since a stranger behind the same NAT must not shut operators
   * out. Wrong ones are counted, and from some on refused without asking Redis.
   */
  const operator = async (presented: string | undefined, address: string) => {
    const found = presented === undefined ? undefined : await operatorKeys.find(presented);
    if (found) return { account: '', owner: `operator:${found.name}`, operator: found };
    const who = { address, account: '', device: '' };
    const counted = limits.blocked('wrongKey', who) ?? (await limits.count('wrongKey', who));
    return counted.refusal ?? refuse('OPERATOR_KEY_INVALID');
  };

  return async (kind, authorization, address) => {
    if (kind === 'anyone' || (kind === 'either' && authorization === undefined)) return ANYONE;
    const presented = BEARER.exec(authorization ?? '')?.[1];
    if (kind === 'operator') return operator(presented, address);
    if (presented === undefined) return refuse('ACCESS_TOKEN_MISSING');
    const grant = await tokens.verify(presented);
    if (isRefusal(grant)) return grant;
    return { account: grant.account, owner: grant.account, grant };
  };
}

/** What an operator's key lacks for a route. */
export function scopeRefusal(gates: Admitted, { operator }: Caller): Refusal | undefined {
  if (gates.caller !== 'operator' || operator?.scopes.includes(gates.scope)) return undefined;
  return refuse('SCOPE_MISSING', { extra: { scope: gates.scope } });
}
