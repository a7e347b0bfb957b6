/** Whether SMS go out. */
import { dashboard, series, stat } from './panels.ts';
import { most, orZero, perSecond, sumOf, within } from './queries.ts';

export const sms = dashboard(
  {
    uid: 'fairslot-sms',
    title: 'SMS',
    description: 'Whether OTPs and news of offers go out, and how many wait.',
  },
  [
    stat(
      'Is the gateway there?',
      {
        about:
          'Workers that find the gateway away and only probe it. SMS wait meanwhile, and none is lost.',
        unit: 'none',
        width: 6,
        red: 1,
        words: { '0': ['it takes SMS', 'green'] },
      },
      ['away', sumOf('fairslot_notify_gateway_away_state')],
    ),
    stat(
      'How long do OTPs wait?',
      {
        about: 'Below 5 s is normal; beyond 30 s nobody can sign in.',
        unit: 's',
        decimals: 0,
        width: 6,
        orange: 10,
        red: 30,
      },
      ['oldest', most('fairslot_notify_oldest_waiting_seconds{priority="urgent"}')],
    ),
    stat(
      'Dead letters',
      {
        about:
          'SMS that will not be tried again; the command "sms dead" says which and why. Some are normal: mobiles that do not exist.',
        unit: 'none',
        width: 6,
        orange: 1,
        red: 100,
      },
      ['{{priority}}', most('fairslot_notify_dead_letters_sms', 'priority')],
    ),
    stat(
      'Dead letters that were dropped',
      {
        about: 'Within the last hour, since there were too many, or for their age. 0 is normal.',
        unit: 'none',
        decimals: 0,
        width: 6,
        orange: 1,
      },
      ['dropped', orZero(within('1h', 'fairslot_notify_dead_letters_dropped_total'))],
    ),
    series(
      'How long do SMS wait?',
      {
        about:
          'Age of the one that waits longest. Routine ones may wait minutes after a big round.',
        unit: 's',
        red: 30,
      },
      ['{{priority}}', most('fairslot_notify_oldest_waiting_seconds', 'priority')],
    ),
    series(
      'How many wait?',
      { about: 'They rise with a round, and fall at the rate of the gateway.', unit: 'none' },
      ['{{priority}}', most('fairslot_notify_waiting_sms', 'priority')],
    ),
    series(
      'What becomes of SMS?',
      {
        about:
          'Each attempt that failed is counted. If failed goes with sent, the gateway is at its limit: see its quota and SMS_CONCURRENCY.',
        unit: 'ops',
      },
      ['{{outcome}}', perSecond('fairslot_notify_sms_total', 'outcome')],
    ),
    series('What is sent?', { about: 'By template. OTPs come before all others.', unit: 'ops' }, [
      '{{template}}',
      perSecond('fairslot_notify_sms_total{outcome="sent"}', 'template'),
    ]),
  ],
);
