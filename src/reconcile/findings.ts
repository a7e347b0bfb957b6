/** What a check of a release can find: a closed list, explained in docs/reconcile.md. */

export const KINDS = [
  'seats-low',
  'seats-high',
  'sums-differ',
  'offer-stale',
  'offer-unlisted',
  'unreadable',
  'entry-twice',
  'entry-missing',
  'entry-left',
  'booking-size',
  'booking-unasked',
  'members-wrong',
  'person-twice',
  'claim-missing',
  'claim-elsewhere',
  'claim-stray',
  'charge-missing',
  'charge-over',
  'phase-wrong',
  'audit-lost',
  'audit-unrecorded',
  'audit-incomplete',
  'round-incomplete',
  'round-digest',
  'transcript-differs',
  'ledger-differs',
] as const;
export type Kind = (typeof KINDS)[number];

export type Finding = {
  readonly release: string;
  readonly kind: Kind;
  /** A slot and pool, an entry id, a round: nothing that tells of a person. */
  readonly where: string;
  readonly expected: string;
  readonly found: string;
};

/** What can be mended, and how it was read: each is checked again by the script that mends it. */
export type Mend =
  | { readonly what: 'offer'; readonly entry: string; readonly round: number }
  | { readonly what: 'seats'; readonly place: string }
  | { readonly what: 'sums' }
  | {
      readonly what: 'claim';
      readonly entry: string;
      readonly person: string;
      readonly account: string;
      readonly claim: string;
      readonly claimedAtMs: string;
      /** The release that it must name; '' for none. */
      readonly release: string;
    };

/** A finding of a release that is known. */
export type Found = Omit<Finding, 'release'> & { readonly mend?: Mend };

export type Counts = Readonly<Record<Kind, number>>;

/** How many there are of each kind, 0 where there are none. */
export function countsOf(kinds: Iterable<Kind>): Record<Kind, number> {
  const counts = Object.fromEntries(KINDS.map((kind) => [kind, 0])) as Record<Kind, number>;
  for (const kind of kinds) counts[kind] += 1;
  return counts;
}
