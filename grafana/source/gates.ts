/** Who is turned away, by which gate, and whether that is right. */
import { dashboard, row, series, stat } from './panels.ts';
import { most, orZero, perSecond, perStep, quantile, sumOf, within } from './queries.ts';

export const gates = dashboard(
  {
    uid: 'fairslot-gates',
    title: 'Gates',
    description: 'Who is turned away, by which gate, and whether that is right.',
  },
  [
    row('Refusals'),
    series(
      'Which gate refuses?',
      {
        about:
          'Refusals by the gate that gave them, in the order of what they cost: token, key, device, captcha, limit; none: a rule of the release refused.',
        unit: 'ops',
        width: 8,
        isStacked: true,
      },
      ['{{gate}}', perSecond('fairslot_http_refusals_total', 'gate')],
    ),
    series(
      'With which code?',
      {
        about: 'Codes are in docs/errors.md, each with its remedy.',
        unit: 'ops',
        width: 8,
      },
      ['{{code}}', perSecond('fairslot_http_refusals_total', 'code')],
    ),
    series(
      'What share of requests is refused?',
      {
        about:
          'Below 10% without a flood. Under a flood it is high: that is the gates at work, as long as answers are quick.',
        unit: 'percentunit',
        width: 8,
      },
      [
        'refused',
        'sum(rate(fairslot_http_refusals_total[$__rate_interval])) / sum(rate(fairslot_http_requests_total[$__rate_interval]))',
      ],
    ),
    row('Limits'),
    series(
      'Which limit refuses, by what?',
      {
        about:
          'By address and for everybody: TRUSTED_PROXIES is not set, and all clients count as one. wrongKey: somebody tries operator keys.',
        unit: 'ops',
        width: 8,
        isStacked: true,
      },
      ['{{limit}} by {{by}}', perSecond('fairslot_gates_limit_refusals_total', 'limit', 'by')],
    ),
    series(
      'How many callers are refused from memory?',
      {
        about:
          'Callers over a limit until their minute ends; they cost no Redis. Some hundred under a flood are normal.',
        unit: 'none',
        width: 8,
      },
      ['{{by}}', sumOf('fairslot_gates_blocked_callers', 'by')],
    ),
    series(
      'Which connections are dropped?',
      {
        about:
          'address: one address has as many as it may. full: the process has all it takes, so honest people are dropped too; more servers are needed.',
        unit: 'ops',
        width: 8,
      },
      ['{{reason}}', orZero(perSecond('fairslot_http_connections_dropped_total', 'reason'))],
    ),
    row('Who attacks?'),
    series(
      'Callers that were refused often',
      {
        about:
          'In live releases and at the door this hour, refused 10, 100 and 1,000 times or more. The report of bots names them as hashes, and what they tried.',
        unit: 'none',
        width: 8,
      },
      ['{{kind}}, {{over}} times', most('fairslot_gates_offenders', 'kind', 'over')],
    ),
    series(
      'How often was the worst one refused?',
      {
        about: 'Of each kind of caller. A network may be a carrier with many families behind it.',
        unit: 'none',
        width: 8,
      },
      ['{{kind}}', most('fairslot_gates_worst_offender_refusals', 'kind')],
    ),
    stat(
      'Refusals that no tally has',
      {
        about:
          'Within the last hour, since too many different callers came in one second. 0 is normal; under a flood the report of bots is incomplete by so many.',
        unit: 'none',
        decimals: 0,
        width: 8,
        height: 7,
        orange: 1,
      },
      ['uncounted', orZero(within('1h', 'fairslot_gates_tally_uncounted_total'))],
    ),
    row('Captcha'),
    series(
      'Captchas given out',
      {
        about: 'By kind. One for each OTP, entry, booking at once and device is normal.',
        unit: 'ops',
        width: 6,
      },
      ['{{kind}}', perSecond('fairslot_gates_captcha_challenges_total', 'kind')],
    ),
    series(
      'Do solutions pass?',
      {
        about:
          'By why they were refused. Expired or used ones in numbers are a front end that keeps them, or a bot that sends them twice.',
        unit: 'ops',
        width: 6,
      },
      ['{{outcome}}', perSecond('fairslot_gates_captcha_answers_total', 'outcome')],
    ),
    series(
      'How long does the provider take?',
      {
        about:
          'Of hCaptcha or Turnstile only. Below 0.5 s is normal; after CAPTCHA_TIMEOUT_MS it counts as failed.',
        unit: 's',
        width: 6,
        orange: 1,
        red: 2,
      },
      ['99 of 100', quantile(0.99, 'fairslot_gates_captcha_provider_duration_seconds')],
      ['half', quantile(0.5, 'fairslot_gates_captcha_provider_duration_seconds')],
    ),
    series(
      'What does the provider answer?',
      {
        about:
          'And how many servers find it down: they take proof of work until it is back. 0 is normal.',
        unit: 'none',
        width: 6,
      },
      [
        '{{outcome}} a second',
        perSecond('fairslot_gates_captcha_provider_duration_seconds_count', 'outcome'),
      ],
      ['servers that find it down', sumOf('fairslot_gates_captcha_provider_down')],
    ),
    row('People'),
    series(
      'OTPs asked for',
      {
        about: 'By what came of it, and why. docs/security.md says which bound refuses whom.',
        unit: 'ops',
        width: 6,
      },
      ['{{outcome}} {{code}}', perSecond('fairslot_people_otps_asked_total', 'outcome', 'code')],
    ),
    series(
      'OTPs that came back',
      {
        about:
          'right: somebody signed in. Wrong ones beyond one in ten are guessing, or SMS that arrive late.',
        unit: 'ops',
        width: 6,
      },
      ['{{outcome}} {{code}}', perSecond('fairslot_people_otps_checked_total', 'outcome', 'code')],
    ),
    series(
      'OTPs of the SMS budget',
      {
        about:
          'Sent, and refused since the budget is spent, by whose it was. Refused ones are people who cannot sign in: raise the budget, or find who has SMS sent.',
        unit: 'none',
        width: 6,
      },
      [
        '{{requester}} {{outcome}}',
        perStep('fairslot_gates_sms_budget_total', 'requester', 'outcome'),
      ],
    ),
    series(
      'Registering and claiming',
      {
        about:
          'People who are registered, and claims: one person, one claim for each release. Refused claims are people entered twice, by themselves or by somebody who has their document.',
        unit: 'ops',
        width: 6,
      },
      [
        'registering: {{outcome}} {{code}}',
        perSecond('fairslot_people_beneficiaries_total', 'outcome', 'code'),
      ],
      [
        'claiming: {{outcome}} {{code}}',
        perSecond('fairslot_people_claims_total', 'outcome', 'code'),
      ],
    ),
  ],
);
