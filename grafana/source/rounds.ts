/** Releases and their rounds: what waits, what is drawn, what comes of it. */
import { dashboard, row, series, stat } from './panels.ts';
import { most, orZero, perSecond, perStep, quantile, within } from './queries.ts';

export const rounds = dashboard(
  {
    uid: 'fairslot-rounds',
    title: 'Rounds',
    description: 'Releases and their rounds: what waits, what is drawn, and what comes of it.',
  },
  [
    row('Releases'),
    stat(
      'Releases by phase',
      {
        about: 'Of all that this Redis holds.',
        unit: 'none',
        width: 8,
        isCalm: true,
      },
      ['{{phase}}', most('fairslot_releases_releases', 'phase')],
    ),
    stat(
      'When is what next?',
      {
        about: 'Nothing stands here of which none is to come.',
        unit: 's',
        decimals: 0,
        width: 8,
        isCalm: true,
      },
      ['{{event}}', most('fairslot_releases_next_event_seconds', 'event')],
    ),
    stat(
      'Since the last round',
      {
        about: 'Time since a live release had a round published; nothing where none has one.',
        unit: 's',
        decimals: 0,
        width: 4,
        isCalm: true,
      },
      ['ago', most('fairslot_rounds_last_published_age_seconds')],
    ),
    stat(
      'Releases left out',
      {
        about:
          'Live releases that are not in seats, entries and offers here, since there are too many. 0 is normal.',
        unit: 'none',
        width: 4,
        orange: 1,
      },
      ['left out', most('fairslot_releases_unread_releases')],
    ),
    series(
      'Where are the seats?',
      {
        about:
          'Of live releases. free falls and offered rises with a round; offered becomes booked, or free again after the deadline. free that stays while entries wait: nobody wants those slots.',
        unit: 'none',
        width: 8,
        isStacked: true,
      },
      ['{{state}}', most('fairslot_releases_seats{state!="capacity"}', 'state')],
    ),
    series(
      'Which entries wait?',
      {
        about:
          'new: not sealed yet. sealed: in the round that is being drawn. waiting: drawn, without a seat so far; they are in the next round by themselves.',
        unit: 'none',
        width: 8,
        isStacked: true,
      },
      ['{{state}}', most('fairslot_rounds_waiting_entries', 'state')],
    ),
    series(
      'What comes of entries?',
      {
        about: 'By outcome and code. Refusals of a few percent are normal.',
        unit: 'ops',
        width: 8,
      },
      ['{{outcome}} {{code}}', perSecond('fairslot_rounds_entries_total', 'outcome', 'code')],
    ),
    row('Drawing'),
    stat(
      'Is a round overdue?',
      {
        about:
          'The round that is due longest and not drawn. See the log of the workers; nothing is lost by it.',
        unit: 's',
        decimals: 0,
        orange: 15,
        red: 60,
        height: 7,
      },
      ['overdue', most('fairslot_rounds_overdue_seconds')],
    ),
    stat(
      'Faults',
      {
        about:
          'Steps of rounds that failed within the last hour; they are tried again. The log says why.',
        unit: 'none',
        decimals: 0,
        orange: 1,
        red: 10,
        height: 7,
      },
      ['faults', orZero(within('1h', 'fairslot_rounds_faults_total'))],
    ),
    series(
      'Rounds, and the offers they gave',
      {
        about: 'Rounds come as often as the manifests say, and offers as often as seats are free.',
        unit: 'none',
        width: 8,
      },
      ['rounds', perStep('fairslot_rounds_published_total')],
      ['offers', perStep('fairslot_rounds_offers_total')],
    ),
    series(
      'How long does each phase of a round take?',
      {
        about:
          'Half of the rounds stay within this. A million entries take some seconds; seed is the wait for a beacon.',
        unit: 's',
        width: 8,
      },
      ['{{phase}}', quantile(0.5, 'fairslot_rounds_phase_duration_seconds', 'phase')],
    ),
    series(
      'Which phase takes the time?',
      {
        about: 'Seconds of work in each second: 1 is a worker that does nothing else.',
        unit: 'none',
        width: 8,
        isStacked: true,
      },
      ['{{phase}}', perSecond('fairslot_rounds_phase_duration_seconds_sum', 'phase')],
    ),
    series(
      'Standing entries and changes',
      {
        about:
          'Entries that are carried over into the next release of their series, and those that lost their seats to a change by operators (they come first in the next round).',
        unit: 'none',
        width: 8,
      },
      ['carried: {{outcome}}', orZero(perStep('fairslot_rounds_carried_total', 'outcome'))],
      ['displaced', perStep('fairslot_rounds_displaced_total')],
    ),
    series(
      'Do the published rounds and Redis agree?',
      {
        about:
          'Discrepancies that reconciling found, by kind. 0 is the only normal: otherwise change nothing and see "What to do".',
        unit: 'none',
        width: 8,
        red: 1,
      },
      ['{{kind}}', most('fairslot_reconcile_discrepancies_count', 'kind')],
    ),
    row('Beacon'),
    series(
      'How late is the beacon?',
      {
        about:
          'The value of drand that a round waits for, overdue by so much. 0 is normal; nothing else can be drawn in its place.',
        unit: 's',
        width: 8,
        orange: 10,
        red: 30,
      },
      ['overdue', most('fairslot_rounds_beacon_wait_seconds')],
    ),
    series(
      'What do its endpoints answer?',
      {
        about:
          'Some that fail do no harm while one is good. If none is: egress, DNS and the clocks of the workers.',
        unit: 'ops',
        width: 8,
      },
      ['{{outcome}}', orZero(perSecond('fairslot_rounds_beacon_answers_total', 'outcome'))],
    ),
    stat(
      'When were books reconciled, and how long did it take?',
      {
        about: 'A worker does it every hour; more than three of them are too long ago.',
        unit: 's',
        decimals: 0,
        width: 8,
        height: 7,
        orange: 7_200,
        red: 10_800,
      },
      ['ago', most('fairslot_reconcile_age_seconds')],
      ['took', most('fairslot_reconcile_duration_seconds')],
      ['every', most('fairslot_reconcile_every_seconds')],
    ),
    row('Bookings'),
    series(
      'Offers that are unanswered',
      {
        about: 'They rise with a round and fall until the deadline.',
        unit: 'none',
        width: 6,
      },
      ['offers', most('fairslot_bookings_outstanding_offers')],
    ),
    series(
      'Confirming',
      {
        about:
          'By what came of it. Refusals with OFFER_EXPIRED in numbers: SMS come late, or the deadline is too short.',
        unit: 'ops',
        width: 6,
      },
      [
        '{{outcome}} {{code}}',
        perSecond('fairslot_bookings_confirmations_total', 'outcome', 'code'),
      ],
    ),
    series(
      'Cancelling, and offers that lapsed',
      {
        about: 'Each is a seat for somebody else in the next round.',
        unit: 'ops',
        width: 6,
      },
      [
        'cancelling: {{outcome}} {{code}}',
        perSecond('fairslot_bookings_cancellations_total', 'outcome', 'code'),
      ],
      ['lapsed', perSecond('fairslot_bookings_expired_total')],
    ),
    series(
      'Booking at once',
      {
        about: 'In releases of immediate mode only.',
        unit: 'ops',
        width: 6,
      },
      ['{{outcome}} {{code}}', perSecond('fairslot_bookings_immediate_total', 'outcome', 'code')],
    ),
  ],
);
