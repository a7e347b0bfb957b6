import { describe, expect, it } from 'vitest';
import { importPlaces, NO_PLACES } from '../../src/releases/import.ts';
import { Manifest, MANIFEST_LIMITS, manifestHash } from '../../src/releases/manifest.ts';
import {
  type Draft,
  type ManifestGrounds,
  manifestOf,
  type ReleaseReading,
  releaseState,
  ReleaseTerms,
  roundsOf,
  SPARE_ROUNDS,
  stateOf,
} from '../../src/releases/rules.ts';
import { createSecrets } from '../../src/lib/secrets.ts';
import { QUICKNET } from '../../src/rounds/beacon/beacon.ts';
import { receiptKeyOf } from '../../src/rounds/receipts.ts';
import { codeOf, csvOf, granted, IMPORT_TERMS, placesOf } from '../support/engine.ts';

const TERMS = {
  release: 'pune-2021-04-10',
  title: 'Vaccination',
  mode: 'lottery',
  opensAt: '2021-04-10T20:00:00+05:30',
  closesAt: '2021-04-10T14:40:00Z',
  endsAt: '2021-04-10T15:40:00.000Z',
  idTypes: ['passport'],
} as const;
const anchor = 'a'.repeat(64);
const receiptKey = receiptKeyOf(createSecrets('the secret of a test, long enough'));
const GROUNDS: ManifestGrounds = { anchorOf: () => anchor, drand: QUICKNET, receiptKey };
const draftOf = (seats: readonly number[]): Draft => ({
  terms: ReleaseTerms.parse(TERMS),
  places: granted(placesOf(importPlaces(NO_PLACES, csvOf(seats), IMPORT_TERMS))),
});
const manifest = () => granted(manifestOf(draftOf([2, 3]), GROUNDS));
const accepts = (change: object): boolean =>
  ReleaseTerms.safeParse({ ...TERMS, ...change }).success;

describe('the terms of a release', () => {
  it('are kept in UTC with milliseconds, with defaults for what is left out', () => {
    expect(ReleaseTerms.parse(TERMS)).toEqual({
      ...TERMS,
      opensAt: '2021-04-10T14:30:00.000Z',
      closesAt: '2021-04-10T14:40:00.000Z',
      roundEveryS: 60,
      confirmWithinS: 1_800,
      limits: { preferences: 5, entriesPerAccount: 4, entriesPerDevice: 12, groupSize: 4 },
      pools: [{ pool: 'open' }],
      dereserveAfterRound: null,
      series: null,
      beacon: { kind: 'hash-chain' },
    });
  });

  it.each([
    ['an id with capitals', { release: 'Pune' }],
    ['an id with a dot', { release: 'pune.1' }],
    ['an id with a brace', { release: 'pune{r:x}' }],
    ['an id of two characters', { release: 'ab' }],
    ['an id of 41 characters', { release: 'a'.repeat(41) }],
    ['no title', { title: '  ' }],
    ['a time without a zone', { opensAt: '2021-04-10T20:00:00' }],
    ['a day that does not exist', { opensAt: '2021-02-30T20:00:00Z' }],
    ['closing before opening', { closesAt: '2021-04-10T14:00:00Z' }],
    ['ending at closing', { endsAt: TERMS.closesAt }],
    ['an unknown ID type', { idTypes: ['library-card'] }],
    ['no ID type', { idTypes: [] }],
    ['no round interval', { roundEveryS: 0 }],
    ['more rounds than a chain has', { roundEveryS: 1, endsAt: '2021-04-10T20:20:00Z' }],
    ['groups of five', { limits: { groupSize: 5 } }],
    ['no pool for everyone', { pools: [{ pool: 'frontline', percent: 100 }] }],
    [
      'reserves of 110 percent',
      { pools: [{ pool: 'a', percent: 60 }, { pool: 'b', percent: 50 }, { pool: 'open' }] },
    ],
    [
      'the same reserve twice',
      { pools: [{ pool: 'a', percent: 1 }, { pool: 'a', percent: 1 }, { pool: 'open' }] },
    ],
    ['a reserve without a percentage', { pools: [{ pool: 'a' }, { pool: 'open' }] }],
    ['an unknown beacon', { beacon: { kind: 'dice' } }],
    ['a seal margin of nothing', { beacon: { kind: 'drand', sealMarginS: 0 } }],
    ['eleven preferences', { limits: { preferences: 11 } }],
    ['a closing time in immediate mode', { mode: 'immediate' }],
    ['a mode of its own', { mode: 'auction' }],
    ['an unknown member', { colour: 'red' }],
    ['an unknown limit', { limits: { seats: 3 } }],
  ])('are refused with %s', (_what, change) => {
    expect(accepts({})).toBe(true);
    expect(accepts(change)).toBe(false);
  });

  it('leave room for every round until the end', () => {
    const terms = { closesAt: '2021-04-10T14:40:00Z', endsAt: '2021-04-10T14:42:30Z' };
    // Round 0 at closing, then at most one a minute, and one that was cut just before the end.
    expect(roundsOf({ ...terms, roundEveryS: 60 })).toBe(5 + SPARE_ROUNDS);
  });
});

