/** The auditor must be able to fail: a sound history, and the same with one thing wrong. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../src/demo/random.ts';
import {
  type Evidence,
  type ReleaseFacts,
  type RoundFacts,
  type Standing,
  audit,
} from './audit.ts';
import { createClient } from './client.ts';
import { gather, laterIn, toAsk } from './evidence.ts';
import type { Enter, Sighting, Write } from './history.ts';
import type { Release } from './operator.ts';
import { register } from './players.ts';

const NOTHING = { cancelled: [], expired: [], withdrawn: [], closed: [], lost: [] };
const sealed = (entry: string, ...preferences: string[]) => ({ entry, preferences });
const round = (number: number, facts: Partial<RoundFacts>): RoundFacts => ({
  round: number,
  cutAtMs: 1_000 * (number + 1),
  seal: `seal ${number}`,
  since: NOTHING,
  entries: [],
  held: {},
  ...facts,
});
const sent = (person: string, startedAtMs: number, release = 'evening') => ({
  release,
  person,
  startedAtMs,
  endedAtMs: startedAtMs + 10,
  outcome: 'acknowledged' as const,
});
const registered = (person: string): Write => ({
  ...sent(person, 10, ''),
  kind: 'register',
  account: `account of ${person}`,
});
const entered = (person: string, atMs: number, ...preferences: string[]): Enter => ({
  ...sent(person, atMs),
  kind: 'enter',
  preferences,
  stands: false,
  receiptAtMs: atMs + 5,
  entryId: `e-${person}`,
});
const standing = (person: string, state: string, more: Partial<Standing> = {}): Standing => ({
  release: 'evening',
  beneficiaries: [person],
  entryId: `e-${person}`,
  state,
  preferences: ['a'],
  booking: null,
  stands: false,
  ...more,
});
const holding = (person: string, state: string, slot = 'a', id = `evening.e-${person}.0`) =>
  standing(person, state, { booking: { bookingId: id, slot, state } });

/**
 * Asha enters, edits, gets a seat and confirms it. Bela enters, is offered a seat and gives it
 * back. Chand enters and withdraws. Dev waits. Esha, without a seat, comes after the last cut.
 * Farah books at once, gives it back, and books again.
 */
const WRITES: readonly Write[] = [
  entered('asha', 100, 'b'),
  entered('asha', 200, 'a'),
  { ...sent('asha', 1_500), kind: 'confirm', booking: 'evening.e-asha.0' },
  entered('bela', 100, 'b'),
  { ...sent('bela', 1_500), kind: 'cancel', booking: 'evening.e-bela.0' },
  entered('chand', 100, 'a'),
  { ...sent('chand', 1_500), kind: 'withdraw' },
  entered('dev', 100, 'a'),
  entered('esha', 2_500, 'a'),
  { ...sent('farah', 100, 'shop'), kind: 'book', slot: 's', booking: 'shop.f.i1' },
  { ...sent('farah', 200, 'shop'), kind: 'cancel', booking: 'shop.f.i1' },
  { ...sent('farah', 300, 'shop'), kind: 'book', slot: 's', booking: 'shop.f.i2' },
  { ...sent('', 1_600), kind: 'lose', slot: 'b', pool: 'open', seats: 1 },
  registered('asha'),
];
const EVENING: ReleaseFacts = {
  release: 'evening',
  mode: 'lottery',
  later: [],
  capacity: { a: 1, b: 2 },
  endsAtMs: 3_000,
  seats: { free: 1, offered: 0, booked: 1 },
  digests: ['d0', 'd1'],
  recomputed: ['d0', 'd1'],
  rounds: [
    round(0, {
      entries: [
        sealed('e-asha', 'a'),
        sealed('e-bela', 'b'),
        sealed('e-chand', 'a'),
        sealed('e-dev', 'a'),
      ],
      held: { a: 1, b: 1 },
    }),
    round(1, {
      since: {
        ...NOTHING,
        cancelled: ['e-bela'],
        withdrawn: ['e-chand'],
        lost: [['b', 'open', 1]],
      },
      held: { a: 1 },
    }),
  ],
  changes: { closed: [], lost: [{ slot: 'b', pool: 'open', seats: 1, round: 1 }] },
};
const SHOP: ReleaseFacts = {
  ...EVENING,
  release: 'shop',
  mode: 'immediate',
  capacity: { s: 1 },
  seats: { free: 0, offered: 0, booked: 1 },
  digests: [],
  recomputed: [],
  rounds: [],
  changes: { closed: [], lost: [] },
};
const STANDINGS: readonly Standing[] = [
  holding('asha', 'booked'),
  holding('bela', 'cancelled', 'b'),
  standing('dev', 'over'),
  standing('esha', 'over'),
  { ...holding('farah', 'booked', 's', 'shop.f.i2'), release: 'shop', entryId: 'f' },
];
const SIGHTINGS: readonly Sighting[] = [
  { release: 'evening', round: 0, seal: 'seal 0' },
  { release: 'evening', round: 0, digest: 'd0' },
  { release: 'evening', round: 1, digest: 'd1' },
];
const SOUND: Evidence = {
  writes: WRITES,
  sightings: SIGHTINGS,
  releases: [EVENING, SHOP],
  vanished: [],
  standings: STANDINGS,
  registered: new Map([['account of asha', ['asha']]]),
};

