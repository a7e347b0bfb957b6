/**
 * A ticket is our signed word on what a captcha is for: purpose, asker, until when, and by what it
 * must be solved. Reading one needs no Redis, so a forged or an expired one costs only the hash.
 */
import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { nowMs } from '../../lib/clock.ts';
import { parseJson } from '../../lib/json.ts';
import { equalSecrets, type Secrets } from '../../lib/secrets.ts';

export const TICKET_KINDS = ['altcha', 'hcaptcha', 'turnstile'] as const;
export type TicketKind = (typeof TICKET_KINDS)[number];

export type Ticket = {
  readonly kind: TicketKind;
  /** `device`, `otp`, `enter:<release>` or `book:<release>`. */
  readonly purpose: string;
  /** Keyed hash of whoever asked. */
  readonly subject: string;
  /** Of an ALTCHA: keyed hash of the key that is to be found; '' of the others. */
  readonly answer: string;
  /** Names it: 22 characters. */
  readonly nonce: string;
  readonly expiresAtMs: number;
};

export type Tickets = {
  readonly issue: (terms: Omit<Ticket, 'nonce'>) => Ticket;
  readonly textOf: (ticket: Ticket) => string;
  readonly read: (text: string) => Ticket | 'forged' | 'expired';
};

/** To solve a captcha and to send what it is for. */
export const TICKET_LIFETIME_MS = 300_000;

const KEY_ID = 'captcha-ticket/2';
const NONCE_BYTES = 16;
const Claims = z.tuple([
  z.enum(TICKET_KINDS),
  z.string(),
  z.string(),
  z.string(),
  z.string(),
  z.int().positive(),
]);

/** `now`: milliseconds since the epoch; tests move it. */
export function createTickets(secrets: Secrets, now: () => number = nowMs): Tickets {
  const signatureOf = (body: string): string => secrets.mac(KEY_ID, body).toString('base64url');

  return {
    issue: (terms) => ({ ...terms, nonce: randomBytes(NONCE_BYTES).toString('base64url') }),
    textOf: ({ kind, purpose, subject, answer, nonce, expiresAtMs }) => {
      const claims = JSON.stringify([kind, purpose, subject, answer, nonce, expiresAtMs]);
      const body = Buffer.from(claims).toString('base64url');
      return `${body}.${signatureOf(body)}`;
    },
    read: (text) => {
      const [body = '', signature = '', ...more] = text.split('.');
      if (more.length > 0 || !equalSecrets(signature, signatureOf(body))) return 'forged';
      const claims = Claims.safeParse(parseJson(Buffer.from(body, 'base64url').toString('utf8')));
      if (!claims.success) return 'forged';
      const [kind, purpose, subject, answer, nonce, expiresAtMs] = claims.data;
      if (expiresAtMs <= now()) return 'expired';
      return { kind, purpose, subject, answer, nonce, expiresAtMs };
    },
  };
}
