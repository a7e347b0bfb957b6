/** Follows one entry through the rounds of a release while they are verified. */
import { present } from '../lib/assert.ts';
import { hex } from '../lib/hash.ts';
import type { DrawnManifest } from '../releases/manifest.ts';
import { rowOf } from './draw/bytes.ts';
import { leafOf, prefsAt } from './draw/entry-table.ts';
import { type Cohort, DISPLACED, findLive, idBytes, type Ledger, WAITING } from './draw/ledger.ts';
import { categoriesOf } from './draw/pools.ts';
import type { Replayed } from './draw/replay.ts';
import type { Seal } from './draw/seal.ts';
import { placeOf } from './draw/transcript.ts';

/** How an entry stands after a round. */
export type Standing = {
  readonly round: number;
  readonly state: 'holds' | 'waits' | 'displaced' | 'gone';
  readonly slot: string | null;
  readonly pool: string | null;
};

/** An entry where it was new. It can be new again in a later round, once it is gone. */
export type Sighting = {
  readonly round: number;
  readonly leaf: string;
  /** In the order of the round's entries, from 1. */
  readonly place: number;
  readonly of: number;
  /** After its own round, and after each later one that changed something. */
  readonly standings: readonly Standing[];
};

export type Watch = {
  /** To be shown every round in turn. */
  readonly see: (replayed: Replayed) => void;
  readonly sightings: readonly Sighting[];
  /** By round. */
  readonly seals: readonly Seal[];
  /** The release's; undefined before the first round. */
  readonly manifest: () => DrawnManifest | undefined;
};

type Found = { readonly cohort: Cohort; readonly row: number };

function standingOf(ledger: Ledger, round: number, { cohort, row }: Found): Standing {
  const standing = present(cohort.standing[row], 'row');
  if (standing === DISPLACED) return { round, state: 'displaced', slot: null, pool: null };
  if (standing === WAITING) return { round, state: 'waits', slot: null, pool: null };
  return { round, state: 'holds', ...present(placeOf(ledger, standing), 'place') };
}

function leafAt({ manifest }: Ledger, { cohort: { table }, row }: Found, entry: string): string {
  const mask = present(table.categories[row], 'row');
  const cats = categoriesOf(manifest).filter((_, bit) => (mask & (1 << bit)) !== 0);
  const prefs = Array.from(
    prefsAt(table, row),
    (number) => present(manifest.slots[number], 'slot').slot,
  );
  return hex(leafOf({ cats, entry, prefs, size: present(table.sizes[row], 'row') }));
}

export function watchEntry(entry: string): Watch {
  const id = idBytes(entry);
  const sightings: (Sighting & { readonly standings: Standing[] })[] = [];
  const seals: Seal[] = [];
  let manifest: DrawnManifest | undefined;

  const carryOn = (ledger: Ledger, round: number, found: Found | undefined): void => {
    const standings = sightings.at(-1)?.standings;
    const last = standings?.at(-1);
    if (!standings || !last || last.state === 'gone') return;
    const now: Standing = found
      ? standingOf(ledger, round, found)
      : { round, state: 'gone', slot: null, pool: null };
    const changed = now.state !== last.state || now.slot !== last.slot || now.pool !== last.pool;
    if (changed) standings.push(now);
  };

  const see = ({ ledger, seal, entries, round }: Replayed): void => {
    manifest = ledger.manifest;
    seals.push(seal);
    const cohort = entries > 0 ? ledger.cohorts.at(-1) : undefined;
    const row = cohort ? rowOf(cohort.table.ids, id) : -1;
    if (!cohort || row < 0) {
      carryOn(ledger, round, findLive(ledger, entry));
      return;
    }
    const found = { cohort, row };
    carryOn(ledger, round, undefined); // who is new again was gone
    sightings.push({
      round,
      leaf: leafAt(ledger, found, entry),
      place: cohort.order.indexOf(row) + 1,
      of: entries,
      standings: [standingOf(ledger, round, found)],
    });
  };
  return { see, sightings, seals, manifest: () => manifest };
}
