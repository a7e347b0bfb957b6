/**
 * The captcha gate: something that costs work or a person a moment, for one purpose, by one asker,
 * once. In the order of what each check costs us: the ticket's signature and terms (no Redis), that
 * it is used for the first time (with the request's first round trip), then the solution.
 */
import { randomUUID } from 'node:crypto';
import type { Config } from '../../config.ts';
import type { ErrorCode } from '../../errors.ts';
import { nowMs } from '../../lib/clock.ts';
import type { Secrets } from '../../lib/secrets.ts';
import type { Log } from '../../log.ts';
import type { Redis } from '../../redis/client.ts';
import { keys } from '../../redis/keys.ts';
import { type Refusal, refuse } from '../../refusal.ts';
import { type Who } from '../limits.ts';
import { addressPrefix } from '../origin.ts';
import { type Altcha, createAltcha } from './altcha.ts';
import { createProvider, type Provider, type ProviderOutcome } from './siteverify.ts';
import { createTickets, type Ticket, TICKET_LIFETIME_MS } from './ticket.ts';

/** What a route asks a captcha for; with `:<release>` where the request names one. */
export type CaptchaPurpose = 'device' | 'otp' | 'enter' | 'book';

export type Challenge =
  | { readonly kind: 'none' }
  | (Asked & {
      readonly kind: 'altcha';
      /** As the ALTCHA widget takes it. */
      readonly challenge: object;
      /** The most keys that need be tried. */
      readonly tries: number;
    })
  | (Asked & {
      readonly kind: 'hcaptcha' | 'turnstile';
      readonly siteKey: string;
      /** Turnstile: what the widget must be given as `cData`. */
      readonly cData?: string;
    });
type Asked = { readonly ticket: string; readonly expiresInS: number };

/** A ticket that is ours and this asker's, and what is said to solve it. */
export type Presented = { readonly ticket: Ticket; readonly response: string };

/**
 * What became of a solution. AGAIN: it was used by an earlier request under the same
 * Idempotency-Key, whose answer may be repeated; nothing more may be done for it.
 */
export type Admission = () => Promise<'FIRST' | 'AGAIN' | Refusal>;

export type Captcha = {
  /**
   * What `who` is to solve for `purpose`. `share`: of their limit of asking, what is used up, 0 to
   * 1.
   */
  readonly challenge: (purpose: string, who: Who, share: number) => Promise<Challenge>;
  /** `header`: the value of Captcha-Solution. Undefined where nothing is asked for. */
  readonly present: (
    purpose: CaptchaPurpose | undefined,
    header: string | undefined,
    who: Who,
  ) => Presented | Refusal | undefined;
  /**
   * Begins to use a ticket. `release`: the one that the request names, or none; `attempt`: names a
   * request that may be sent again, by its owner and Idempotency-Key.
   */
  readonly begin: (
    presented: Presented,
    purpose: CaptchaPurpose,
    release: string | undefined,
    attempt?: string,
  ) => Admission | Refusal;
  /** Whether there is a provider, and proof of work stands in for it since it fails. */
  readonly isProviderDown: () => boolean;
};

export type CaptchaParts = {
  readonly redis: Redis;
  readonly config: Pick<Config, 'captcha'>;
  readonly secrets: Secrets;
  readonly log: Log;
  readonly onChallenge: (kind: Challenge['kind']) => void;
  /** What became of a solution: one of CAPTCHA_OUTCOMES. */
  readonly onSolution: (outcome: string) => void;
  readonly onProviderAnswer: (outcome: ProviderOutcome, seconds: number) => void;
  /** Milliseconds since the epoch; tests move it. */
  readonly now?: () => number;
};

/** An hCaptcha response has about 2 KB, an ALTCHA solution 1 KB. */
const SOLUTION = /^([\w.-]{1,512}) ([\w.+/=:-]{1,6000})$/;
/** Until the provider is back, or is known to be away. */
const UNAVAILABLE_RETRY_S = 1;

/** Why a solution is refused; labels of a metric. */
const REFUSALS = {
  missing: 'CAPTCHA_MISSING',
  forged: 'CAPTCHA_INVALID',
  expired: 'CAPTCHA_EXPIRED',
  mismatch: 'CAPTCHA_MISMATCH',
  spent: 'CAPTCHA_SPENT',
  wrong: 'CAPTCHA_WRONG',
  unavailable: 'CAPTCHA_UNAVAILABLE',
} as const satisfies Record<string, ErrorCode>;
/** What became of a solution; labels of a metric. */
export const CAPTCHA_OUTCOMES = ['passed', ...Object.keys(REFUSALS)];
export const CAPTCHA_KINDS = ['altcha', 'hcaptcha', 'turnstile'] as const;
export const CAPTCHA_ERRORS: readonly ErrorCode[] = Object.values(REFUSALS);

/** Uses a ticket, which can be done once; again by the same `attempt`. */
const createSpend =
  ({ redis, secrets }: CaptchaParts) =>
  async (nonce: string, attempt?: string): Promise<'FIRST' | 'AGAIN' | 'SPENT'> => {
    const user = attempt === undefined ? '' : secrets.pseudonym('attempt', attempt);
    // ioredis may send a command twice; finding its own mark then means that the first one took.
    const mark = `${user} ${randomUUID()}`;
    // Longer than the ticket lives, whatever the difference of two clocks.
    const lifetimeMs = 2 * TICKET_LIFETIME_MS;
    const found = await redis.set(keys.captcha(nonce), mark, 'PX', lifetimeMs, 'NX', 'GET');
    if (found === null || found === mark) return 'FIRST';
    return user !== '' && found.startsWith(`${user} `) ? 'AGAIN' : 'SPENT';
  };

