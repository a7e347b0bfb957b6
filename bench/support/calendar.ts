/**
 * A district's calendarByDistrict reply, for benches and tests: the vaccination sites of Pune over
 * seven days.
 *
 * Real: the ids and names of the 459 sites, and the doses that each gave on 10 April 2021
 * (bench/data), which are its capacity on every day here; the names of the state, the district and
 * its blocks.
 *
 * Made up, the same at every run: which block a site is in, its pincode, address and times, who
 * pays, prices, vaccines, ages, how doses are shared between first and second, slots, session ids.
 */
import { readFileSync } from 'node:fs';
import { v5 as namedUuid } from 'uuid';
import { readSites, type Site } from '../../src/demo/population.ts';
import { between, type Random, seededRandom } from '../../src/demo/random.ts';
import { present } from '../../src/lib/assert.ts';
import { isoFromMs, msFromIso } from '../../src/lib/clock.ts';

/** As CoWIN numbered them. */
export const PUNE = { stateId: 21, districtId: 363 } as const;

const DATA = new URL('../data/pune-2021-04-10.csv', import.meta.url);
const DAYS = 7;
const DAY_MS = 86_400_000;
/** Session ids are the RFC 9562 name-based UUIDs of site, day and vaccine in this namespace. */
const NAMESPACE = '6f1c3a52-93f5-5d0f-8f0e-6a4c19a8f5d1';
const BLOCKS = [
  'Ambegaon',
  'Baramati',
  'Bhor',
  'Daund',
  'Haveli',
  'Indapur',
  'Junnar',
  'Khed',
  'Maval',
  'Mulshi',
  'Purandar',
  'Shirur',
  'Velhe',
];
const FIRST_PINCODE = 410_501;
const PINCODES_OF_BLOCK = 20;
const PAID = 0.2;
const SECOND_DOSES = 0.3;
const FEES: Readonly<Record<string, number>> = {
  COVISHIELD: 250,
  COVAXIN: 250,
  'SPUTNIK V': 1_145,
};
const LENGTHS_OF_DAY = [
  {
    from: '09:00:00',
    to: '15:00:00',
    slots: ['09:00AM-11:00AM', '11:00AM-01:00PM', '01:00PM-03:00PM'],
  },
  {
    from: '10:00:00',
    to: '17:30:00',
    slots: ['10:00AM-12:00PM', '12:00PM-02:30PM', '02:30PM-05:30PM'],
  },
  { from: '09:00:00', to: '17:00:00', slots: ['FORENOON', 'AFTERNOON'] },
];
const AGES = [
  { min_age_limit: 45, allow_all_age: true },
  { min_age_limit: 45, allow_all_age: true },
  { min_age_limit: 18, max_age_limit: 44, allow_all_age: false },
];

export type CalendarSession = {
  readonly session_id: string;
  /** DD-MM-YYYY. */
  readonly date: string;
  readonly available_capacity: number;
  readonly available_capacity_dose1: number;
  readonly available_capacity_dose2: number;
  readonly min_age_limit: number;
  readonly max_age_limit?: number;
  readonly allow_all_age: boolean;
  readonly vaccine: string;
  readonly slots: readonly string[];
};
export type CalendarCenter = {
  readonly center_id: number;
  readonly name: string;
  readonly address: string;
  readonly state_name: string;
  readonly district_name: string;
  readonly block_name: string;
  readonly pincode: number;
  readonly lat: number;
  readonly long: number;
  readonly from: string;
  readonly to: string;
  readonly fee_type: 'Free' | 'Paid';
  readonly vaccine_fees?: readonly { readonly vaccine: string; readonly fee: string }[];
  readonly sessions: readonly CalendarSession[];
};
export type Calendar = { readonly centers: readonly CalendarCenter[] };

/** `firstDay`: YYYY-MM-DD. Some 18,000 slots: what one release may hold. */
export function puneCalendar(firstDay: string): Calendar {
  const firstMs = msFromIso(`${firstDay}T00:00:00.000Z`);
  const days = Array.from({ length: DAYS }, (_day, index) =>
    isoFromMs(firstMs + index * DAY_MS).slice(0, 10),
  );
  return { centers: readSites(readFileSync(DATA, 'utf8')).map((site) => centerOf(site, days)) };
}

const oneOf = <T>(random: Random, items: readonly T[]): T =>
  present(items[between(random, 0, items.length - 1)], 'an item');

function centerOf(site: Site, days: readonly string[]): CalendarCenter {
  const random = seededRandom(`calendar/${site.id}`);
  const block = between(random, 0, BLOCKS.length - 1);
  const blockName = present(BLOCKS[block], 'a block');
  const paid = random() < PAID;
  const { slots, ...opening } = oneOf(random, LENGTHS_OF_DAY);
  const vaccines = paid ? Object.keys(FEES) : ['COVISHIELD', 'COVISHIELD', 'COVAXIN'];
  return {
    center_id: Number(site.id),
    name: site.name,
    address: `${site.name}, ${blockName}`,
    state_name: 'Maharashtra',
    district_name: 'Pune',
    block_name: blockName,
    pincode: FIRST_PINCODE + block * PINCODES_OF_BLOCK + between(random, 0, PINCODES_OF_BLOCK - 1),
    lat: 18,
    long: 73,
    ...opening,
    fee_type: paid ? 'Paid' : 'Free',
    ...(paid && {
      vaccine_fees: Object.entries(FEES).map(([vaccine, fee]) => ({ vaccine, fee: String(fee) })),
    }),
    sessions: days.map((day) => {
      const second = Math.floor(site.seats * SECOND_DOSES * random());
      const vaccine = oneOf(random, vaccines);
      return {
        session_id: namedUuid(`${site.id}/${day}/${vaccine}`, NAMESPACE),
        date: day.split('-').toReversed().join('-'),
        available_capacity: site.seats,
        available_capacity_dose1: site.seats - second,
        available_capacity_dose2: second,
        ...oneOf(random, AGES),
        vaccine,
        slots,
      };
    }),
  };
}
