/**
 * What a captcha costs whoever solves it, and what checking and forging one costs us. The solver is
 * one that a bot would take: native code, and nothing but the derivation that cannot be avoided.
 */
import { pbkdf2Sync } from 'node:crypto';
import { solveChallenge } from 'altcha-lib';
import { deriveKey } from 'altcha-lib/algorithms/pbkdf2';
import { readConfig } from '../src/config.ts';
import type { Progress } from '../src/progress.ts';
import { createAltcha } from '../src/gates/captcha/altcha.ts';
import { createTickets, TICKET_LIFETIME_MS } from '../src/gates/captcha/ticket.ts';
import { assert } from '../src/lib/assert.ts';
import { monotonicMs, nowMs } from '../src/lib/clock.ts';
import { createSecrets } from '../src/lib/secrets.ts';
import { SECRET } from './support/engine.ts';
import { median, rounded } from './support/numbers.ts';
import { amount } from './support/options.ts';
import type { Scenario } from './support/scenario.ts';

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

async function measure({ repeats }: CaptchaOptions, progress: Progress) {
  const config = readConfig({
    NODE_ENV: 'production',
    REDIS_URL: 'embedded',
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
  const perS = (most: number): number => rounded(MS_PER_S / (derivationMs * most * SHARE_TRIED), 1);
  return {
    derivationUs: Math.round(derivationMs * US_PER_MS),
    /** Of one core of a solver: at the least work and at the most. */
    solvedPerS: { [tries]: perS(tries), [triesMost]: perS(triesMost) },
    checkUs: rounded(checkMs * US_PER_MS, 1),
    forgedUs: rounded(forgedMs * US_PER_MS, 1),
  };
}

/** A forged ticket must cost us next to nothing beside what solving costs whoever sends it. */
const GOAL_SHARE = 0.01;

export const captcha: Scenario<CaptchaOptions> = {
  name: 'captcha',
  summary: 'what solving, checking and forging a proof of work costs',
  options: [amount('repeats', 'measures of which the median counts', 5)],
  inAll: { mostS: 15 },
  quick: { repeats: 1 },
  run: async (options, progress) => {
    const figures = await measure(options, progress);
    const solvingUs = (MS_PER_S * US_PER_MS) / Math.max(...Object.values(figures.solvedPerS));
    return {
      figures,
      goals: [
        {
          name: 'checking a proof of work / solving the easiest',
          figure: rounded(figures.checkUs / solvingUs, 5),
          unit: 'ratio',
          atMost: GOAL_SHARE,
        },
      ],
      charts: [
        {
          title: 'A proof of work, by who does what',
          description: 'Solving one costs thousands of times what checking or refusing one costs.',
          kind: 'bars',
          x: {
            label: '',
            categories: ['solve, easiest', 'solve, hardest', 'check', 'refuse a forged one'],
          },
          y: { label: 'microseconds of one core', scale: 'logarithmic' },
          series: [
            {
              name: 'CPU',
              points: [
                ...Object.values(figures.solvedPerS).map(
                  (perS, place) => [place, rounded((MS_PER_S * US_PER_MS) / perS, 1)] as const,
                ),
                [2, figures.checkUs],
                [3, figures.forgedUs],
              ],
            },
          ],
        },
      ],
      errors: 0,
    };
  },
};
