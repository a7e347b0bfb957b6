/** From people to SMS: whom a message reaches, and at which number. */
import type { Secrets } from '../lib/secrets.ts';
import type { Log } from '../log.ts';
import type { Message, Place } from '../notify/messages.ts';
import type { Outbox, Sms } from '../notify/outbox.ts';
import type { PeopleStore } from '../people/store.ts';
import { type Published, slotAt } from '../releases/service.ts';

export type TellParts = {
  people: Pick<PeopleStore, 'contactsOf'>;
  outbox: Outbox;
  secrets: Secrets;
  log: Log;
};

/** `id`: what it is about, the same whenever the same is told again (Sms.id). */
export type Told = { readonly id: string; readonly person: string; readonly message: Message };

/**
 * Queues an SMS to each of these people; none to who has no account any more, or whose number
 * cannot be read: that is logged, and keeps nobody else from being told. Throws where the outbox is
 * full, so that all are told again: what was queued is then not queued twice. How many it reaches.
 */
export async function tell(
  { people, outbox, secrets, log }: TellParts,
  told: readonly Told[],
): Promise<number> {
  const contacts = await people.contactsOf(told.map(({ person }) => person));
  const messages = told.flatMap(({ id, message }, index): Sms[] => {
    const contact = contacts[index];
    if (!contact) return [];
    const { account, language } = contact;
    try {
      return [{ id, account, mobile: secrets.decrypt(contact.mobile), language, message }];
    } catch (error) {
      log.error({ err: error, account }, 'the mobile number of an account cannot be read');
      return [];
    }
  });
  if ((await outbox.send(messages)) === 'FULL') throw new Error('the outbox is full');
  return messages.length;
}

/** Where and when a slot is, in words. */
export function placeOf(published: Published, slotNumber: number): Place {
  const { slot, session, centre } = slotAt(published, slotNumber);
  return { centre: centre.name, date: session.date, from: slot.from };
}
