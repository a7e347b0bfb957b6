/**
 * Tells people by SMS of their next dose, once each, at a decent hour: what is due stays where it
 * is until its SMS is queued, and the outbox queues an id once.
 */
import { clockAt } from '../lib/days.ts';
import type { PeopleStore } from '../people/store.ts';
import { tell, type TellParts } from '../rounds/tell.ts';
import { ARRIVAL_LIMITS, packDue } from './rules.ts';
import type { ArrivalStore } from './store.ts';

/** What became of a reminder; labels of a metric. */
export const REMINDER_OUTCOMES = ['told', 'dropped'] as const;
export type ReminderOutcome = (typeof REMINDER_OUTCOMES)[number];

type Parts = TellParts & {
  store: ArrivalStore;
  people: PeopleStore;
  /** IANA name. */
  timeZone: string;
  onReminders?: (outcome: ReminderOutcome, count: number) => void;
};

/** Tells a batch of those who are due. How many it saw to. */
export type Reminder = () => Promise<number>;

export function createReminder(parts: Parts): Reminder {
  const { store, people, secrets, timeZone, onReminders } = parts;
  return async () => {
    const nowMs = await store.nowMs();
    const clock = clockAt(nowMs, timeZone);
    if (clock < ARRIVAL_LIMITS.tellFrom || clock >= ARRIVAL_LIMITS.tellUntil) return 0;
    const due = await store.due(nowMs);
    if (due.length === 0) return 0;
    const doses = await people.dosesOf(due.map(({ person }) => person));
    // Who has it already needs no telling; and where the dose before was never written down, its
    // request failed after this was scheduled.
    const wanted = due.filter(({ dose }, index) => {
      const given = (doses[index] ?? []).map((one) => one.dose);
      return given.includes(dose - 1) && !given.includes(dose);
    });
    const told = await tell(
      parts,
      wanted.map((one) => ({
        id: `dose-due:${secrets.pseudonym('dose-due', packDue(one))}`,
        person: one.person,
        message: { template: 'dose-due', vaccine: one.vaccine, dose: one.dose },
      })),
    );
    await store.forgetDue(due);
    onReminders?.('told', told);
    onReminders?.('dropped', due.length - told);
    return due.length;
  };
}