/** With another standing for one person, or none. */
const standingAs = (person: string, ...instead: Standing[]): Partial<Evidence> => ({
  standings: [
    ...STANDINGS.filter(({ beneficiaries }) => !beneficiaries.includes(person)),
    ...instead,
  ],
});
const evening = (facts: Partial<ReleaseFacts>): Partial<Evidence> => ({
  releases: [{ ...EVENING, ...facts }, SHOP],
});
const roundAs = (number: number, facts: Partial<RoundFacts>): Partial<Evidence> =>
  evening({
    rounds: EVENING.rounds.map((one, at) => (at === number ? { ...one, ...facts } : one)),
  });
const without = (entry: string) =>
  EVENING.rounds[0]?.entries.filter((one) => one.entry !== entry) ?? [];
const also = (...writes: Write[]): Partial<Evidence> => ({ writes: [...WRITES, ...writes] });

const NONE = { lost: 0, oversold: 0, doubleBooked: 0, digestMismatches: 0 };
const verdictOf = (changed: Partial<Evidence>) => audit({ ...SOUND, ...changed });

it('finds nothing in a sound history', () => {
  expect(verdictOf({})).toEqual({
    ...NONE,
    acknowledged: 14,
    unknown: 0,
    missingSeats: 0,
    findings: [],
  });
});

