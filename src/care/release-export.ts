/**
 * All of one release as lines of JSON, for whoever evaluates it: docs/export.md says what each line
 * holds. People stand in it as entry ids, which nobody without FAIRSLOT_SECRET can link to anyone.
 */
import { createHash } from 'node:crypto';
import { unpackVisit } from '../arrivals/rules.ts';
import { bookingId, isPublished, unpackBooking } from '../bookings/rules.ts';
import { present } from '../lib/assert.ts';
import { isoFromMs } from '../lib/clock.ts';
import { isRefusal, type Refusal } from '../refusal.ts';
import type { Published, ReleaseService } from '../releases/service.ts';
import type { ReleaseReading } from '../releases/rules.ts';
import { unpackEntry } from '../rounds/rules.ts';
import type { RoundService } from '../rounds/service.ts';
import type { EntryStanding } from '../rounds/store.ts';
import type { ExportStore } from './export-store.ts';

export const EXPORT_VERSION = 1;

export type ExportParts = {
  readonly store: ExportStore;
  readonly releases: ReleaseService;
  readonly rounds: RoundService;
  /** Where entries stand. */
  readonly view: (release: string, ids: readonly string[]) => Promise<EntryStanding[]>;
};

type Context = {
  readonly release: string;
  readonly found: Published;
  readonly reading: ReleaseReading;
  readonly withAccounts: boolean;
};
type Lines = AsyncGenerator<Readonly<Record<string, unknown>>, void>;

const slotOf = ({ found }: Context, number: number): string =>
  present(found.manifest.slots[number], 'a slot').slot;
const poolOf = ({ found }: Context, { slot, pool }: { slot: number; pool: number }): string =>
  present(found.manifest.slots[slot]?.pools[pool], 'a pool').pool;
const lower = (word: string): string => word.toLowerCase().replaceAll('_', '-');

async function* slotLines({ releases }: ExportParts, { found }: Context): Lines {
  const free = await releases.free(found.manifest);
  for (const [number, { slot, session, from, to, pools }] of found.manifest.slots.entries()) {
    const { centre, date, service, dose } = present(found.slotSessions[number], 'a session');
    yield { slot, session, centre, date, service, dose, from, to, pools, free: free[number] };
  }
}

async function* roundLines({ rounds }: ExportParts, { release, found }: Context): Lines {
  if (found.manifest.mode !== 'lottery') return;
  const listed = await rounds.rounds(release);
  if (isRefusal(listed)) return;
  for (const { round } of listed) {
    const record = await rounds.round(release, round);
    if (!isRefusal(record)) yield record;
  }
}

async function* entryLines({ store, view }: ExportParts, context: Context): Lines {
  const { release, withAccounts } = context;
  for await (const batch of store.entries(release)) {
    const ids = batch.map(([id]) => id);
    const entries = batch.map(([, packed]) => unpackEntry(packed));
    const leads = withAccounts ? entries.map(({ persons }) => persons[0] ?? '') : [];
    const [standings, rounds, accounts] = await Promise.all([
      ids.length === 0 ? [] : view(release, ids),
      store.newIn(release, ids),
      store.accountsOf(leads),
    ]);
    for (const [index, entry] of entries.entries()) {
      const { state, standing } = present(standings[index], 'a standing');
      const isNew = state === 'ENTERED' || state === 'SEALED';
      yield {
        entry: ids[index],
        state: lower(state),
        size: entry.persons.length,
        preferences: entry.prefs.map((number) => slotOf(context, number)),
        categories: entry.categories,
        new_in: isNew ? null : Number(rounds[index] ?? 0),
        stands: standing !== '',
        ...(withAccounts && { account: accounts[index], people: entry.persons }),
      };
    }
  }
}

