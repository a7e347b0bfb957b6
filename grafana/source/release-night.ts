/** One screen of 1080 lines for the evening: everything that may need somebody now. */
import { dashboard, series, stat, table } from './panels.ts';
import { most, orZero, perSecond, quantile, within } from './queries.ts';

const entered = within('2m', 'fairslot_rounds_entries_total{outcome=~"entered|edited|repeated"}');
const tried = within('2m', 'fairslot_rounds_entries_total{outcome!="withdrawn"}');
const booked = within('2m', 'fairslot_bookings_immediate_total{outcome="booked"}');
const triedToBook = within('2m', 'fairslot_bookings_immediate_total{outcome!="moved"}');
const sum = (one: string, other: string): string => `(${orZero(one)}) + (${orZero(other)})`;

export const releaseNight = dashboard(
  {
    uid: 'fairslot-release-night',
    title: 'Release night',
    description: 'Is it open, do people get in, when is the draw, and who attacks?',
  },
  [
    stat(
      'Releases by phase',
      {
        about:
          'At the opening time one release goes from published to open, at its closing time to drawing, then to running. If it does not, see the clocks of the hosts and the Rounds dashboard.',
        unit: 'none',
        width: 6,
        isCalm: true,
      },
      ['{{phase}}', most('fairslot_releases_releases{phase!~"draft|ended"}', 'phase')],
    ),
    stat(
      'When is what next?',
      {
        about:
          'Time until the next release opens, closes, is drawn and ends. Nothing stands here of which none is to come.',
        unit: 's',
        decimals: 0,
        width: 6,
        isCalm: true,
      },
      ['{{event}}', most('fairslot_releases_next_event_seconds', 'event')],
    ),
    stat(
      'Do those who try get in?',
      {
        about:
          'Share of entries and bookings of the last 2 minutes that succeeded. Above 70% is normal; bots that try too early or twice make it less. If it is low, see what is refused below.',
        unit: 'percentunit',
        decimals: 0,
        width: 4,
        orange: 0.7,
        red: 0.3,
        isLowBad: true,
        ifNaN: 'nobody tries',
      },
      ['got in', `(${sum(entered, booked)}) / (${sum(tried, triedToBook)})`],
    ),
    stat(
      'Do those with an OTP sign in?',
      {
        about:
          'OTPs of the last 5 minutes that came back right, of those that went out. Above 70% is normal. If it is low while the gateway takes SMS, they do not arrive; or somebody has SMS sent to strangers.',
        unit: 'percentunit',
        decimals: 0,
        width: 4,
        orange: 0.6,
        red: 0.2,
        isLowBad: true,
        ifNaN: 'nobody asks',
      },
      [
        'signed in',
        `(${orZero(within('5m', 'fairslot_people_otps_checked_total{outcome="right"}'))}) / (${orZero(within('5m', 'fairslot_people_otps_asked_total{outcome="sent"}'))})`,
      ],
    ),
    stat(
      'Pages that fire',
      {
        about: 'Alerts that fire and want somebody now. The table below names them.',
        unit: 'none',
        width: 4,
        red: 1,
      },
      ['pages', orZero('count(ALERTS{alertstate="firing",severity="page"})')],
    ),
    stat(
      'Seats',
      {
        about:
          'Of all releases under way. Offered ones come back if nobody confirms in time, and go out again in the next round.',
        unit: 'none',
        width: 6,
        isCalm: true,
      },
      ['{{state}}', most('fairslot_releases_seats', 'state')],
    ),
    stat(
      'Who attacks?',
      {
        about:
          'Callers that were refused 100 times or more in live releases and at the door this hour. None or few is normal. The Gates dashboard and the report of bots say more; a network may be a carrier with many families.',
        unit: 'none',
        width: 6,
        orange: 1,
        red: 100,
      },
      ['{{kind}}', most('fairslot_gates_offenders{over="100"}', 'kind')],
    ),
    stat(
      'Do answers fail?',
      {
        about:
          'Share of requests of the last minute with 5xx: UNAVAILABLE while Redis is away, INTERNAL for a fault of ours. 0% is normal.',
        unit: 'percentunit',
        decimals: 1,
        width: 3,
        orange: 0.002,
        red: 0.02,
        ifNaN: 'no requests',
      },
      [
        '5xx',
        `(${orZero('sum(rate(fairslot_http_requests_total{status=~"5.."}[1m]))')}) / sum(rate(fairslot_http_requests_total[1m]))`,
      ],
    ),
    stat(
      'Is a round overdue?',
      {
        about:
          'The round that is due longest and not drawn. A round of a million entries may take a minute; a drand release waits for its beacon.',
        unit: 's',
        decimals: 0,
        width: 3,
        orange: 15,
        red: 60,
      },
      ['overdue', most('fairslot_rounds_overdue_seconds')],
    ),
    stat(
      'How long do OTPs wait?',
      {
        about:
          'Age of the OTP that waits longest to be handed to the gateway. Below 5 s is normal; beyond that see the SMS dashboard.',
        unit: 's',
        decimals: 0,
        width: 3,
        orange: 10,
        red: 30,
      },
      ['oldest', most('fairslot_notify_oldest_waiting_seconds{priority="urgent"}')],
    ),
    stat(
      'Redis and processes',
      {
        about:
          'Whether every process reaches Redis and every process that should run is ready. Otherwise see the Redis and Process dashboards.',
        unit: 'none',
        width: 3,
        words: { '1': ['all there', 'green'], '0': ['missing', 'red'] },
      },
      ['Redis', 'min({__name__=~"fairslot_redis_(up|connected)"})'],
      ['processes', 'min(fairslot_processes_running_state)'],
    ),
    series(
      'What comes of entries and bookings?',
      {
        about:
          'Tries to enter or to book at once, by what came of them. A peak at the opening is normal, and so is a few refused.',
        unit: 'ops',
        width: 8,
        isStacked: true,
      },
      ['{{outcome}}', perSecond('fairslot_rounds_entries_total', 'outcome')],
      ['{{outcome}} (at once)', perSecond('fairslot_bookings_immediate_total', 'outcome')],
    ),
    series(
      'What is refused?',
      {
        about:
          'Refusals by code (docs/errors.md). TOO_MANY_… and CAPTCHA_… are bots, or a front end that is broken; UNAVAILABLE and INTERNAL should not be.',
        unit: 'ops',
        width: 8,
      },
      ['{{code}}', `topk(8, ${perSecond('fairslot_http_refusals_total', 'code')})`],
    ),
    series(
      'How long do answers take?',
      {
        about:
          'Half of all requests, and 99 of 100, are answered within this. Below 0.1 s is normal. If it rises, see lag on the Process dashboard and scripts on the Redis dashboard.',
        unit: 's',
        width: 8,
        orange: 0.5,
        red: 1,
      },
      ['99 of 100', quantile(0.99, 'fairslot_http_request_duration_seconds')],
      ['half', quantile(0.5, 'fairslot_http_request_duration_seconds')],
    ),
    series(
      'What do limits turn away?',
      {
        about:
          'Requests over a limit, by what was counted. By device or account: bots. By address, and for everybody: TRUSTED_PROXIES is not set.',
        unit: 'ops',
        width: 8,
        isStacked: true,
      },
      ['{{limit}} by {{by}}', perSecond('fairslot_gates_limit_refusals_total', 'limit', 'by')],
    ),
    series(
      'Who signs in?',
      {
        about:
          'OTPs that were asked for, and those that came back. The two go up together; a gap means that SMS do not arrive or that nobody wanted them.',
        unit: 'ops',
        width: 8,
      },
      ['OTP {{outcome}}', perSecond('fairslot_people_otps_asked_total', 'outcome')],
      ['sign-in {{outcome}}', perSecond('fairslot_people_otps_checked_total', 'outcome')],
    ),
    table(
      'Alerts that fire',
      {
        about: 'Pages want somebody now, tickets can wait for the day. "What to do" is above.',
        unit: 'none',
        columns: { severity: 'Severity', alertname: 'Alert', process: 'Process' },
      },
      'max by (severity, alertname, process) (ALERTS{alertstate="firing"})',
    ),
  ],
);