describe('counts one lost write', () => {
  it.each<[string, Partial<Evidence>]>([
    ['an entry that is in no round', roundAs(0, { entries: without('e-dev') })],
    [
      'an edit that the round does not know',
      roundAs(0, { entries: [...without('e-asha'), sealed('e-asha', 'b')] }),
    ],
    ['an entry after the last cut that is nowhere', standingAs('esha')],
    ['an entry of a round that nobody withdrew, and that is nowhere', standingAs('dev')],
    [
      'an entry that rounds say was withdrawn, which nobody did',
      roundAs(1, {
        since: { ...EVENING.rounds[1]!.since, withdrawn: ['e-chand', 'e-dev'] },
      }),
    ],
    ['a withdrawn entry that waits', standingAs('chand', standing('chand', 'over'))],
    ['a confirmed booking that is an offer', standingAs('asha', holding('asha', 'offered'))],
    ['a confirmed booking that lapsed', standingAs('asha', holding('asha', 'lapsed'))],
    ['a cancelled booking that stands', standingAs('bela', holding('bela', 'booked', 'b'))],
    [
      'a cancelled booking that a round let expire',
      roundAs(1, {
        since: { ...EVENING.rounds[1]!.since, cancelled: [], expired: ['e-bela'] },
      }),
    ],
    [
      'a cancelled booking of which no round tells',
      roundAs(1, { since: { ...EVENING.rounds[1]!.since, cancelled: [] } }),
    ],
    ['a booking at once that is gone', standingAs('farah')],
    ['a registration that is gone', { registered: new Map() }],
    ['a release that is gone, of which nobody was told more', { vanished: ['morning'] }],
    [
      'an entry that is gone, with a withdrawal only from before it was put again',
      {
        ...also(
          entered('gita', 100, 'a'),
          { ...sent('gita', 200), kind: 'withdraw' },
          entered('gita', 300, 'a'),
        ),
        ...roundAs(0, { entries: [...without(''), sealed('e-gita', 'a')] }),
      },
    ],
    [
      'a change of an operator that is not there',
      {
        ...evening({
          changes: { closed: [], lost: [] },
          seats: { free: 2, offered: 0, booked: 1 },
        }),
      },
    ],
  ])('%s', (_what, changed) => {
    expect(verdictOf(changed)).toMatchObject({ ...NONE, lost: 1 });
  });

  it('an entry that stood for later releases and stands nowhere any more', () => {
    const stands = { ...entered('gita', 100, 'a'), stands: true };
    const rounds = EVENING.rounds.map((one) =>
      one.round === 0 ? { ...one, entries: [...one.entries, sealed('e-gita', 'a')] } : one,
    );
    const facts = { ...EVENING, rounds };
    const releases = [{ ...facts, later: ['noon', 'morrow'] }, SHOP];
    const left = { ...also(stands), releases };
    const carried = standing('gita', 'waiting', { release: 'morrow' });
    const over = standing('gita', 'over');
    expect(verdictOf({ ...left, standings: [...STANDINGS, over] }).lost).toBe(1);
    expect(verdictOf({ ...left, standings: [...STANDINGS, over, carried] }).lost).toBe(0);
    const waits = { ...over, stands: true };
    expect(verdictOf({ ...left, standings: [...STANDINGS, waits] }).lost).toBe(0);
    const unheard = [{ ...facts, later: undefined }, SHOP];
    const standings = [...STANDINGS, over];
    expect(verdictOf({ ...left, releases: unheard, standings }).lost).toBe(0);
    expect(verdictOf({ ...left, releases: [facts, SHOP], standings }).lost).toBe(1);
  });
});

it('counts all that was acknowledged of a release that is gone', () => {
  const gone = { releases: [EVENING], vanished: ['shop'], standings: STANDINGS.slice(0, -1) };
  expect(verdictOf(gone)).toMatchObject({ ...NONE, lost: 4 });
});

it('holds no cancellation against a release that cuts no round after it', () => {
  const writes = WRITES.filter(({ person }) => person !== 'bela');
  const late = { ...sent('bela', 1_960), kind: 'cancel', booking: 'evening.e-bela.0' } as const;
  const changed = roundAs(1, { since: { ...EVENING.rounds[1]!.since, cancelled: [] } });
  expect(verdictOf({ ...changed, writes: [...writes, entered('bela', 100, 'b'), late] }).lost).toBe(
    0,
  );
});

it('takes a withdrawal from a release that is over for the end of a wish to be carried over', () => {
  const late = { ...sent('dev', 3_100), kind: 'withdraw' } as const;
  expect(verdictOf(also(late)).lost).toBe(0);
  expect(
    verdictOf({ ...also(late), ...standingAs('dev', standing('dev', 'over', { stands: true })) })
      .lost,
  ).toBe(1);
});

