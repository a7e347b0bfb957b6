/**
 * What a release needs of machines, from what one request costs: pure arithmetic, so that a planner
 * can follow it and put in figures of their own. Money is left out: cores, bytes and SMS have other
 * prices everywhere.
 */
import { present } from '../../src/lib/assert.ts';
import type { Spending } from '../support/spending.ts';

/** What `npm run bench -- cost` measures. */
export type Measured = {
  /** One compressed calendar of a district, from memory; body bytes. */
  readonly read: { readonly serverUs: number; readonly redisUs: number; readonly bytes: number };
  /** Captcha asked for, OTP asked for, OTP brought back. `bytes`: answered, head and body. */
  readonly signIn: Spending & { readonly bytes: number };
  readonly entry: Spending & { readonly bytes: number };
  /** One look of a person at what became of their entry. */
  readonly result: Spending & { readonly bytes: number };
  /** Of an SMS that waits: taken, sent, struck off. The request to the gateway is not in it. */
  readonly sms: Spending;
  readonly memory: { readonly bytesPerPerson: number; readonly bytesPerEntry: number };
  /** From the cut to the publication. */
  readonly draw: { readonly usPerEntry: number };
};

/** What nobody can measure on a bench: each with its unit, and where it comes from. */
export const ASSUMPTIONS = {
  peakToMean: {
    value: 4,
    unit: 'busiest second / mean second of the window',
    source: 'assumption; yours: *Requests by route*, busiest minute over mean',
  },
  otpsPerPerson: {
    value: 1.2,
    unit: 'OTPs sent / person',
    source: 'assumption: everyone signs in once, one in five asks again',
  },
  entriesPerPerson: {
    value: 1.2,
    unit: 'entries put / person',
    source: 'assumption: everyone enters, one in five changes the entry',
  },
  readsPerPerson: {
    value: 10,
    unit: 'calendars read / person in the window',
    source: 'assumption; of CoWIN 90 of 100 requests were reads in the table above',
  },
  resultsPerPerson: {
    value: 3,
    unit: 'looks at one’s own entry / person after the draw',
    source: 'assumption',
  },
  resultWindowS: {
    value: 900,
    unit: 's in which they look, arrivals as uneven as in the window',
    source: 'assumption',
  },
  peoplePerSeat: {
    value: 11,
    unit: 'people / seat',
    source: 'Pune in April 2021 (`src/demo/population.ts`)',
  },
  smsPerWinner: {
    value: 2,
    unit: 'SMS / winner: offer and booking',
    source: '[sms](sms.md)',
  },
  offersWithinS: {
    value: 900,
    unit: 's in which offers should go out',
    source: 'assumption: half of the 1,800 s of `confirmWithinS` above',
  },
  gatewayAnswerS: {
    value: 0.2,
    unit: 's until a gateway answers',
    source: 'assumption',
  },
  smsInHand: {
    value: 32,
    unit: 'SMS in hand of a worker',
    source: '`SMS_CONCURRENCY`',
  },
  gatewayPerS: {
    value: 1_000,
    unit: 'SMS/s that the gateway takes',
    source: 'assumption; yours: its quota, in writing',
  },
  load: {
    value: 0.5,
    unit: 'part of a core that is planned to be busy at the peak',
    source: 'as in the table above',
  },
  cacheHits: {
    value: 0.99,
    unit: 'part of reads that a CDN answers',
    source: 'assumption: `max-age` is a second or more, and thousands ask in it',
  },
  aofRewrite: {
    value: 2,
    unit: 'times `maxmemory` that the host has',
    source: 'the AOF’s rewrite forks',
  },
  memoryBeside: {
    value: 2,
    unit: 'times what people and entries take, as `maxmemory`',
    source: 'as in the table above: accounts, SMS, other releases',
  },
} as const satisfies Record<string, Assumed>;

type Assumed = { readonly value: number; readonly unit: string; readonly source: string };
export type Assumptions = Readonly<Record<keyof typeof ASSUMPTIONS, number>>;

export const assumed = (): Assumptions =>
  Object.fromEntries(
    Object.entries(ASSUMPTIONS).map(([name, { value }]) => [name, value]),
  ) as Assumptions;

