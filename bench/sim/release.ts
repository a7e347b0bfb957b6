/**
 * One release in memory, with the engine's own entry ids, seals, seeds and draw. What Redis holds
 * in a running engine is a few maps here: one claim a person, entries until the next seal, and what
 * happened since the last one.
 */
import { between, type Random } from '../../src/demo/random.ts';
import { assert, present } from '../../src/lib/assert.ts';
import { hex, sha256 } from '../../src/lib/hash.ts';
import { jcs } from '../../src/lib/jcs.ts';
import { createSecrets } from '../../src/lib/secrets.ts';
import type { LotteryManifest } from '../../src/releases/manifest.ts';
import type { BeaconValue } from '../../src/rounds/beacon/beacon.ts';
import { drawRound } from '../../src/rounds/draw/draw.ts';
import {
  buildEntryTable,
  entryAt,
  entryDocument,
  type EntryRow,
  type EntryTable,
  leafOf,
} from '../../src/rounds/draw/entry-table.ts';
import {
  createLedger,
  findLive,
  inOrder,
  type Ledger,
  NOTHING_SINCE,
  type Since,
  WAITING,
} from '../../src/rounds/draw/ledger.ts';
import { receiptKeyOf } from '../../src/rounds/receipts.ts';
import { entryIdOf } from '../../src/rounds/rules.ts';
import { type Seal, sealRound, seedOf } from '../../src/rounds/draw/seal.ts';
import { closeRound } from '../../src/rounds/draw/transcript.ts';

const SECRETS = createSecrets('what a simulated engine derives its keys from');
const RECEIPT_KEY = receiptKeyOf(SECRETS);
const RELEASE = 'simulated';
const ids = new Map<string, string>();

/** The entry id of a person, as the engine derives it; remembered, since runs repeat people. */
function idOf(person: string): string {
  const known = ids.get(person);
  if (known !== undefined) return known;
  const id = entryIdOf(SECRETS, RELEASE, person);
  ids.set(person, id);
  return id;
}

/** The person behind a document, as the engine derives it. */
export const personOf = (idType: string, idNumber: string): string =>
  SECRETS.pseudonym('person', `${idType}|${idNumber}`);

export const peopleNamed = (name: string, count: number): readonly string[] =>
  Array.from({ length: count }, (_, i) => `${name} ${i}`);

const CLOSES_AT_MS = Date.UTC(2021, 3, 10, 14, 40);
const ROUND_EVERY_MS = 60_000;
const isoAt = (ms: number): string => new Date(ms).toISOString();

const manifestOf = (seats: readonly number[]): LotteryManifest => ({
  rules: 'fairslot/v1',
  release: RELEASE,
  title: 'A simulated release',
  mode: 'lottery',
  opens_at: isoAt(CLOSES_AT_MS - 600_000),
  closes_at: isoAt(CLOSES_AT_MS),
  ends_at: isoAt(CLOSES_AT_MS + 43_200_000),
  round_every_s: ROUND_EVERY_MS / 1_000,
  confirm_within_s: ROUND_EVERY_MS / 1_000,
  dereserve_after_round: null,
  series: null,
  id_types: ['aadhaar'],
  limits: { preferences: 10, entries_per_account: 4, group_size: 4 },
  centres: [],
  sessions: [],
  slots: seats.map((count, slot) => ({
    slot: `slot-${slot}`,
    session: 'session',
    from: '09:00',
    to: '11:00',
    pools: [{ pool: 'open', seats: count }],
  })),
  receipt_key: RECEIPT_KEY,
  beacon: { kind: 'hash-chain', anchor: '0'.repeat(64), length: 20_000 },
});

export type Wants = { readonly prefs?: readonly number[]; readonly size?: number };

export type Release = {
  readonly ledger: Ledger;
  /** Enters, or edits what was entered for the next round. False for who is in already. */
  readonly enter: (person: string, wants?: Wants) => boolean;
  /** The leaf on the receipt of somebody who has entered for the next round. */
  readonly receiptOf: (person: string) => Buffer;
  /** Takes back an entry that has no seat. */
  readonly withdraw: (person: string) => void;
  /** Gives back a seat. */
  readonly cancel: (person: string) => void;
  /** Lets an offer lapse, or has the operator say that it did. */
  readonly lapse: (person: string) => void;
  /** Seals and draws the next round. */
  readonly draw: () => Round;
  /**
   * What the first draw would give if it were sealed now: only for those who know the next value of
   * the beacon before the list is sealed.
   */
  readonly foresee: () => Round;
  /** Number of the slot that a person holds a seat of. */
  readonly slotOf: (person: string) => number | undefined;
  readonly hasSeat: (person: string) => boolean;
  /** Whoever waits, in the order that they have: public, since transcripts are. */
  readonly waiting: () => readonly string[];
};