describe('takes what nobody knows for neither', () => {
  const unknown = { outcome: 'unknown' } as const;
  it.each<[string, Write, Partial<Evidence>]>([
    [
      'an edit without an answer, sent before the one that was acknowledged',
      { ...entered('dev', 50, 'b'), ...unknown },
      roundAs(0, { entries: [...without('e-dev'), sealed('e-dev', 'b')] }),
    ],
    [
      'a cancellation without an answer',
      { ...sent('asha', 1_600), ...unknown, kind: 'cancel', booking: 'evening.e-asha.0' },
      standingAs('asha', holding('asha', 'cancelled')),
    ],
  ])('%s', (_what, write, changed) => {
    const seats = { free: 2, offered: 0, booked: 0 };
    const writes = [...WRITES, write];
    const releases = (changed.releases ?? [EVENING, SHOP]).map((one) =>
      one.release === 'evening' && changed.standings ? { ...one, seats } : one,
    );
    expect(verdictOf({ ...changed, releases, writes })).toMatchObject({ ...NONE, unknown: 1 });
    expect(verdictOf({ ...changed, releases })).toMatchObject({ lost: 1 });
  });

  it('but not a write that was sent after the round in question was cut', () => {
    const late = { ...entered('dev', 1_200, 'b'), ...unknown };
    const changed = roundAs(0, { entries: without('e-dev') });
    expect(verdictOf({ ...changed, ...also(late) })).toMatchObject({ lost: 1 });
  });
});

describe('counts one oversold seat', () => {
  it.each<[string, Partial<Evidence>]>([
    ['in a round', roundAs(0, { held: { a: 2, b: 1 } })],
    ['in a round that settles a loss', roundAs(1, { held: { a: 1, b: 2 } })],
    [
      'by the sum of free, offered and booked',
      evening({ seats: { free: 1, offered: 1, booked: 1 } }),
    ],
    ['at the end', standingAs('dev', holding('dev', 'offered'))],
    [
      'by two acknowledged bookings at the same time',
      also(
        { ...sent('hari', 120, 'shop'), kind: 'book', slot: 's', booking: 'shop.h.i1' },
        { ...sent('hari', 180, 'shop'), kind: 'cancel', booking: 'shop.h.i1' },
      ),
    ],
  ])('%s', (_what, changed) => {
    expect(verdictOf(changed)).toMatchObject({ ...NONE, oversold: 1 });
  });
});

describe('counts one person booked twice', () => {
  it('with two live claims at the end', () => {
    const second = { ...standing('asha', 'waiting'), release: 'other' };
    expect(verdictOf({ standings: [...STANDINGS, second] })).toMatchObject({
      ...NONE,
      doubleBooked: 1,
    });
  });

  it('with two bookings at the same time that are over by now', () => {
    const both = ['shop', 'other'].flatMap((release, at): Write[] => [
      {
        ...sent('hari', 400 + at, release),
        kind: 'book',
        slot: `t${at}`,
        booking: `${release}.h.i1`,
      },
      { ...sent('hari', 450, release), kind: 'cancel', booking: `${release}.h.i1` },
    ]);
    const capacity = { s: 1, t0: 1, t1: 1 };
    const seats = { free: 2, offered: 0, booked: 1 };
    const shop = { ...SHOP, capacity, seats };
    const other = { ...shop, release: 'other', seats: { free: 3, offered: 0, booked: 0 } };
    expect(verdictOf({ ...also(...both), releases: [EVENING, shop, other] })).toMatchObject({
      ...NONE,
      doubleBooked: 1,
    });
  });
});

const MORROW: ReleaseFacts = {
  ...SHOP,
  release: 'morrow',
  mode: 'lottery',
  capacity: {},
  seats: { free: 0, offered: 0, booked: 0 },
};
const enteredIn = (release: string, atMs: number): Enter => ({
  ...entered('hari', atMs, 'a'),
  release,
});
const withdrawnFrom = (release: string, atMs: number): Write => ({
  ...sent('hari', atMs, release),
  kind: 'withdraw',
});
const confirmed: Write = {
  ...sent('hari', 1_500),
  kind: 'confirm',
  booking: 'evening.e-hari.0',
};
const cancelled: Write = { ...confirmed, ...sent('hari', 1_900), kind: 'cancel' };
const bookedAt = (atMs: number): Write[] => [
  { ...sent('hari', atMs, 'shop'), kind: 'book', slot: 't', booking: 'shop.h.i1' },
  { ...sent('hari', atMs + 50, 'shop'), kind: 'cancel', booking: 'shop.h.i1' },
];

