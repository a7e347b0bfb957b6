/** Tells the winners of a round by SMS. */
import { present } from '../lib/assert.ts';
import { isoFromMs } from '../lib/clock.ts';
import type { Secrets } from '../lib/secrets.ts';
import { unpackBooking } from '../bookings/rules.ts';
import type { Outbox, Sms } from '../notify/outbox.ts';
import type { PeopleStore } from '../people/store.ts';
import type { LotteryManifest } from '../releases/manifest.ts';
import { unpackEntry } from './rules.ts';
import type { RoundStore } from './store.ts';

/** Entries looked up and told together. */
const BATCH = 500;

export const createNotifier =
  (parts: { store: RoundStore; people: PeopleStore; outbox: Outbox; secrets: Secrets }) =>
  async (manifest: LotteryManifest, entryIds: readonly string[]): Promise<void> => {
    for (let i = 0; i < entryIds.length; i += BATCH) {
      const messages = await messagesFor(parts, manifest, entryIds.slice(i, i + BATCH));
      // Thrown, so that the round is told again: what was queued is then not queued twice.
      if ((await parts.outbox.send(messages)) === 'FULL') throw new Error('the outbox is full');
    }
  };

async function messagesFor(
  { store, people, secrets }: { store: RoundStore; people: PeopleStore; secrets: Secrets },
  manifest: LotteryManifest,
  entryIds: readonly string[],
): Promise<Sms[]> {
  const [entries, standings] = await Promise.all([
    store.entries(manifest.release, entryIds),
    store.view(manifest.release, entryIds),
  ]);
  // An offer that was answered or has lapsed by now needs no SMS.
  const open = entries.flatMap((packed, index) => {
    const standing = standings[index];
    if (!packed || standing?.state !== 'OFFERED') return [];
    const [person = ''] = unpackEntry(packed).persons;
    const { slot, grant } = unpackBooking(standing.booking);
    const id = `offer:${manifest.release}:${grant}:${entryIds[index]}`;
    return [{ id, person, slot, confirmByMs: standing.confirmByMs }];
  });
  const contacts = await people.contactsOf(open.map(({ person }) => person));
  return open.flatMap(({ id, slot, confirmByMs }, index) => {
    const contact = contacts[index];
    if (!contact) return [];
    const message = {
      template: 'offer' as const,
      ...offerText(manifest, slot),
      confirmBy: isoFromMs(confirmByMs),
    };
    const { account, language } = contact;
    return [{ id, account, mobile: secrets.decrypt(contact.mobile), language, message }];
  });
}

function offerText(manifest: LotteryManifest, slotNumber: number) {
  const slot = present(manifest.slots[slotNumber], 'the slot of an offer');
  const session = present(
    manifest.sessions.find((one) => one.session === slot.session),
    slot.session,
  );
  const centre = present(
    manifest.centres.find((one) => one.centre === session.centre),
    session.centre,
  );
  return { title: manifest.title, centre: centre.name, date: session.date, from: slot.from };
}