export type Round = {
  readonly table: EntryTable;
  readonly seal: Seal;
  readonly seed: Buffer;
  /** Those whom the round gave seats, in draw order. */
  readonly winners: readonly string[];
};

/** `seats`: by slot. `random` stands for the beacon. */
export function openRelease(seats: readonly number[], random: Random): Release {
  const ledger = createLedger(manifestOf(seats));
  const persons = new Map<string, string>();
  const entered = new Map<string, EntryRow>();
  const since = {
    cancelled: new Set<string>(),
    expired: new Set<string>(),
    withdrawn: new Set<string>(),
  };
  let value = nextValue(random);

  const gone = (id: string): boolean => Object.values(since).some((those) => those.has(id));
  const holding = (person: string): number | undefined => {
    const found = findLive(ledger, idOf(person));
    const pool = found?.cohort.standing[found.row] ?? -1;
    return pool < 0 || gone(idOf(person)) ? undefined : present(ledger.pools.slot[pool], 'pool');
  };
  const enter = (person: string, { prefs = [0], size = 1 }: Wants = {}): boolean => {
    const id = idOf(person);
    if (findLive(ledger, id) && !gone(id)) return false;
    persons.set(id, person);
    entered.set(id, { entry: id, size, categories: [], prefs });
    return true;
  };
  const withdraw = (person: string): void => {
    const id = idOf(person);
    if (!entered.delete(id)) since.withdrawn.add(id);
  };
  const play = (on: Ledger): Round => {
    const happened = inOrder({ ...NOTHING_SINCE, ...asLists(since) });
    const table = buildEntryTable(on.manifest, [...entered.values()]);
    const cutAt = isoAt(CLOSES_AT_MS + on.nextRound * ROUND_EVERY_MS);
    const seal = sealRound({ ledger: on, table, since: happened, cutAt });
    const beacon: BeaconValue = { kind: 'hash-chain', step: on.nextRound + 1, preimage: value };
    const seed = seedOf(on.manifest.beacon, seal, beacon);
    const { offers } = drawRound({ ledger: on, table, since: happened, seed });
    // Stands for the digest of a transcript that nobody reads here: it depends on the same things.
    closeRound(on, { seal, beacon }, hex(sha256(Buffer.from(jcs(seal)), seed)));
    const winners = offers.map(({ entry }) => present(persons.get(entry), 'person'));
    return { table, seal, seed, winners };
  };
  const draw = (): Round => {
    const round = play(ledger);
    entered.clear();
    for (const those of Object.values(since)) those.clear();
    value = nextValue(random);
    return round;
  };
  return {
    ledger,
    enter,
    receiptOf: (person) =>
      leafOf(entryDocument(ledger.manifest, present(entered.get(idOf(person)), 'entry'))),
    withdraw,
    cancel: (person) => void since.cancelled.add(idOf(person)),
    lapse: (person) => void since.expired.add(idOf(person)),
    draw,
    foresee: () => {
      assert(ledger.nextRound === 0, 'only the first round is foreseen');
      return play(createLedger(ledger.manifest));
    },
    slotOf: holding,
    hasSeat: (person) => holding(person) !== undefined,
    waiting: () => waitingIn(ledger).map((id) => present(persons.get(id), 'person')),
  };
}

/** 32 bytes in hexadecimal. */
const nextValue = (random: Random): string =>
  Array.from({ length: 32 }, () => between(random, 0, 255).toString(16).padStart(2, '0')).join('');

const asLists = (since: Readonly<Record<string, ReadonlySet<string>>>): Partial<Since> =>
  Object.fromEntries(Object.entries(since).map(([name, those]) => [name, [...those]]));

const waitingIn = ({ cohorts }: Ledger): string[] =>
  cohorts.flatMap(({ table, order, standing }) =>
    Array.from(order)
      .filter((row) => standing[row] === WAITING)
      .map((row) => entryAt(table, row)),
  );