/** Who comes, and when. */
export type Evening = {
  readonly people: number;
  /** In which they sign in, read and enter. */
  readonly windowS: number;
  /** People of the largest release: all its entries are on one shard and in one draw. */
  readonly largestRelease: number;
};

export type Rates = Readonly<
  Record<'reads' | 'signIns' | 'entries' | 'results' | 'smsUrgent' | 'smsRoutine', number>
>;

export type Cost = ReturnType<typeof costOf>;

const US_OF_S = 1_000_000;
const BITS = 8;

/** A second at the busiest moment. Results come after the window, and are not in its peak. */
export function ratesOf({ people, windowS }: Evening, a: Assumptions): Rates {
  /** `each` of a person, spread over so many seconds, times the peak. */
  const peak = (each: number, seconds: number): number => (people * each * a.peakToMean) / seconds;
  return {
    reads: peak(a.readsPerPerson, windowS),
    signIns: peak(a.otpsPerPerson, windowS),
    entries: peak(a.entriesPerPerson, windowS),
    results: peak(a.resultsPerPerson, a.resultWindowS),
    smsUrgent: peak(a.otpsPerPerson, windowS), // one OTP each sign-in
    // Queued by the draw at once and sent evenly: no peak beyond the mean.
    smsRoutine: ((people / a.peoplePerSeat) * a.smsPerWinner) / a.offersWithinS,
  };
}

/** Cores busy: requests a second times microseconds each, over a million microseconds of a core. */
const cores = (perS: number, us: number): number => (perS * us) / US_OF_S;

export function costOf(m: Measured, evening: Evening, a: Assumptions = assumed()) {
  const { people, windowS } = evening;
  const rates = ratesOf(evening, a);
  const servers = serversOf(m, rates, a);
  const redis = redisOf(m, evening, rates, a);
  const { otpsPerPerson } = a;
  return {
    people,
    windowS,
    largestRelease: evening.largestRelease,
    rates,
    servers,
    redis,
    memory: memoryOf(m, people, redis.primaries, a),
    aof: aofOf(m, people, rates, a),
    sms: {
      perMinute: rates.smsUrgent * 60,
      // A worker has so many in hand, each for as long as the gateway takes to answer.
      workers: Math.ceil(
        (Math.max(rates.smsUrgent, rates.smsRoutine) * a.gatewayAnswerS) / a.smsInHand,
      ),
      routinePerS: rates.smsRoutine,
      total: people * otpsPerPerson + (people / a.peoplePerSeat) * a.smsPerWinner,
      // The shortest window whose peak the gateway takes: people × OTPs × peak over its rate.
      windowS: (people * otpsPerPerson * a.peakToMean) / a.gatewayPerS,
    },
    network: networkOf(m, rates, a),
    draw: {
      // The largest release is one draw of one worker; the others are drawn beside it or after it.
      largestS: (evening.largestRelease * m.draw.usPerEntry) / US_OF_S,
      allCoreS: (people * m.draw.usPerEntry) / US_OF_S,
    },
  };
}

/** In the window, and after the draw; machines must do for the larger. */
function serversOf(m: Measured, rates: Rates, a: Assumptions) {
  const window =
    cores(rates.reads, m.read.serverUs) +
    cores(rates.signIns, m.signIn.serverUs) +
    cores(rates.entries, m.entry.serverUs);
  const windowBehindCdn = window - cores(rates.reads * a.cacheHits, m.read.serverUs);
  const results = cores(rates.results, m.result.serverUs);
  return {
    window,
    windowBehindCdn,
    results,
    /** Planned at `load`. */
    cores: Math.ceil(Math.max(window, results) / a.load),
    coresBehindCdn: Math.ceil(Math.max(windowBehindCdn, results) / a.load),
  };
}

/** What one Redis thread has to do for a tag, in cores. */
export type TagLoad = {
  readonly tag: string;
  /** One tag for all people, which no number of shards divides. */
  readonly isShared: boolean;
  readonly window: number;
  readonly results: number;
};