describe('a manifest', () => {
  it('needs a seat', () => {
    const empty: Draft = { terms: ReleaseTerms.parse(TERMS), places: NO_PLACES };
    expect(codeOf(manifestOf(empty, GROUNDS))).toBe('RELEASE_EMPTY');
  });

  it('asks for a hash chain as long as its rounds', () => {
    const lengths: number[] = [];
    const made = granted(
      manifestOf(draftOf([1]), {
        ...GROUNDS,
        anchorOf: (length) => {
          lengths.push(length);
          return anchor;
        },
      }),
    );
    expect(lengths).toEqual([62 + SPARE_ROUNDS]);
    expect(made).toMatchObject({
      beacon: { kind: 'hash-chain', anchor, length: 62 + SPARE_ROUNDS },
    });
  });

  it('shares seats out: reserves rounded down, the rest for everyone, in the order of the terms', () => {
    const pools = [
      { pool: 'frontline', percent: 20 },
      { pool: 'open' },
      { pool: 'elder', percent: 10 },
    ];
    const draft = { ...draftOf([19]), terms: ReleaseTerms.parse({ ...TERMS, pools }) };
    expect(granted(manifestOf(draft, GROUNDS)).slots[0]?.pools).toEqual([
      { pool: 'frontline', seats: 3 },
      { pool: 'open', seats: 15 },
      { pool: 'elder', seats: 1 },
    ]);
  });

  it('names the drand network and how early a seal must be', () => {
    const terms = ReleaseTerms.parse({ ...TERMS, beacon: { kind: 'drand', sealMarginS: 9 } });
    const made = granted(manifestOf({ ...draftOf([1]), terms }, GROUNDS));
    expect(made).toMatchObject({ beacon: { kind: 'drand', ...QUICKNET, seal_margin_s: 9 } });
  });

  it('has one hash, in whatever order its members are written', () => {
    const made = manifest();
    const turned = Object.fromEntries(Object.entries(made).toReversed()) as typeof made;
    expect(Object.keys(turned)).not.toEqual(Object.keys(made));
    expect(manifestHash(turned)).toBe(manifestHash(made));
    expect(manifestHash({ ...made, title: 'Another' })).not.toBe(manifestHash(made));
  });

  it.each([
    ['an unknown member', { colour: 'red' }],
    ['no slot', { slots: [] }],
    ['another rules version', { rules: 'fairslot/v2' }],
    ['a time without milliseconds', { opens_at: '2021-04-10T14:30:00Z' }],
    [
      'a negative capacity',
      { slots: [{ ...manifest().slots[0], pools: [{ pool: 'open', seats: -1 }] }] },
    ],
    [
      'more rounds than allowed',
      { beacon: { kind: 'hash-chain', anchor, length: MANIFEST_LIMITS.rounds + 1 } },
    ],
  ])('with %s is none', (_what, change) => {
    expect(Manifest.safeParse(manifest()).success).toBe(true);
    expect(Manifest.safeParse({ ...manifest(), ...change }).success).toBe(false);
  });

  it('gives the scripts its times in milliseconds', () => {
    expect(releaseState(manifest())).toEqual({
      mode: 'lottery',
      opens_at_ms: String(Date.UTC(2021, 3, 10, 14, 30)),
      closes_at_ms: String(Date.UTC(2021, 3, 10, 14, 40)),
      next_round_at_ms: String(Date.UTC(2021, 3, 10, 14, 40)),
      ends_at_ms: String(Date.UTC(2021, 3, 10, 15, 40)),
      round_every_ms: '60000',
      value_at_ms: String(Date.UTC(2021, 3, 10, 14, 40) - 1),
      confirm_within_ms: '1800000',
      entries_per_account: '4',
      entries_per_device: '12',
      round: '0',
      phase: 'OPEN',
      published: '-1',
      unexpired_round: '0',
      spare_rounds: '100',
      certain_round: '0',
      capacity: '5',
      free_seats: '5',
    });
  });
});

describe('the state of a release', () => {
  const reading: ReleaseReading = {
    nowMs: 0,
    opensAtMs: 10,
    closesAtMs: 20,
    endsAtMs: 30,
    endedAtMs: 0,
    round: 0,
    phase: 'OPEN',
    published: -1,
    nextRoundAtMs: 20,
    changingRound: -1,
  };
  const drawn = { published: 0, round: 1 } as const;

  it.each([
    ['published', 'before it opens', { nowMs: 9 }],
    ['open', 'when it opens', { nowMs: 10 }],
    ['open', 'until it closes', { nowMs: 19 }],
    ['drawing', 'when it closes', { nowMs: 20 }],
    ['drawing', 'while round 0 is drawn', { nowMs: 25, phase: 'DRAWING' as const }],
    ['drawing', 'when nobody drew round 0 before the end', { nowMs: 40 }],
    ['running', 'after round 0', { nowMs: 25, ...drawn }],
    ['drawing', 'while a later round is drawn', { nowMs: 25, ...drawn, phase: 'DRAWING' as const }],
    ['ended', 'at its end', { nowMs: 30, ...drawn }],
    [
      'drawing',
      'while a round is drawn past the end',
      { nowMs: 30, ...drawn, phase: 'DRAWING' as const },
    ],
    [
      'running',
      'past its end with a change to settle',
      { nowMs: 30, ...drawn, round: 1, changingRound: 1 },
    ],
    [
      'ended',
      'once its last change is settled',
      { nowMs: 30, ...drawn, round: 2, changingRound: 1 },
    ],
    ['ended', 'when an operator ended it', { nowMs: 15, endedAtMs: 12 }],
    ['published', 'before opening, in immediate mode', { nowMs: 9, closesAtMs: 0 }],
    ['open', 'until its end, in immediate mode', { nowMs: 29, closesAtMs: 0 }],
    ['ended', 'at its end, in immediate mode', { nowMs: 30, closesAtMs: 0 }],
  ])('is %s %s', (word, _when, change) => {
    expect(stateOf({ ...reading, ...change })).toBe(word);
  });
});