/** Whoever made the challenge says whether a response solves it. */
const createVerify =
  (altcha: Altcha, provider: NamedProvider | undefined) =>
  async (ticket: Ticket, response: string): Promise<'passed' | 'wrong' | 'unavailable'> => {
    if (ticket.kind === 'altcha')
      return altcha.verify(response, ticket.answer) ? 'passed' : 'wrong';
    return ticket.kind === provider?.name ? provider.verify(response, ticket.nonce) : 'unavailable';
  };

export function createCaptcha(parts: CaptchaParts): Captcha {
  const { config, secrets, onChallenge, onSolution, now = nowMs } = parts;
  const terms = config.captcha;
  const tickets = createTickets(secrets, now);
  const altcha = createAltcha(secrets);
  const provider = providerOf(parts);
  const spend = createSpend(parts);
  const verify = createVerify(altcha, provider);

  const refused = (reason: keyof typeof REFUSALS): Refusal => {
    onSolution(reason);
    const retry = reason === 'unavailable' ? { retryAfterS: UNAVAILABLE_RETRY_S } : {};
    return refuse(REFUSALS[reason], retry);
  };
  return {
    challenge: async (purpose, who, share) => {
      if (terms.driver === 'none') return { kind: 'none' };
      // A provider that is away opens nothing: there is work to do instead.
      const isThere = provider && !provider.isDown() && !provider.isFull();
      const kind = isThere ? provider.name : 'altcha';
      const expiresAtMs = now() + TICKET_LIFETIME_MS;
      const subject = subjectOf(secrets, purpose, who);
      const ask = (answer = '') => {
        const ticket = tickets.issue({ kind, purpose, subject, answer, expiresAtMs });
        return { ticket, text: tickets.textOf(ticket) };
      };
      const expiresInS = TICKET_LIFETIME_MS / 1000;
      onChallenge(kind);
      if (provider && kind !== 'altcha') {
        const { ticket, text } = ask();
        const cData = kind === 'turnstile' ? { cData: ticket.nonce } : {};
        return { kind, ticket: text, expiresInS, siteKey: provider.siteKey, ...cData };
      }
      const tries = triesFor(terms, share);
      const { challenge, answer } = await altcha.challenge(expiresAtMs, tries);
      return { kind: 'altcha', ticket: ask(answer).text, expiresInS, challenge, tries };
    },

    present: (purpose, header, who) => {
      if (purpose === undefined || terms.driver === 'none') return undefined;
      if (header === undefined) return refused('missing');
      const [, text, response] = SOLUTION.exec(header) ?? [];
      if (text === undefined || response === undefined) return refused('forged');
      const ticket = tickets.read(text);
      if (ticket === 'forged' || ticket === 'expired') return refused(ticket);
      const own =
        ticket.purpose.split(':', 1)[0] === purpose &&
        ticket.subject === subjectOf(secrets, purpose, who);
      return own ? { ticket, response } : refused('mismatch');
    },

    begin: ({ ticket, response }, purpose, release, attempt) => {
      if (ticket.purpose !== purposeFor(purpose, release)) return refused('mismatch');
      const spending = spend(ticket.nonce, attempt);
      spending.catch(() => undefined); // is awaited below, unless a limit refuses first
      return async () => {
        const use = await spending;
        if (use === 'SPENT') return refused('spent');
        if (use === 'AGAIN') return use;
        const outcome = await verify(ticket, response);
        // Nobody has looked at it: it may be sent again.
        if (outcome === 'unavailable') await parts.redis.del(keys.captcha(ticket.nonce));
        if (outcome !== 'passed') return refused(outcome);
        onSolution(outcome);
        return use;
      };
    },

    isProviderDown: () => provider?.isDown() ?? false,
  };
}

/**
 * Keyed hash of who asks: account and device; the client's address where neither is known, and for
 * a device that is yet to be minted.
 */
export function subjectOf(secrets: Secrets, purpose: string, who: Who): string {
  const known = purpose === 'device' ? '' : who.account + who.device;
  const asker =
    known === '' ? `address ${addressPrefix(who.address)}` : `${who.account}|${who.device}`;
  return secrets.pseudonym('captcha-subject', asker);
}

const purposeFor = (purpose: CaptchaPurpose, release: string | undefined): string =>
  release === undefined ? purpose : `${purpose}:${release}`;

/**
 * From the least work to the most, by the same factor for each equal part of the asker's limit: who
 * asks now and then does not notice, who asks all the time pays all there is.
 */
export const triesFor = (
  { tries, triesMost }: { readonly tries: number; readonly triesMost: number },
  share: number,
): number => Math.round(tries * (triesMost / tries) ** Math.min(1, Math.max(0, share)));

type NamedProvider = Provider & { readonly name: 'hcaptcha' | 'turnstile' };

function providerOf({
  config,
  log,
  onProviderAnswer: onAnswer,
}: CaptchaParts): NamedProvider | undefined {
  const { driver, provider: terms } = config.captcha;
  if ((driver !== 'hcaptcha' && driver !== 'turnstile') || !terms) return undefined;
  return { name: driver, ...createProvider({ name: driver, ...terms }, { log, onAnswer }) };
}
