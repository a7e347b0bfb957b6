/** What discovery answers, held against a model that looks at every slot of every manifest. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { calendarFrom, calendarOfCentre, type Part, sessionsOn } from '../../src/cowin/answers.ts';
import { availabilityOf, coarse } from '../../src/cowin/availability.ts';
import { sessionIdOf } from '../../src/cowin/ids.ts';
import { type Area, atlasOf, placesOf } from '../../src/cowin/places.ts';
import { addDays } from '../../src/lib/days.ts';
import { bandText, dayText } from '../../src/cowin/words.ts';
import { present } from '../../src/lib/assert.ts';
import { Directory, type Manifest } from '../../src/releases/manifest.ts';
import type { ReleaseReading } from '../../src/releases/rules.ts';
import type { Published } from '../../src/releases/service.ts';

const FIRST_DAY = '2099-01-01';
const DAYS = 12;
const VACCINES = ['COVISHIELD', 'Covaxin'];
const BANDS = [
  { from: '09:00', to: '11:00' },
  { from: '11:00', to: '13:30' },
];
const DISTRICTS = [363, 364];

/** A centre is where it is, whichever release it is in. */
const directoryOf = (centre: number) =>
  Directory.parse({
    state_id: 21,
    state_name: 'Maharashtra',
    district_id: DISTRICTS[centre % DISTRICTS.length],
    district_name: `District ${centre % DISTRICTS.length}`,
    block_name: '',
    pincode: 411_000 + (centre % 3),
    address: '',
    lat: 18,
    long: 73,
    from: '09:00',
    to: '13:30',
    fee_type: 'Free',
  });

type Row = {
  readonly centre: number;
  readonly day: number;
  readonly vaccine: number;
  readonly dose: number;
  readonly minAge: number;
  readonly maxAge: number | null;
  readonly band: number;
  readonly seats: number;
};
type Opening = {
  readonly mode: 'lottery' | 'immediate';
  readonly rows: readonly Row[];
  readonly isOpen: boolean;
  readonly isHidden: boolean;
  /** Of the slots, every how many-th is closed; 0 for none. */
  readonly closedEvery: number;
};

const row: fc.Arbitrary<Row> = fc.record({
  centre: fc.integer({ min: 1, max: 5 }),
  day: fc.nat(DAYS - 1),
  vaccine: fc.nat(VACCINES.length - 1),
  dose: fc.integer({ min: 1, max: 2 }),
  minAge: fc.constantFrom(18, 45),
  maxAge: fc.constantFrom(null, 44),
  band: fc.nat(BANDS.length - 1),
  seats: fc.nat(60),
});
const opening: fc.Arbitrary<Opening> = fc.record({
  mode: fc.constantFrom('lottery', 'immediate'),
  rows: fc.uniqueArray(row, {
    minLength: 1,
    maxLength: 25,
    selector: ({ seats: _seats, ...slot }) => JSON.stringify(slot),
  }),
  isOpen: fc.boolean(),
  isHidden: fc.boolean(),
  closedEvery: fc.constantFrom(0, 0, 3),
});

const sessionName = ({ centre, day, vaccine, dose, minAge, maxAge }: Row): string =>
  `${centre}-${day}-${vaccine}-${minAge}-${maxAge ?? 'x'}-d${dose}`;
const ourSession = (one: Row) => ({
  session: sessionName(one),
  centre: String(one.centre),
  date: addDays(FIRST_DAY, one.day),
  service: present(VACCINES[one.vaccine], 'a vaccine'),
  dose: one.dose,
  min_age: one.minAge,
  max_age: one.maxAge,
});

/** As much of a published release as places are made of. */
function published(release: string, { mode, rows }: Opening): Published {
  const sessions = [...new Map(rows.map((one) => [sessionName(one), ourSession(one)])).values()];
  const centres = [1, 2, 3, 4, 5].map((centre) => ({
    centre: String(centre),
    name: `Centre ${centre}`,
    directory: directoryOf(centre),
  }));
  const slots = rows.map((one, index) => ({
    slot: `slot-${index}`,
    session: sessionName(one),
    ...present(BANDS[one.band], 'a band'),
    pools: [
      { pool: 'senior', seats: Math.floor(one.seats / 3) },
      { pool: 'open', seats: one.seats - Math.floor(one.seats / 3) },
    ],
  }));
  const manifest = { release, mode, centres, sessions, slots } as unknown as Manifest;
  return { manifest, slotSessions: rows.map(ourSession) } as unknown as Published;
}

const closedOf = ({ rows, closedEvery }: Opening): Set<number> =>
  new Set(rows.flatMap((_row, slot) => (closedEvery > 0 && slot % closedEvery === 0 ? slot : [])));

/** Of each release, in some order. `area`: where to look. */
function partsOf(openings: readonly Opening[], order: readonly number[], area: Area): Part[] {
  const all = openings.map((one, index) => {
    const found = published(`release-${index}`, one);
    const reading = {
      nowMs: one.isOpen ? 5 : 0,
      opensAtMs: 1,
      closesAtMs: 9,
      endsAtMs: 10,
      published: -1,
    } as unknown as ReleaseReading;
    const free = one.mode === 'immediate' ? one.rows.map(({ seats }) => seats) : undefined;
    const availability = availabilityOf(found, reading, free, closedOf(one), undefined);
    return { found, availability, isHidden: one.isHidden };
  });
  const ordered = order.map((index) => present(all[index], 'a release'));
  const atlas = atlasOf(ordered.map(({ found }) => placesOf(found)));
  return (atlas.areas.get(area) ?? []).map((places) => {
    const one = present(
      ordered.find(({ found }) => found.manifest.release === places.release),
      places.release,
    );
    return { places, availability: one.availability, isHidden: one.isHidden };
  });
}

