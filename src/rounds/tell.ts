/** From people to SMS: whom a message reaches, and at which number. */
import type { Secrets } from '../lib/secrets.ts';
import type { Log } from '../log.ts';
import type { Message } from '../notify/messages.ts';
import type { Outbox, Sms } from '../notify/outbox.ts';
import type { PeopleStore } from '../people/store.ts';

export type TellParts = { people: PeopleStore; outbox: Outbox; secrets: Secrets; log: Log };

export type Told = { readonly person: string; readonly message: Message };

/**
 * The SMS to these people; none to who has no account any more, or whose number cannot be read:
 * that is logged, and keeps nobody else from being told.
 */
export async function smsTo(
  { people, secrets, log }: Omit<TellParts, 'outbox'>,
  told: readonly Told[],
): Promise<Sms[]> {
  const contacts = await people.contactsOf(told.map(({ person }) => person));
  return told.flatMap(({ message }, index): Sms[] => {
    const contact = contacts[index];
    if (!contact) return [];
    const { account, mobile } = contact;
    try {
      return [{ account, mobile: secrets.decrypt(mobile), message }];
    } catch (error) {
      log.error({ err: error, account }, 'the mobile number of an account cannot be read');
      return [];
    }
  });
}
