/**
 * Whether an asker is let in. First what needs no Redis: limits that are counted in memory, callers
 * who are known to be over theirs, the captcha's ticket. Then one round trip for the limits and
 * whether the access token was revoked, and for what is begun meanwhile (begin.ts). That an
 * operator's key lacks a scope is said last: it is a line of audit, and the limits bound those.
 */
import type { Audit } from '../gates/audit.ts';
import { type Caller, scopeRefusal } from '../gates/callers.ts';
import type { Captcha } from '../gates/captcha/captcha.ts';
import { IN_MEMORY } from '../gates/limit-table.ts';
import type { Counted, Limits } from '../gates/limits.ts';
import type { Revocations } from '../gates/revocations.ts';
import { isRefusal, type Refusal, refuse } from '../refusal.ts';
import type { Asker } from './asker.ts';
import { actionOf } from './audited.ts';
import { type Begun, createBegin } from './begin.ts';
import type { Passage } from './passage.ts';

export type AdmitParts = {
  readonly captcha: Pick<Captcha, 'present' | 'begin'>;
  readonly limits: Pick<Limits, 'blocked' | 'count'>;
  readonly revocations: Pick<Revocations, 'stands'>;
  readonly audit: Pick<Audit, 'write'>;
};

export type Admitted = {
  readonly begun: Begun | Refusal;
  /** What the limits said; left out where they were not asked. */
  readonly counted?: Counted | undefined;
};

export function createAdmit({ captcha, limits, revocations, audit }: AdmitParts) {
  const begin = createBegin(captcha);
  const revoked = async ({ grant }: Caller): Promise<Refusal | undefined> =>
    !grant || (await revocations.stands(grant)) ? undefined : refuse('ACCESS_TOKEN_REVOKED');

  return async (passage: Passage, asker: Asker): Promise<Admitted> => {
    const { request, served, heard } = passage;
    const { caller, who, stands } = asker;
    const { gates } = served.route;
    const lacking = scopeRefusal(gates, caller);
    if (gates.limit === 'none')
      return { begun: lacking ?? (await revoked(caller)) ?? (await begin(passage, asker)) };

    const counting = { ...who, account: countedAs(caller) };
    const known = IN_MEMORY.has(gates.limit)
      ? await limits.count(gates.limit, counting)
      : limits.blocked(gates.limit, counting);
    const header = request.header('captcha-solution');
    const solution = known?.refusal ?? captcha.present(gates.captcha, header, who);
    if (isRefusal(solution)) {
      // Asked about now and then all the same, so that it is known whose account it is.
      if (!stands) revoked(caller).catch(() => undefined);
      return { begun: solution, counted: known };
    }

    // What is counted in memory asks Redis nothing, not even whether the account has signed out: it
    // shows a signed-in client little more than anyone may see.
    const revoking = known ? undefined : revoked(caller);
    const beginning = lacking
      ? Promise.resolve(lacking)
      : begin(passage, asker, solution, stands ? undefined : revoking);
    beginning.catch(() => undefined); // is awaited below, unless a gate refuses first
    const [counted, signedOut] = await Promise.all([
      known ?? limits.count(gates.limit, counting),
      revoking,
    ]);
    if (caller.grant && !known && !signedOut) heard.who = who;
    const begun = signedOut ?? counted.refusal ?? (await beginning);
    if (lacking && begun === lacking) await audit.write(actionOf(passage, caller), lacking.refused);
    return { begun, counted };
  };
}

/**
 * An account's requests are counted apart for each epoch: who signs out everywhere has limits that
 * a stolen token does not use up. A new epoch takes an OTP, so nobody gains limits by it.
 */
const countedAs = ({ account, grant }: Caller): string =>
  grant && grant.epoch > 0 ? `${account}:${grant.epoch}` : account;
