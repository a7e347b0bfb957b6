/**
 * What a captcha costs whoever solves it, and what checking and forging one costs us. The solver is
 * one that a bot would take: native code, and nothing but the derivation that cannot be avoided.
 */
import { pbkdf2Sync } from 'node:crypto';
import { solveChallenge } from 'altcha-lib';
import { deriveKey } from 'altcha-lib/algorithms/pbkdf2';
import { readConfig } from '../src/config.ts';
import type { Progress } from '../src/demo/progress.ts';
import { createAltcha } from '../src/gates/captcha/altcha.ts';
import { createTickets, TICKET_LIFETIME_MS } from '../src/gates/captcha/ticket.ts';
import { assert } from '../src/lib/assert.ts';
import { monotonicMs, nowMs } from '../src/lib/clock.ts';
import { createSecrets } from '../src/lib/secrets.ts';
import { SECRET } from './support/engine.ts';
import { median } from './support/fire.ts';

export type CaptchaOptions = {
  /** Repetitions of each measure, of which the median counts. */
  readonly repeats: number;
};

const DERIVATIONS = 500;
const CHECKS = 5_000;
const MS_PER_S = 1_000;
const US_PER_MS = 1_000;
/** Who tries keys one after another finds the right one half-way, on average. */
const SHARE_TRIED = 0.5;

export async function captcha({ repeats }: CaptchaOptions, progress: Progress) {
  const config = readConfig({
    NODE_ENV: 'production',
    FAIRSLOT_SECRET: SECRET,
    FAIRSLOT_OPERATOR_KEY: SECRET,
  });
  const { tries, triesMost } = config.captcha;
  const secrets = createSecrets(SECRET);
  const [altcha, tickets] = [createAltcha(secrets), createTickets(secrets)];
  const expiresAtMs = nowMs() + TICKET_LIFETIME_MS;
  const { challenge, answer } = await altcha.challenge(expiresAtMs, 1);
  const { cost } = challenge.parameters;
  const solution = await solveChallenge({ challenge, deriveKey });
  const response = Buffer.from(JSON.stringify({ challenge, solution })).toString('base64');
  const ticket = tickets.issue({
    kind: 'altcha',
    purpose: 'device',
    subject: secrets.pseudonym('captcha-subject', 'somebody'),
    answer,
    expiresAtMs,
  });
  const text = tickets.textOf(ticket);
  const forged = `${text.slice(0, -1)}${text.endsWith('A') ? 'B' : 'A'}`;
  const phase = progress('measuring', 3 * repeats);
  const timed = (times: number, work: () => unknown): number =>
    median(
      Array.from({ length: repeats }, () => {
        const startedMs = monotonicMs();
        for (let time = 0; time < times; time++) work();
        phase.advance();
        return (monotonicMs() - startedMs) / times;
      }),
    );
  const derivationMs = timed(DERIVATIONS, () =>
    pbkdf2Sync(SECRET, challenge.parameters.salt, cost, 32, 'sha256'),
  );
  const checkMs = timed(CHECKS, () => {
    const read = tickets.read(text);
    assert(typeof read === 'object' && altcha.verify(response, read.answer), 'it is solved');
  });
  const forgedMs = timed(CHECKS, () => assert(tickets.read(forged) === 'forged', 'it is forged'));
  phase.done();
  const perS = (most: number): number =>
    Number((MS_PER_S / (derivationMs * most * SHARE_TRIED)).toFixed(1));
  return {
    derivationUs: Math.round(derivationMs * US_PER_MS),
    /** Of one core of a solver: at the least work and at the most. */
    solvedPerS: { [tries]: perS(tries), [triesMost]: perS(triesMost) },
    checkUs: Number((checkMs * US_PER_MS).toFixed(1)),
    forgedUs: Number((forgedMs * US_PER_MS).toFixed(1)),
  };
}
