/** A lottery over the vaccination sites of Pune, and the people who enter it. */
import { readFileSync } from 'node:fs';
import { readSites, scaleSites, sitesToCsv } from '../../src/demo/population.ts';
import type { Progress } from '../../src/progress.ts';
import { between, seededRandom } from '../../src/demo/random.ts';
import type { Engine } from '../../src/engine.ts';
import { present } from '../../src/lib/assert.ts';
import { isoFromMs, nowMs } from '../../src/lib/clock.ts';
import { accountOf } from '../../src/people/sign-in.ts';
import { isRefusal, type Refusal } from '../../src/refusal.ts';
import { ReleaseTerms } from '../../src/releases/rules.ts';
import type { Published } from '../../src/releases/service.ts';

export const RELEASE = 'pune-2021-04-10';

const DATA = new URL('../data/pune-2021-04-10.csv', import.meta.url);
/** People for one seat. */
const DEMAND = 11;
const ID_TYPE = 'aadhaar';
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

export const granted = <T>(outcome: T | Refusal): T => {
  if (isRefusal(outcome)) throw new Error(`refused: ${JSON.stringify(outcome)}`);
  return outcome;
};

/** Publishes a release with a seat for one in eleven of `people`; it is open for an hour. */
export async function openRelease(
  engine: Engine,
  release: string,
  people: number,
  series: string | null = null,
): Promise<Published> {
  const now = nowMs();
  const terms = ReleaseTerms.parse({
    release,
    title: 'Pune, 10 April 2021',
    mode: 'lottery',
    opensAt: isoFromMs(now - 1),
    closesAt: isoFromMs(now + HOUR_MS),
    endsAt: isoFromMs(now + 2 * HOUR_MS),
    idTypes: [ID_TYPE],
    series,
  });
  return publishOver(engine, terms, Math.ceil(people / DEMAND), now);
}

/** The same with so many seats, first come, first served. */
export async function openForBooking(
  engine: Engine,
  release: string,
  seats: number,
): Promise<Published> {
  const now = nowMs();
  const terms = ReleaseTerms.parse({
    release,
    title: 'Pune, 10 April 2021',
    mode: 'immediate',
    opensAt: isoFromMs(now - 1),
    endsAt: isoFromMs(now + 2 * HOUR_MS),
    idTypes: [ID_TYPE],
  });
  return publishOver(engine, terms, seats, now);
}

/** Over the sites of Pune, each with its share of the seats. */
const publishOver = (
  engine: Engine,
  terms: ReleaseTerms,
  seats: number,
  now: number,
): Promise<Published> =>
  publishSites(engine, terms, scaleSites(readSites(readFileSync(DATA, 'utf8')), seats), now);

/** Sessions of tomorrow, for people of 45 and more. */
export async function publishSites(
  { releases }: Engine,
  terms: ReleaseTerms,
  sites: Parameters<typeof sitesToCsv>[0],
  now: number,
): Promise<Published> {
  const { release } = terms;
  granted(await releases.create(terms));
  granted(
    await releases.importInto(release, sitesToCsv(sites), {
      date: isoFromMs(now + DAY_MS).slice(0, 10),
      service: 'COVISHIELD',
      dose: 1,
      minAge: 45,
      maxAge: null,
      bands: [{ from: '09:00', to: '17:00' }],
      columns: { centre: 'site_id', name: 'site_name', seats: 'doses_given' },
    }),
  );
  granted(await releases.publish(release, now));
  return granted(await releases.published(release));
}

export type Citizen = { readonly account: string; readonly person: string };

/** Registers people, each under an account of their own, through the service that the API calls. */
export async function registerCitizens(
  { people, secrets }: Engine,
  count: number,
  progress: Progress,
): Promise<Citizen[]> {
  const phase = progress('registering people', count);
  const citizens = await inBatches(count, async (index) => {
    const account = accountOf(secrets, `+9198${String(index).padStart(8, '0')}`);
    const { beneficiaryId } = granted(
      await people.addBeneficiary(account, {
        name: `Citizen ${index}`,
        birthYear: 1930 + (index % 40),
        gender: index % 2 === 0 ? 'female' : 'male',
        idType: ID_TYPE,
        idNumber: String(200_000_000_000 + index),
      }),
    );
    phase.advance();
    return { account, person: beneficiaryId };
  });
  phase.done();
  return citizens;
}

const MOST_WISHES = 5;

/** Slots that a citizen asks for, best first; `edit` counts their changes of mind. */
export type Wishes = (index: number, edit?: number) => string[];

/**
 * One to five slots, the larger ones more often. The next edit has another number of them: it is a
 * write, never a repetition.
 */
export function wishesFor({ manifest }: Published): Wishes {
  const slotOfSeat = manifest.slots.flatMap(({ slot, pools }) =>
    pools.flatMap(({ seats }) => Array.from({ length: seats }, () => slot)),
  );
  return (index, edit = 0) => {
    const random = seededRandom(`${index}/${edit}`);
    const count = Math.min(1 + ((index + edit) % MOST_WISHES), manifest.slots.length);
    const wishes = new Set<string>();
    while (wishes.size < count)
      wishes.add(present(slotOfSeat[between(random, 0, slotOfSeat.length - 1)], 'a seat'));
    return [...wishes];
  };
}

/** Enters everybody once, through the service that the API calls. */
export async function enterAll(
  { rounds }: Engine,
  published: Published,
  citizens: readonly Citizen[],
  progress: Progress,
  carryOverUntil?: string,
): Promise<void> {
  const { release } = published.manifest;
  const wishes = wishesFor(published);
  const phase = progress('entering', citizens.length);
  await inBatches(citizens.length, async (index) => {
    const { account, person } = present(citizens[index], 'a citizen');
    const request = { beneficiaries: [person], preferences: wishes(index), carryOverUntil };
    granted(await rounds.enter(account, release, request));
    phase.advance();
  });
  phase.done();
}

/** Enough at once to fill the pipeline to Redis. */
const AT_ONCE = 500;

/** Runs `work` for 0 to count - 1, some hundreds at once, and gathers what it gives. */
export async function inBatches<T>(
  count: number,
  work: (index: number) => Promise<T>,
): Promise<T[]> {
  const results: T[] = [];
  for (let start = 0; start < count; start += AT_ONCE) {
    const batch = Array.from({ length: Math.min(AT_ONCE, count - start) }, (_, i) =>
      work(start + i),
    );
    results.push(...(await Promise.all(batch)));
  }
  return results;
}
