import { nowMs } from '../lib/clock.ts';
import { PRIORITIES, type Priority, TEMPLATE_NAMES } from '../notify/messages.ts';
import { SMS_OUTCOMES } from '../notify/outbox.ts';
import type { OutboxState } from '../notify/store.ts';
import type { Watch } from '../watch.ts';
import type { Book } from './book.ts';
import type { Reading } from './reading.ts';

export type Outboxes = Readonly<Record<Priority, OutboxState>>;

/** Of servers, which queue OTPs, and of workers, which do all the rest. */
export function smsMetrics(book: Book): Pick<Watch, 'onSms'> {
  const sms = book.counter({
    name: 'fairslot_notify_sms_total',
    help: 'SMS by what became of them, each attempt that failed included.',
    unit: 'SMS',
    of: 'process',
    labels: { outcome: SMS_OUTCOMES, template: TEMPLATE_NAMES },
  });
  return { onSms: (outcome, template) => sms.inc({ outcome, template }) };
}

export function outboxMetrics(
  book: Book,
  { outbox, isGatewayAway }: { outbox: Reading<Outboxes>; isGatewayAway: () => boolean },
) {
  const ofOutbox = (
    { name, help, unit }: { name: string; help: string; unit: string },
    valueOf: (state: OutboxState) => number,
  ) =>
    book.told({ name, help, unit, labels: { priority: PRIORITIES } }, outbox, (states) =>
      PRIORITIES.map((priority) => [{ priority }, valueOf(states[priority])]),
    );
  ofOutbox(
    {
      name: 'fairslot_notify_waiting_sms',
      help: 'SMS that wait to be sent, those that are being sent included.',
      unit: 'SMS',
    },
    ({ waiting }) => waiting,
  );
  ofOutbox(
    {
      name: 'fairslot_notify_oldest_waiting_seconds',
      help: 'Age of the SMS that waits longest.',
      unit: 'seconds',
    },
    ({ oldestMs }) => (oldestMs === undefined ? 0 : Math.max(0, nowMs() - oldestMs) / 1000),
  );
  ofOutbox(
    { name: 'fairslot_notify_dead_letters_sms', help: 'Dead letters.', unit: 'SMS' },
    ({ dead }) => dead,
  );
  book.gauge(
    {
      name: 'fairslot_notify_gateway_away_state',
      help: 'Whether this worker finds the SMS gateway away, and only probes it: 1 or 0.',
      unit: 'truth',
      of: 'process',
    },
    function collect() {
      this.set(isGatewayAway() ? 1 : 0);
    },
  );
  return {
    dropped: book.counter({
      name: 'fairslot_notify_dead_letters_dropped_total',
      help: 'Dead letters that went because there were too many, or for their age.',
      unit: 'SMS',
      of: 'process',
    }),
  } as const;
}