type Shown = {
  readonly centre: number;
  readonly date: string;
  readonly dose1: number;
  readonly dose2: number;
  readonly bands: readonly string[];
};

/** Sessions by id, from the rows alone. */
function model(
  openings: readonly Opening[],
  isWanted: (one: Row, date: string) => boolean,
): Map<string, Shown> {
  const shown = new Map<string, Shown>();
  for (const [index, one] of openings.entries()) {
    const closed = closedOf(one);
    const byId = Map.groupBy(
      one.rows.map((row, slot) => ({ row, slot, date: addDays(FIRST_DAY, row.day) })),
      ({ row }) => sessionIdOf(`release-${index}`, ourSession(row)),
    );
    for (const [id, all] of byId) {
      const [first] = all;
      if (!first || !isWanted(first.row, first.date)) continue;
      const live = all.filter(({ slot }) => !closed.has(slot));
      const seatsOf = (dose: number): number => {
        const sum = live.reduce((seats, { row }) => seats + (row.dose === dose ? row.seats : 0), 0);
        if (!one.isOpen || one.isHidden) return 0;
        return one.mode === 'lottery' ? coarse(sum) : sum;
      };
      shown.set(id, {
        centre: first.row.centre,
        date: dayText(first.date),
        dose1: seatsOf(1),
        dose2: seatsOf(2),
        bands: [
          ...new Set(live.map(({ row }) => bandText(present(BANDS[row.band], 'a band')))),
        ].toSorted((a, b) => (a < b ? -1 : 1)),
      });
    }
  }
  return shown;
}

const sorted = (bands: readonly string[]): string[] => bands.toSorted((a, b) => (a < b ? -1 : 1));

/** What was answered, by session id, each once. */
function answered(
  sessions: readonly {
    readonly session_id: string;
    readonly center_id: number;
    readonly date: string;
    readonly available_capacity: number;
    readonly available_capacity_dose1: number;
    readonly available_capacity_dose2: number;
    readonly slots: readonly string[];
  }[],
): Map<string, Shown> {
  const shown = new Map<string, Shown>();
  for (const one of sessions) {
    expect(shown.has(one.session_id), 'a session twice').toBe(false);
    const { available_capacity_dose1: dose1, available_capacity_dose2: dose2 } = one;
    expect(one.available_capacity).toBe(dose1 + dose2);
    const { center_id: centre, date, slots } = one;
    shown.set(one.session_id, { centre, date, dose1, dose2, bands: sorted(slots) });
  }
  return shown;
}

const question = fc.record({
  day: fc.integer({ min: -8, max: DAYS + 1 }),
  vaccine: fc.constantFrom(undefined, 'COVISHIELD', 'COVAXIN', 'NONE'),
});
const some = fc.array(opening, { minLength: 1, maxLength: 4 }).chain((openings) =>
  fc.record({
    openings: fc.constant(openings),
    order: fc.shuffledSubarray([...openings.keys()], { minLength: openings.length }),
    question,
  }),
);

/** By place. */
const areas: readonly (readonly [Area, (centre: number) => boolean])[] = [
  ['district:363', (centre) => directoryOf(centre).district_id === 363],
  ['pin:411001', (centre) => directoryOf(centre).pincode === 411_001],
  ['centre:3', (centre) => centre === 3],
];

describe.each(areas)('of %s', (area, isHere) => {
  test('a day and a calendar show exactly the sessions that are there, each once', () => {
    fc.assert(
      fc.property(some, ({ openings, order, question: { day, vaccine } }) => {
        const date = addDays(FIRST_DAY, day);
        const wanted = { date, vaccine };
        const parts = partsOf(openings, order, area);
        const fits = ({ centre, vaccine: number }: Row): boolean =>
          isHere(centre) && (vaccine === undefined || VACCINES[number]?.toUpperCase() === vaccine);

        const { sessions } = sessionsOn(parts, wanted);
        expect(answered(sessions)).toEqual(model(openings, (one, on) => fits(one) && on === date));

        const { centers } = calendarFrom(parts, wanted);
        const flat = centers.flatMap(({ center_id, sessions: those }) =>
          those.map((one) => ({ ...one, center_id })),
        );
        const end = addDays(date, 7);
        expect(answered(flat)).toEqual(
          model(openings, (one, on) => fits(one) && on >= date && on < end),
        );
        // each centre once, by its number, and none without a session
        const ids = centers.map(({ center_id }) => center_id);
        expect(ids).toEqual([...new Set(ids)].toSorted((a, b) => a - b));
        expect(centers.every((centre) => centre.sessions.length > 0)).toBe(true);
        expect(calendarOfCentre(parts, wanted)).toEqual({ centers: centers[0] ?? {} });
      }),
      { numRuns: 150 },
    );
  });
});
