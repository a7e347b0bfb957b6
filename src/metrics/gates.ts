import type { Blocked } from '../gates/limits.ts';
import { COUNTED_BY, countedBy, LIMIT_NAMES } from '../gates/limit-table.ts';
import { KINDS, OFFENCES, type Offenders } from '../gates/bots/report.ts';
import { CAPTCHA_KINDS, CAPTCHA_OUTCOMES } from '../gates/captcha/captcha.ts';
import { PROVIDER_OUTCOMES } from '../gates/captcha/siteverify.ts';
import { SMS_BUDGET_NAMES } from '../gates/sms-budget.ts';
import { type Book, DURATIONS_S, type Series } from './book.ts';
import type { Reading } from './reading.ts';

export function gateMetrics(book: Book) {
  let blocked: () => Blocked | undefined = () => undefined;
  book.gauge(
    {
      name: 'fairslot_gates_blocked_callers',
      help: 'Callers over a limit, whom this process refuses from memory until their minute ends.',
      unit: 'callers',
      of: 'process',
      labels: { by: COUNTED_BY },
    },
    function collect() {
      const counts = blocked();
      for (const by of COUNTED_BY) this.set({ by }, counts?.[by] ?? 0);
    },
  );
  const limits = book.counter({
    name: 'fairslot_gates_limit_refusals_total',
    help: 'Requests over a limit, by its name and what it counted them by.',
    unit: 'requests',
    of: 'process',
    labels: { limit: LIMIT_NAMES, by: COUNTED_BY },
  });
  for (const limit of LIMIT_NAMES)
    for (const [by] of countedBy(limit)) limits.inc({ limit, by }, 0);
  return {
    limits,
    smsBudget: book.counter({
      name: 'fairslot_gates_sms_budget_total',
      help: 'OTPs taken from the SMS budget, or refused since it was spent, by whose it was.',
      unit: 'OTPs',
      of: 'process',
      labels: { requester: SMS_BUDGET_NAMES, outcome: ['GRANTED', 'SPENT'] },
    }),
    uncounted: book.counter({
      name: 'fairslot_gates_tally_uncounted_total',
      help: 'Refusals that are in no count of callers, since too many called in one second.',
      unit: 'requests',
      of: 'process',
    }),
    /** `read`: asked when Prometheus asks. */
    watchBlocked: (read: () => Blocked): void => {
      blocked = read;
    },
  } as const;
}

export function captchaMetrics(book: Book) {
  let isDown: () => boolean = () => false;
  book.gauge(
    {
      name: 'fairslot_gates_captcha_provider_down',
      help: '1 while the provider fails and proof of work stands in for it, else 0.',
      unit: 'truth',
      of: 'process',
    },
    function collect() {
      this.set(isDown() ? 1 : 0);
    },
  );
  const challenges = book.counter({
    name: 'fairslot_gates_captcha_challenges_total',
    help: 'Captchas given out, by kind.',
    unit: 'captchas',
    of: 'process',
    labels: { kind: CAPTCHA_KINDS },
  });
  const solutions = book.counter({
    name: 'fairslot_gates_captcha_answers_total',
    help: 'Solutions that passed or were refused, by why.',
    unit: 'solutions',
    of: 'process',
    labels: { outcome: CAPTCHA_OUTCOMES },
  });
  const provider = book.histogram(
    {
      name: 'fairslot_gates_captcha_provider_duration_seconds',
      help: 'Time of a provider to answer siteverify, by what its answer was.',
      unit: 'seconds',
      of: 'process',
      labels: { outcome: PROVIDER_OUTCOMES },
    },
    DURATIONS_S,
  );
  return {
    /** For `createCaptcha`. */
    watch: {
      onChallenge: (kind: string): void => challenges.inc({ kind }),
      onSolution: (outcome: string): void => solutions.inc({ outcome }),
      onProviderAnswer: (outcome: string, seconds: number): void =>
        provider.observe({ outcome }, seconds),
    },
    /** `down`: read when Prometheus asks. */
    watchProvider: (down: () => boolean): void => {
      isDown = down;
    },
  } as const;
}

/** Who is refused most, without a name. */
export function offenderMetrics(book: Book, read: Reading<Offenders>): void {
  book.told(
    {
      name: 'fairslot_gates_offenders',
      help: 'Callers refused at least `over` times in a live release, or at the door this hour; in two of these, counted twice.',
      unit: 'callers',
      labels: { kind: KINDS, over: OFFENCES.map(String) },
    },
    read,
    (offenders) =>
      KINDS.flatMap((kind) =>
        OFFENCES.map(
          (over, index): Series<'kind' | 'over'> => [
            { kind, over: String(over) },
            offenders[kind].over[index] ?? 0,
          ],
        ),
      ),
  );
  book.told(
    {
      name: 'fairslot_gates_worst_offender_refusals',
      help: 'Requests refused of the caller that was refused most, in a live release or at the door this hour.',
      unit: 'requests',
      labels: { kind: KINDS },
    },
    read,
    (offenders) => KINDS.map((kind) => [{ kind }, offenders[kind].worst]),
  );
}
