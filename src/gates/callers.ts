/** Who is calling: the gate before every other, since it asks neither Redis nor the body. */
import { equalSecrets } from '../lib/secrets.ts';
import { isRefusal, type Refusal, refuse } from '../refusal.ts';
import type { AccessTokens } from './access-tokens.ts';

/** `either`: an account where an access token is presented, otherwise nobody in particular. */
export type CallerKind = 'anyone' | 'either' | 'account' | 'operator';

export type Caller = {
  /** The calling account; empty where nobody or an operator calls. */
  readonly account: string;
  /** Under whose name idempotency keys are kept; empty where nobody in particular calls. */
  readonly owner: string;
  /** The device that the access token was issued to; empty where it is bound to none. */
  readonly device: string;
};

/** `authorization`: the header's value. */
export type Identify = (
  kind: CallerKind,
  authorization: string | undefined,
) => Promise<Caller | Refusal>;

const ANYONE: Caller = { account: '', owner: '', device: '' };
const OPERATOR: Caller = { account: '', owner: 'operator', device: '' };
const BEARER = /^Bearer +(\S+)$/i; // RFC 6750

export function createIdentify(
  tokens: Pick<AccessTokens, 'verify'>,
  operatorKey: string,
): Identify {
  return async (kind, authorization) => {
    if (kind === 'anyone' || (kind === 'either' && authorization === undefined)) return ANYONE;
    const presented = BEARER.exec(authorization ?? '')?.[1];
    if (kind === 'operator') {
      const genuine = presented !== undefined && equalSecrets(presented, operatorKey);
      return genuine ? OPERATOR : refuse('OPERATOR_KEY_INVALID');
    }
    if (presented === undefined) return refuse('ACCESS_TOKEN_MISSING');
    const verified = await tokens.verify(presented);
    if (isRefusal(verified)) return verified;
    const { account, device } = verified;
    return { account, owner: account, device };
  };
}
