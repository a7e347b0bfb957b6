/** What an entry costs in Redis, claim and audit included. */
import type { Progress } from '../src/progress.ts';
import { present } from '../src/lib/assert.ts';
import { keys } from '../src/redis/keys.ts';
import type { Redis } from '../src/redis/client.ts';
import { withEngine } from './support/engine.ts';
import { sum } from './support/numbers.ts';
import { entries as entriesOption } from './support/options.ts';
import { type Citizen, enterAll, openRelease, registerCitizens, RELEASE } from './support/pune.ts';
import type { Scenario } from './support/scenario.ts';

const GOAL_BYTES = 200;
/** Persons whose keys are measured one by one. */
const SAMPLE = 1_000;

export type MemoryOptions = { readonly entries: number };

export const measureMemory = ({ entries }: MemoryOptions, progress: Progress) =>
  withEngine(async ({ engine, redis }) => {
    const published = await openRelease(engine, RELEASE, entries);
    const emptyBytes = await usedBytes(redis);
    const citizens = await registerCitizens(engine, entries, progress);
    const registeredBytes = await usedBytes(redis);
    const personBytes = await meanOf(redis, citizens, ({ person }) => keys.person(person));
    await enterAll(engine, published, citizens, progress);
    const bytesPerEntry = Math.round(((await usedBytes(redis)) - registeredBytes) / entries);

    const perEntry = async (key: string): Promise<number> =>
      Math.round((await sizeOf(redis, key)) / entries);
    const claimedBytes = await meanOf(redis, citizens, ({ person }) => keys.person(person));
    return {
      bytesPerEntry,
      /** By MEMORY USAGE: what is left of the total, Redis needs to keep its own tables sparse. */
      of: {
        entering: await perEntry(keys.entering(RELEASE)),
        accounts: await perEntry(keys.accounts(RELEASE)),
        audit: await perEntry(keys.audit(RELEASE)),
        claim: claimedBytes - personBytes,
      },
      registered: {
        bytesPerPerson: Math.round((registeredBytes - emptyBytes) / entries),
        person: personBytes,
        beneficiaries: await meanOf(redis, citizens, ({ account }) => keys.beneficiaries(account)),
      },
      entries,
    };
  });

async function usedBytes(redis: Redis): Promise<number> {
  const info = await redis.info('memory');
  return Number(present(/^used_memory:(\d+)/m.exec(info)?.[1], 'used_memory'));
}

/** Bytes of a key with its value and its place in the key table; large ones are sampled. */
const sizeOf = async (redis: Redis, key: string): Promise<number> =>
  present(await redis.memory('USAGE', key, 'SAMPLES', SAMPLE), `memory of ${key}`);

/** Of a key that each citizen has. */
async function meanOf(
  redis: Redis,
  citizens: readonly Citizen[],
  keyOf: (citizen: Citizen) => string,
): Promise<number> {
  const sample = citizens.slice(0, SAMPLE);
  const sizes = await Promise.all(sample.map((citizen) => sizeOf(redis, keyOf(citizen))));
  return Math.round(sum(sizes) / sizes.length);
}

export const memory: Scenario<MemoryOptions> = {
  name: 'memory',
  summary: 'bytes of Redis for each entry',
  options: [entriesOption()],
  inAll: { mostS: 50 },
  quick: { entries: 300 },
  run: async (options, progress) => {
    const figures = await measureMemory(options, progress);
    const { bytesPerEntry, of, registered } = figures;
    const rest = (all: number, parts: object): number =>
      Math.max(0, all - sum(Object.values(parts)));
    const { bytesPerPerson, ...ofPerson } = registered;
    const parts: [string, number][] = [
      ['the entry', of.entering],
      ["the account's charge", of.accounts],
      ['audit', of.audit],
      ['the claim', of.claim],
      ['tables of Redis', rest(bytesPerEntry, of)],
      ['(person)', ofPerson.person],
      ['(beneficiary)', ofPerson.beneficiaries],
      ['(tables of Redis)', rest(bytesPerPerson, ofPerson)],
    ];
    return {
      figures,
      goals: [
        {
          name: 'memory of Redis for an entry',
          figure: bytesPerEntry,
          unit: 'bytes',
          atMost: GOAL_BYTES,
        },
      ],
      charts: [
        {
          title: 'What the bytes are',
          description: `An entry takes ${bytesPerEntry} bytes; in brackets what its person takes, who is registered once.`,
          kind: 'bars',
          x: { label: '', categories: parts.map(([name]) => name) },
          y: { label: 'bytes' },
          series: [{ name: 'bytes', points: parts.map(([, bytes], place) => [place, bytes]) }],
        },
      ],
      errors: 0,
    };
  },
};
