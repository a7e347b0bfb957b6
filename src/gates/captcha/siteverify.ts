/**
 * hCaptcha and Turnstile: both are asked by `siteverify`, a form that is posted and a JSON object
 * that comes back. A provider is a stranger: whatever it answers is one of a closed list, within a
 * time and a size. While it fails, it is left alone, and asked now and then whether it is back with
 * a response that nobody had to solve.
 */
import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { createBreaker } from '../../lib/breaker.ts';
import { monotonicMs } from '../../lib/clock.ts';
import { parseJson } from '../../lib/json.ts';
import type { Log } from '../../log.ts';

/** What an answer was; labels of a metric. */
export const PROVIDER_OUTCOMES = [
  'passed',
  'wrong',
  'other_hostname',
  'other_sitekey',
  'other_ticket',
  'refuses_us',
  'timeout',
  'unreachable',
  'bad_status',
  'malformed',
] as const;
export type ProviderOutcome = (typeof PROVIDER_OUTCOMES)[number];

export type ProviderTerms = {
  readonly name: 'hcaptcha' | 'turnstile';
  readonly url: string;
  readonly siteKey: string;
  readonly secret: string;
  /** Of the pages that the captcha may have been solved on. */
  readonly hostnames: readonly string[];
  /** For one answer. */
  readonly timeoutMs: number;
};

export type Provider = {
  readonly siteKey: string;
  /** It fails just now; asks it, from time to time, whether it still does. */
  readonly isDown: () => boolean;
  /** It has as many questions before it as it may: another would not be asked. */
  readonly isFull: () => boolean;
  /** `nonce`: of the ticket, which Turnstile repeats. */
  readonly verify: (response: string, nonce: string) => Promise<'passed' | 'wrong' | 'unavailable'>;
};

type Watch = {
  readonly log: Log;
  readonly onAnswer: (outcome: ProviderOutcome, seconds: number) => void;
  /** Milliseconds that never run backwards; tests move it. */
  readonly now?: () => number;
};

export const SITEVERIFY_URLS = {
  hcaptcha: 'https://api.hcaptcha.com/siteverify',
  turnstile: 'https://challenges.cloudflare.com/turnstile/v0/siteverify',
} as const;

const TRIES = 2;
const BREAKER = { failures: 3, firstPauseMs: 10_000, longestPauseMs: 10_000 };
/** Questions under way; more would only wait behind a provider that does not keep up. */
const MOST_AT_ONCE = 100;
const ANSWER_LIMIT_BYTES = 4 * 1024;
const TOO_MANY_REQUESTS = 429;
/** Nobody solved this; a provider that is well says so. */
const PROBE = 'probe';

/** Codes by which a provider says that it is the engine, or itself, that is not in order. */
const REFUSES_US = new Set([
  'missing-input-secret',
  'invalid-input-secret',
  'sitekey-secret-mismatch',
  'internal-error',
]);
/** After these the provider may not have seen the question, or not have decided on it. */
const WORTH_ANOTHER_TRY = new Set<ProviderOutcome>(['timeout', 'unreachable', 'bad_status']);
const SAYS_NO = new Set<ProviderOutcome>([
  'wrong',
  'other_hostname',
  'other_sitekey',
  'other_ticket',
]);

const Answer = z.object({
  success: z.boolean(),
  hostname: z.string().optional(),
  sitekey: z.string().optional(),
  /** Turnstile: what the page was told to send along. */
  cdata: z.string().optional(),
  'error-codes': z.array(z.string()).optional(),
});

export function createProvider(terms: ProviderTerms, watch: Watch): Provider {
  const { log, onAnswer, now = monotonicMs } = watch;
  const breaker = createBreaker(BREAKER, now);
  let underWay = 0;

  /** Once, or twice where that may help. Tells the breaker. */
  const ask = async (response: string, nonce: string, probe = false): Promise<ProviderOutcome> => {
    // Turnstile answers a repeated question as it did the first time, by this key.
    const idempotencyKey = randomUUID();
    let outcome: ProviderOutcome = 'unreachable';
    for (let tries = 0; tries < TRIES; tries++) {
      const askedAtMs = now();
      outcome = await askOnce(terms, { response, nonce, idempotencyKey });
      onAnswer(outcome, (now() - askedAtMs) / 1000);
      if (!WORTH_ANOTHER_TRY.has(outcome)) break;
    }
    if (outcome === 'passed' || SAYS_NO.has(outcome)) breaker.answered();
    else {
      breaker.failed({ probe });
      log.warn({ provider: terms.name, outcome }, 'a captcha provider fails');
    }
    return outcome;
  };

  return {
    siteKey: terms.siteKey,
    isDown: () => {
      if (breaker.isOpen() && breaker.room() > 0) void ask(PROBE, '', true);
      return breaker.isOpen();
    },
    isFull: () => underWay >= MOST_AT_ONCE,
    verify: async (response, nonce) => {
      if (breaker.isOpen() || underWay >= MOST_AT_ONCE) return 'unavailable';
      underWay += 1;
      try {
        const outcome = await ask(response, nonce);
        if (outcome === 'passed') return 'passed';
        return SAYS_NO.has(outcome) ? 'wrong' : 'unavailable';
      } finally {
        underWay -= 1;
      }
    },
  };
}

type Question = {
  readonly response: string;
  readonly nonce: string;
  readonly idempotencyKey: string;
};

/** Never rejects. */
async function askOnce(terms: ProviderTerms, question: Question): Promise<ProviderOutcome> {
  const late = AbortSignal.timeout(terms.timeoutMs);
  const form = new URLSearchParams({
    secret: terms.secret,
    response: question.response,
    // The asker's address is left out: it is personal data, and neither needs it.
    ...(terms.name === 'hcaptcha'
      ? { sitekey: terms.siteKey }
      : { idempotency_key: question.idempotencyKey }),
  });
  try {
    const response = await fetch(terms.url, {
      method: 'POST',
      body: form,
      signal: late,
      redirect: 'manual',
      headers: { accept: 'application/json', 'accept-encoding': 'identity' },
    });
    const { status } = response;
    if (status >= 500 || status === TOO_MANY_REQUESTS || (status >= 300 && status < 400)) {
      await response.body?.cancel();
      return 'bad_status';
    }
    return judge(await readBody(response), terms, question);
  } catch {
    return late.aborted ? 'timeout' : 'unreachable';
  }
}

/** Undefined when it is longer than any answer. */
async function readBody(response: Response): Promise<string | undefined> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    if (size > ANSWER_LIMIT_BYTES) return undefined; // leaving the loop closes the connection
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function judge(
  text: string | undefined,
  { name, siteKey, hostnames }: ProviderTerms,
  { nonce }: Question,
): ProviderOutcome {
  const { data: answer } = Answer.safeParse(text === undefined ? undefined : parseJson(text));
  if (!answer) return 'malformed';
  if (!answer.success)
    return answer['error-codes']?.some((code) => REFUSES_US.has(code)) ? 'refuses_us' : 'wrong';
  if (!hostnames.includes(answer.hostname ?? '')) return 'other_hostname';
  if (answer.sitekey !== undefined && answer.sitekey !== siteKey) return 'other_sitekey';
  if (name === 'turnstile' && answer.cdata !== nonce) return 'other_ticket';
  return 'passed';
}
