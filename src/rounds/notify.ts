/** Tells by SMS whom a round gave a seat to, and whose seat an operator's change took. */
import { present } from '../lib/assert.ts';
import { isoFromMs } from '../lib/clock.ts';
import { unpackBooking } from '../bookings/rules.ts';
import type { Message } from '../notify/messages.ts';
import type { Published } from '../releases/service.ts';
import type { Concerned } from './conduct.ts';
import { unpackEntry } from './rules.ts';
import type { EntryStanding, RoundStore } from './store.ts';
import { placeOf, tell, type TellParts, type Told } from './tell.ts';

/** Entries looked up and told together. */
const BATCH = 500;

type Parts = TellParts & { store: RoundStore };

export const createNotifier =
  (parts: Parts) =>
  async (found: Published, concerned: Concerned): Promise<void> => {
    const ids = [...new Set([...Object.keys(concerned.displaced), ...concerned.offered])];
    for (let i = 0; i < ids.length; i += BATCH) {
      const batch = ids.slice(i, i + BATCH);
      await tell(parts, await newsFor(parts, found, concerned, batch));
    }
  };

async function newsFor(
  { store }: Parts,
  found: Published,
  concerned: Concerned,
  ids: readonly string[],
): Promise<Told[]> {
  const { release } = found.manifest;
  const [entries, standings] = await Promise.all([
    store.entries(release, ids),
    store.view(release, ids),
  ]);
  return ids.flatMap((entry, index) => {
    const packed = entries[index];
    const standing = present(standings[index], 'a standing');
    const message = messageOf(found, concerned, entry, standing);
    if (!packed || !message) return []; // whoever withdrew or cancelled knows where they stand
    const [person = ''] = unpackEntry(packed).persons;
    const id = `${message.template}:${release}:${concerned.round}:${entry}`;
    return [{ id, person, message }];
  });
}

/** Nothing for an offer that was answered or has lapsed by now. */
function messageOf(
  found: Published,
  { round, displaced }: Concerned,
  id: string,
  { state, booking, confirmByMs }: EntryStanding,
): Message | undefined {
  const { title } = found.manifest;
  const held = displaced[id];
  const lost = held ? placeOf(found, unpackBooking(held).slot) : undefined;
  if (state === 'OFFERED') {
    const { slot, grant } = unpackBooking(booking);
    const offered = placeOf(found, slot);
    const confirmBy = isoFromMs(confirmByMs);
    if (lost) return { template: 'moved', title, lost, offered, confirmBy };
    // A later round gave this one, and tells of it.
    if (grant !== String(round)) return undefined;
    return { template: 'offer', title, ...offered, confirmBy };
  }
  if (!lost || state === 'BOOKED') return undefined;
  return { template: 'displaced', title, lost, waits: state === 'WAITING' };
}