export function tagLoads(m: Measured, rates: Rates): readonly TagLoad[] {
  const tags = new Set(
    [m.signIn, m.entry, m.result, m.sms].flatMap((one) => Object.keys(one.tags)),
  );
  return Array.from(tags, (tag) => ({
    tag,
    isShared: tag.length > 1, // others are a letter for their kind
    window:
      cores(rates.signIns, m.signIn.tags[tag] ?? 0) +
      cores(rates.entries, m.entry.tags[tag] ?? 0) +
      // Only OTPs: offers go out after the window.
      cores(rates.smsUrgent, m.sms.tags[tag] ?? 0),
    results: cores(rates.results, m.result.tags[tag] ?? 0),
  }));
}

const larger = ({ window, results }: TagLoad): number => Math.max(window, results);

function redisOf(m: Measured, { people, largestRelease }: Evening, rates: Rates, a: Assumptions) {
  const window =
    cores(rates.reads, m.read.redisUs) +
    cores(rates.signIns, m.signIn.redisUs) +
    cores(rates.entries, m.entry.redisUs) +
    cores(rates.smsUrgent, m.sms.redisUs);
  const results = cores(rates.results, m.result.redisUs);
  const tags = tagLoads(m, rates);
  const shared = tags
    .filter(({ isShared }) => isShared)
    .map((one) => ({ tag: one.tag, cores: larger(one) }))
    .toSorted((one, other) => other.cores - one.cores);
  const release = present(
    tags.find(({ tag }) => tag === 'r'),
    'the tag of a release',
  );
  const part = largestRelease / people;
  return {
    window,
    results,
    /** Threads, each a primary, if load were even; the hottest shard: `npm run bench -- shards`. */
    primaries: Math.ceil(Math.max(window, results) / a.load),
    /** Tags that no number of shards divides, the busiest first. */
    shared,
    /** Of the one shard that has the largest release, for that release alone. */
    largestRelease: larger(release) * part,
  };
}

function memoryOf({ memory }: Measured, people: number, primaries: number, a: Assumptions) {
  const data = people * (memory.bytesPerPerson + memory.bytesPerEntry);
  const maxmemory = data * a.memoryBeside;
  return {
    /** People registered and entered. */
    data,
    maxmemory,
    /** Of all primaries' hosts; as much again for each replica. */
    hosts: maxmemory * a.aofRewrite,
    maxmemoryPerPrimary: maxmemory / primaries,
  };
}

/** Bytes to disk, and as many to each replica. */
function aofOf(m: Measured, people: number, rates: Rates, a: Assumptions) {
  const { signIn, entry, sms } = m;
  const perPerson =
    a.otpsPerPerson * (signIn.aofBytes + sms.aofBytes) + a.entriesPerPerson * entry.aofBytes;
  return {
    perS:
      rates.signIns * signIn.aofBytes +
      rates.entries * entry.aofBytes +
      rates.smsUrgent * sms.aofBytes,
    total: people * perPerson,
  };
}

/** Bits a second out of the servers. */
function networkOf(m: Measured, rates: Rates, a: Assumptions) {
  const own = rates.signIns * m.signIn.bytes + rates.entries * m.entry.bytes; // nobody else's to cache
  const reads = rates.reads * m.read.bytes;
  return {
    bitsPerS: (reads + own) * BITS,
    bitsPerSBehindCdn: (reads * (1 - a.cacheHits) + own) * BITS,
    resultsBitsPerS: rates.results * m.result.bytes * BITS,
  };
}

/** A second, of one core and of one Redis thread, at full load and at the planned one. */
export const capacityOf = ({ entry, signIn, result }: Measured, a: Assumptions = assumed()) => {
  const perS = (us: number) => ({ full: US_OF_S / us, planned: (US_OF_S / us) * a.load });
  return {
    entriesPerCore: perS(entry.serverUs),
    entriesPerShard: perS(entry.redisUs),
    /** Of one release: only what is under its tag is on one shard. */
    entriesPerRelease: perS(entry.tags['r'] ?? Number.NaN),
    signInsPerCore: perS(signIn.serverUs),
    signInsPerShard: perS(signIn.redisUs),
    resultsPerCore: perS(result.serverUs),
    resultsPerShard: perS(result.redisUs),
  };
};

/** People of one release that a shard takes which has nothing else, in a window. */
export const largestReleaseOf = (m: Measured, windowS: number, a: Assumptions = assumed()) =>
  (capacityOf(m, a).entriesPerRelease.planned * windowS) / (a.entriesPerPerson * a.peakToMean);