describe('sees two claims at a time that are over by now', () => {
  const shop = { ...SHOP, capacity: { s: 1, t: 1 }, seats: { free: 1, offered: 0, booked: 1 } };
  /** Rounds without changes, that tell of the cancellation. */
  const calm = {
    ...EVENING,
    seats: { free: 2, offered: 0, booked: 1 },
    rounds: EVENING.rounds.map((one) =>
      one.round === 1
        ? { ...one, since: { ...one.since, lost: [], cancelled: ['e-bela', 'e-hari'] } }
        : one,
    ),
    changes: { closed: [], lost: [] },
  };
  const doublesOf = (writes: readonly Write[], evening = calm): number => {
    const rest = WRITES.filter(({ kind }) => kind !== 'lose');
    const releases = [evening, shop, MORROW];
    return verdictOf({ writes: [...rest, ...writes], releases }).doubleBooked;
  };

  it.each<[string, number, Write[]]>([
    [
      'entries in two lotteries',
      1,
      [
        enteredIn('evening', 100),
        enteredIn('morrow', 200),
        withdrawnFrom('morrow', 300),
        withdrawnFrom('evening', 400),
      ],
    ],
    [
      'entries one after the other',
      0,
      [
        enteredIn('evening', 100),
        withdrawnFrom('evening', 150),
        enteredIn('morrow', 200),
        withdrawnFrom('morrow', 300),
      ],
    ],
    ['an entry that is edited', 0, [enteredIn('evening', 100), enteredIn('evening', 200)]],
    [
      'an entry that may have been withdrawn',
      0,
      [
        { ...withdrawnFrom('evening', 50), outcome: 'unknown' },
        enteredIn('evening', 100),
        enteredIn('morrow', 200),
      ],
    ],
    ['an entry after another was cut', 0, [enteredIn('evening', 900), enteredIn('morrow', 1_000)]],
    [
      'an entry after the release of another was over',
      0,
      [enteredIn('evening', 2_900), { ...enteredIn('morrow', 3_100) }],
    ],
    ['a confirmation and a booking at once', 1, [confirmed, ...bookedAt(1_600), cancelled]],
    [
      'a booking after a confirmed one was given back',
      0,
      [confirmed, cancelled, ...bookedAt(1_950)],
    ],
    ['an entry and a booking at once', 1, [enteredIn('evening', 100), ...bookedAt(300)]],
  ])('%s: %i', (_what, doubles, writes) => {
    expect(doublesOf(writes)).toBe(doubles);
  });

  it('but not with a booking that an operator may have taken', () => {
    const writes = [confirmed, ...bookedAt(2_100)];
    const rounds = calm.rounds.map((one) =>
      one.round === 1 ? { ...one, since: { ...one.since, closed: ['b'] } } : one,
    );
    expect(doublesOf(writes)).toBe(1);
    expect(doublesOf(writes, { ...calm, rounds })).toBe(0);
  });
});

describe('counts one round that cannot be trusted', () => {
  it.each<[string, Partial<Evidence>]>([
    ['whose files have another digest', evening({ recomputed: ['d0', 'x'] })],
    ['whose files the verifier refuses', evening({ recomputed: ['d0'] })],
    [
      'whose digest was another before',
      { sightings: [...SIGHTINGS, { release: 'evening', round: 1, digest: 'x' }] },
    ],
    [
      'that was published and is gone',
      { sightings: [...SIGHTINGS, { release: 'evening', round: 2, digest: 'd2' }] },
    ],
    [
      'that was sealed twice',
      { sightings: [...SIGHTINGS, { release: 'evening', round: 1, seal: 'x' }] },
    ],
  ])('%s', (_what, changed) => {
    expect(verdictOf(changed)).toMatchObject({ ...NONE, digestMismatches: 1 });
  });
});

