/**
 * What is done for who was let in: the captcha's solution is checked, then the handler called, once
 * for each Idempotency-Key and, where an operator changes something, between two lines of audit.
 */
import type { Audit } from '../gates/audit.ts';
import type { Caller } from '../gates/callers.ts';
import { isRefusal, type Refusal, refuse } from '../refusal.ts';
import { replyTo } from './answer.ts';
import { actionOf } from './audited.ts';
import type { Begun } from './begin.ts';
import type { Reply } from './exchange.ts';
import type { Once } from './idempotency.ts';
import type { Passage } from './passage.ts';
import type { Answer } from './route.ts';

export type WorkParts = {
  readonly audit: Pick<Audit, 'audited'>;
  readonly once: Once;
};

export const createWork =
  ({ audit, once }: WorkParts) =>
  async (
    passage: Passage,
    caller: Caller,
    { bytes, call, key, admission, ahead }: Begun,
    share: number,
  ): Promise<Reply | Refusal> => {
    const { request, served } = passage;
    const { route } = served;
    const use = await admission?.();
    if (isRefusal(use)) return use;

    const handle = () => route.handler(call, ahead, share);
    const perform = async (): Promise<Reply | Refusal> => {
      // One solution does one thing: an answer may be repeated, a refusal not be tried anew.
      if (use === 'AGAIN') return refuse('CAPTCHA_SPENT');
      const outcome =
        caller.operator && route.method !== 'get'
          ? await audit.audited(actionOf(passage, caller, call.body), handle, wordOf)
          : await handle();
      return isRefusal(outcome) ? outcome : replyTo(request, outcome);
    };
    if (key === undefined) return perform();
    const fingerprint = `${request.method} ${request.url}\n${bytes.toString('latin1')}`;
    const isBounded = caller.operator === undefined;
    return once({ owner: caller.owner, isBounded, key, fingerprint }, perform);
  };

const wordOf = (outcome: Answer | Refusal): string =>
  isRefusal(outcome) ? outcome.refused : 'DONE';