async function* bookingLines({ store }: ExportParts, context: Context): Lines {
  const { release, reading } = context;
  for await (const batch of store.bookings(release)) {
    const held = batch.map(([entry, packed]) => ({ entry, ...unpackBooking(packed) }));
    const counted = held.filter((booking) => isPublished(booking, reading.published));
    const seats = counted.map(({ entry, grant }) => `${entry}.${grant}`);
    const visits = await store.visits(release, seats);
    for (const [index, booking] of counted.entries()) {
      const { entry, grant, state, slot, size } = booking;
      const visit = visits[index];
      yield {
        booking: bookingId({ release, entry, grant }),
        entry,
        state: lower(state),
        given_by: grant.startsWith('i') ? null : Number(grant),
        slot: slotOf(context, slot),
        pool: poolOf(context, booking),
        seats: size,
        visit: visit ? lower(unpackVisit(visit).state) : null,
      };
    }
  }
}

async function* changeLines({ releases }: ExportParts, { release }: Context): Lines {
  const changes = await releases.changes(release);
  if (isRefusal(changes)) return;
  for (const closed of changes.closed) yield { change: 'closed', ...closed };
  for (const lost of changes.lost) yield { change: 'lost', ...lost };
}

async function* auditLines({ store }: ExportParts, { release }: Context): Lines {
  for await (const batch of store.audit(release))
    for (const [id, event] of batch) yield { id, at: isoFromMs(Number(id.split('-')[0])), event };
}

/** By the member that holds each kind of line, in their order. */
const KINDS = {
  slot: slotLines,
  round: roundLines,
  entry: entryLines,
  booking: bookingLines,
  change: changeLines,
  audit: auditLines,
} as const;

/** Head, manifest and end. */
const FRAME_LINES = 3;

export type Export = {
  /** How many lines there will be; about, while the release goes on. */
  readonly total: number;
  readonly lines: AsyncGenerator<string, ExportSums>;
};

export type ExportSums = {
  readonly lines: Readonly<Record<string, number>>;
  readonly sha256: string;
};

/**
 * The lines of an export, each with its line feed; refused for what is no published release.
 * `withAccounts`: with keyed hashes of people and accounts, which link them over releases.
 */
export async function exportRelease(
  parts: ExportParts,
  release: string,
  withAccounts: boolean,
): Promise<Export | Refusal> {
  const found = await parts.releases.published(release);
  if (isRefusal(found)) return found;
  const reading = present(await parts.releases.read(release), 'a published release');
  const counts = {
    slots: found.manifest.slots.length,
    rounds: Math.max(0, reading.published + 1),
    ...(await parts.store.counts(release)),
  };
  const changes = await parts.releases.changes(release);
  const changed = isRefusal(changes) ? 0 : changes.closed.length + changes.lost.length;
  const total = Object.values(counts).reduce((sum, one) => sum + one, FRAME_LINES + changed);
  return { total, lines: linesOf(parts, { release, found, reading, withAccounts }, counts) };
}

async function* linesOf(
  parts: ExportParts,
  context: Context,
  counts: object,
): AsyncGenerator<string, ExportSums> {
  const { release, found, reading, withAccounts } = context;
  const hash = createHash('sha256');
  const lines: Record<string, number> = {};
  const line = (value: object): string => {
    const text = `${JSON.stringify(value)}\n`;
    hash.update(text);
    return text;
  };
  yield line({
    fairslot_export: EXPORT_VERSION,
    release,
    taken_at: isoFromMs(reading.nowMs),
    mode: found.manifest.mode,
    manifest_hash: found.hash,
    with_accounts: withAccounts,
    counts,
  });
  yield line({ manifest: found.manifest });
  for (const [kind, read] of Object.entries(KINDS)) {
    lines[kind] = 0;
    for await (const value of read(parts, context)) {
      lines[kind] += 1;
      yield line({ [kind]: value });
    }
  }
  const sums = { lines, sha256: hash.digest('hex') };
  yield `${JSON.stringify({ end: sums })}\n`;
  return sums;
}