it('counts seats that nobody has', () => {
  expect(verdictOf(evening({ seats: { free: 0, offered: 0, booked: 1 } }))).toMatchObject({
    ...NONE,
    missingSeats: 1,
  });
});

/** Answers every request likewise, for as long as the work goes on. */
async function answering<T>(
  status: number,
  body: object,
  work: (client: ReturnType<typeof createClient>) => Promise<T>,
): Promise<T> {
  const server = createServer((_request, response) => {
    response.writeHead(status).end(JSON.stringify(body));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const client = createClient(() => [`http://127.0.0.1:${port}`], seededRandom('answering'));
  try {
    return await work(client);
  } finally {
    client.close();
    server.close();
  }
}

describe('gathers', () => {
  const released = (release: string, endsAtMs: number, series = true): Release => ({
    release,
    mode: 'lottery',
    series,
    slots: [],
    closesAtMs: 0,
    endsAtMs,
  });

  it('who may have been carried to a later release, however late they came to the one before', () => {
    const partyOf = (account: string) => ({ account, token: '', people: [account] });
    const [asha, bela, chand] = [partyOf('asha'), partyOf('bela'), partyOf('chand')];
    // The second was published first, before anybody had registered for the first.
    const releases = [released('two', 20), released('one', 10), released('alone', 30, false)];
    const parties = new Map([
      ['one', [asha]],
      ['two', [bela, asha]],
      ['alone', [chand]],
    ]);
    const asked = toAsk(releases, parties).map(
      ({ release, party }) => `${release} ${party.account}`,
    );
    expect(asked.toSorted()).toEqual(['alone chand', 'one asha', 'two asha', 'two bela']);
    parties.get('one')?.push(chand);
    expect(toAsk(releases, parties)).toContainEqual({ release: 'two', party: chand });
  });

  it('which releases entries may be carried into, unless there may be one more', () => {
    const [one, two, alone] = [released('one', 10), released('two', 30), released('x', 20, false)];
    const after = (release: Release, ...unheardEndsMs: number[]) =>
      laterIn(release, [two, alone, one], unheardEndsMs);
    expect([after(one), after(two), after(alone)]).toEqual([['two'], [], []]);
    expect([after(one, 20), after(one, 5), after(alone, 40)]).toEqual([undefined, ['two'], []]);
  });

  it('that a release is gone only where that is said', async () => {
    const played = {
      releases: [released('one', 0)],
      unheardEndsMs: [],
      parties: new Map(),
      writes: [],
      sightings: [],
    };
    const found = await answering(404, { code: 'RELEASE_UNKNOWN' }, (client) =>
      gather(client, played),
    );
    expect(found).toMatchObject({ releases: [], vanished: ['one'] });
    const other = answering(404, { code: 'NOT_FOUND' }, (client) => gather(client, played));
    await expect(other).rejects.toThrow('/v1/releases/one is missing');
    const away = answering(503, { code: 'RELEASE_UNKNOWN' }, (client) => client.refusal('/', 0));
    expect(await away).toBeUndefined();
  });

  it('registrations among the writes, and who is registered at the end', async () => {
    const writes: Write[] = [];
    const person = { beneficiaryId: 'asha' };
    const { registered } = await answering(
      200,
      { ...person, beneficiaries: [person] },
      async (client) => {
        await register(client, () => 1, 'an account', writes);
        return gather(client, {
          releases: [],
          unheardEndsMs: [],
          parties: new Map(),
          writes,
          sightings: [],
        });
      },
    );
    expect(writes).toMatchObject([{ kind: 'register', person: 'asha', account: 'an account' }]);
    expect(registered).toEqual(new Map([['an account', ['asha']]]));
  });
});
