/**
 * The engine on a test Redis, and what tests need around it: people, releases, a worker in this
 * process, and time that passes at once.
 */
import { createEngine, type Engine } from '../../src/engine.ts';
import { present } from '../../src/lib/assert.ts';
import { isoFromMs } from '../../src/lib/clock.ts';
import { createLog } from '../../src/log.ts';
import type { Priority } from '../../src/notify/messages.ts';
import { type Sms, unseal } from '../../src/notify/outbox.ts';
import { createFaults } from '../../src/outage.ts';
import { redisNowMs, type Redis } from '../../src/redis/client.ts';
import { keys } from '../../src/redis/keys.ts';
import { readScript } from '../../src/redis/script.ts';
import type { IdType } from '../../src/people/rules.ts';
import { isRefusal, type Refusal } from '../../src/refusal.ts';
import type { Imported, ImportTerms, Places } from '../../src/releases/import.ts';
import { type PoolShare, ReleaseTerms } from '../../src/releases/rules.ts';
import { type Carrier, createCarrier } from '../../src/rounds/carry/carry.ts';
import { type Conductor, createConductor } from '../../src/rounds/conduct.ts';
import { createLedger, type Ledger } from '../../src/rounds/draw/ledger.ts';
import { isMismatch, replay } from '../../src/rounds/draw/replay.ts';
import type { DrawingStore } from '../../src/rounds/drawing-store.ts';
import { entryIdOf, type EntryState, packEntry } from '../../src/rounds/rules.ts';
import type { Carried } from '../../src/rounds/carry/standing.ts';
import { type VerifyReport, verifyChain } from '../../src/rounds/verify/verify.ts';
import { SECRET } from './app.ts';

export const engineOn = (redis: Redis): Engine => createEngine(redis, { secret: SECRET });

/** What is no refusal: for the steps of a test that must succeed. */
export function granted<T>(answer: T | Refusal): T {
  if (isRefusal(answer)) throw new Error(`refused: ${JSON.stringify(answer)}`);
  return answer;
}

/** The places that an import gives. */
export const placesOf = (answer: Imported | Refusal): Places | Refusal =>
  isRefusal(answer) ? answer : answer.places;

/** The code of a refusal; undefined for anything else. */
export const codeOf = (answer: unknown): string | undefined =>
  isRefusal(answer) ? answer.refused : undefined;

let made = 0;
/** A name that no other test has: processes keep published manifests, so names are used once. */
export const fresh = (name: string): string => `${name}-${++made}`;

/** A passport's number, say, that nobody else has. */
export const freshId = (): string => fresh('P1234');

export const IMPORT_TERMS: ImportTerms = {
  date: '2099-01-01',
  service: 'COVISHIELD',
  dose: 1,
  minAge: 0,
  maxAge: null,
  bands: [{ from: '09:00', to: '11:00' }],
  columns: { centre: 'centre_id', name: 'centre_name', seats: 'seats' },
};

/** CSV of one centre for each number of seats. */
export const csvOf = (seats: readonly number[]): string =>
  ['centre_id,centre_name,seats', ...seats.map((count, i) => `c${i},Centre ${i},${count}`)].join(
    '\n',
  );

export type ReleaseWishes = {
  readonly release?: string;
  readonly mode?: 'lottery' | 'immediate';
  /** Seats of each slot. */
  readonly seats: readonly number[];
  /** Seconds from now. */
  readonly opensInS?: number;
  readonly closesInS?: number;
  readonly endsInS?: number;
  readonly roundEveryS?: number;
  readonly confirmWithinS?: number;
  readonly idTypes?: readonly string[];
  readonly entriesPerAccount?: number;
  readonly entriesPerDevice?: number;
  readonly pools?: readonly PoolShare[];
  readonly dereserveAfterRound?: number;
  readonly places?: Partial<ImportTerms>;
  /** Days on which each centre has the same seats again. */
  readonly alsoOn?: string | readonly string[];
  readonly beacon?: { readonly kind: 'drand'; readonly sealMarginS: number };
  readonly series?: string;
  readonly limits?: { readonly preferences?: number; readonly groupSize?: number };
};

export type TestRelease = { readonly release: string; readonly slots: readonly string[] };

/** Publishes a release that is open unless said otherwise. */
export async function publishRelease(
  engine: Engine,
  redis: Redis,
  wishes: ReleaseWishes,
): Promise<TestRelease> {
  const { mode = 'lottery', release = fresh('release') } = wishes;
  const nowMs = await redisNowMs(redis);
  const at = (seconds: number): string => isoFromMs(nowMs + seconds * 1000);
  const terms = ReleaseTerms.parse({
    release,
    title: `The release ${release}`,
    mode,
    opensAt: at(wishes.opensInS ?? -60),
    endsAt: at(wishes.endsInS ?? 7_200),
    idTypes: wishes.idTypes ?? ['passport'],
    limits: {
      entriesPerAccount: wishes.entriesPerAccount ?? 4,
      entriesPerDevice: wishes.entriesPerDevice,
      ...wishes.limits,
    },
    pools: wishes.pools,
    ...(mode === 'lottery' && {
      closesAt: at(wishes.closesInS ?? 600),
      roundEveryS: wishes.roundEveryS ?? 60,
      confirmWithinS: wishes.confirmWithinS ?? 900,
      dereserveAfterRound: wishes.dereserveAfterRound,
      ...(wishes.beacon && { beacon: wishes.beacon }),
      ...(wishes.series !== undefined && { series: wishes.series }),
    }),
  });
  granted(await engine.releases.create(terms));
  const places = { ...IMPORT_TERMS, ...wishes.places };
  let slots: readonly { readonly slot: string }[] = [];
  for (const date of [places.date, wishes.alsoOn ?? []].flat()) {
    const terms = { ...places, date };
    const imported = await engine.releases.importInto(release, csvOf(wishes.seats), terms);
    slots = granted(imported).places.slots;
  }
  granted(await engine.releases.publish(release, nowMs));
  return { release, slots: slots.map(({ slot }) => slot) };
}

/** Registers somebody under an account; gives their id. */
export async function register(
  engine: Engine,
  account: string,
  facts: { idNumber?: string; birthYear?: number; idType?: IdType } = {},
): Promise<string> {
  const added = await engine.people.addBeneficiary(account, {
    name: 'Asha Kale',
    birthYear: facts.birthYear ?? 1960,
    gender: 'female',
    idType: facts.idType ?? 'passport',
    idNumber: facts.idNumber ?? freshId(),
  });
  return granted(added).beneficiaryId;
}

/** `count` people, each under an account of their own. */
export const registerMany = (engine: Engine, count: number) =>
  Promise.all(
    Array.from({ length: count }, async () => {
      const account = fresh('account');
      return { account, person: await register(engine, account) };
    }),
  );

/** Enters somebody, or a group, past the people: no claim is of concern. Gives the entry's id. */
export async function putEntry(
  engine: Engine,
  release: string,
  prefs: readonly number[],
  persons: readonly string[] = [fresh('person')],
): Promise<string> {
  const [account = ''] = persons;
  const id = entryIdOf(engine.secrets, release, account);
  const packed = packEntry({ persons, prefs, categories: [] });
  const entry = { id, packed, account, enterBeforeMs: Infinity };
  const { outcome } = await engine.stores.rounds.enter(release, entry);
  if (outcome !== 'ENTERED') throw new Error(`not entered: ${outcome}`);
  return id;
}

/** The SMS that wait, in the order in which they were queued. */
export async function smsOf(
  engine: Engine,
  redis: Redis,
  priority: Priority = 'routine',
): Promise<Sms[]> {
  const ids = await redis.zrange(keys.smsQueued(priority), 0, '-1');
  const packed = ids.length === 0 ? [] : await redis.hmget(keys.sms(priority), ...ids);
  return ids.map((id, index) => {
    const sealed = present(packed[index]?.split('|').at(-1), 'the sealed part of an SMS');
    return { id, ...unseal(engine.secrets, sealed) };
  });
}

/** The SMS that was last queued. */
export const lastSms = async (
  engine: Engine,
  redis: Redis,
  priority: Priority = 'urgent',
): Promise<Sms> => present((await smsOf(engine, redis, priority)).at(-1), 'an SMS');

/** As if all SMS that wait had been sent. */
export const forgetSms = async (redis: Redis, priority: Priority = 'routine'): Promise<void> => {
  await redis.del(keys.sms(priority), keys.smsDue(priority), keys.smsQueued(priority));
};

/** How many SMS wait. */
export const smsWaiting = (redis: Redis, priority: Priority): Promise<number> =>
  redis.zcard(keys.smsDue(priority));

const silent = createLog('silent');

/** A worker in this process; `drawing` replaces its store, `replaced` anything else. */
export function workerOn(
  engine: Engine,
  drawing = engine.stores.drawing,
  replaced: Partial<Parameters<typeof createConductor>[0]> = {},
): Conductor {
  return createConductor({
    store: engine.stores.rounds,
    drawing,
    bookings: engine.stores.bookings,
    releases: engine.releases,
    beaconOf: engine.beaconOf,
    notify: async () => undefined,
    log: silent,
    onFault: createFaults(silent),
    ...replaced,
  });
}

/** The engine's store, which calls `before` with the number of each call and waits for it. */
export function watchedStore(
  { stores }: Engine,
  before: (call: number) => Promise<void>,
): DrawingStore {
  let calls = 0;
  const calling = Object.entries(stores.drawing).map(([name, call]) => [
    name,
    async (...parts: unknown[]) => {
      await before(calls++);
      return (call as (...parts: unknown[]) => unknown)(...parts);
    },
  ]);
  return Object.fromEntries(calling) as DrawingStore;
}

/** The engine's store for a worker that dies at this call. */
export const dyingStore = (engine: Engine, at: number): DrawingStore =>
  watchedStore(engine, async (call) => {
    if (call === at) throw new Error('died');
  });

export type Snapshot = readonly (readonly [key: string, dump: Buffer])[];

/** All that Redis holds. */
export async function snapshot(redis: Redis): Promise<Snapshot> {
  const names = (await redis.keys('*')).toSorted();
  return Promise.all(
    names.map(async (key) => [key, present(await redis.dumpBuffer(key), key)] as const),
  );
}

export async function restore(redis: Redis, taken: Snapshot): Promise<void> {
  await redis.flushall();
  await Promise.all(taken.map(([key, dump]) => redis.restore(key, 0, dump)));
}

/** What carries standing entries into a release, in this process; counts what became of them. */
export function carrierOn(
  engine: Engine,
  onCarried?: (outcome: Carried) => void,
  onFault = createFaults(silent),
): Carrier {
  const { stores, rounds, releases, outbox, secrets } = engine;
  return createCarrier({
    carry: stores.carry,
    store: stores.rounds,
    people: stores.people,
    rounds,
    releases,
    outbox,
    secrets,
    log: silent,
    onFault,
    ...(onCarried && { onCarried }),
  });
}

/** Lets a worker take steps until a round is published; gives its number. */
export async function nextRound(engine: Engine, release: string): Promise<number> {
  const worker = workerOn(engine);
  for (let steps = 0; steps < 5; steps++) {
    const step = await worker.step(release);
    if (step.step === 'PUBLISHED') return step.round;
  }
  throw new Error(`no round of ${release} is due`);
}

/** Where a person stands in a release. */
export async function stateOf(
  engine: Engine,
  release: string,
  person: string,
): Promise<EntryState> {
  const [standing] = await engine.stores.rounds.view(release, [
    entryIdOf(engine.secrets, release, person),
  ]);
  return present(standing, 'a standing').state;
}

/** The one entry of an account in a release, as the API shows it. */
export async function entryOf(engine: Engine, account: string, release: string) {
  const [entry] = granted(await engine.rounds.list(account, release));
  return present(entry, `an entry of ${account}`);
}

/** Id of the booking or offer that an account's only entry in a release has. */
export const bookingOf = async (
  engine: Engine,
  account: string,
  release: string,
): Promise<string> =>
  present((await entryOf(engine, account, release)).booking, 'a booking').bookingId;

/** The ledger after the last published round, from the transcripts alone. */
export async function replayed(engine: Engine, release: string): Promise<Ledger> {
  const { manifest } = granted(await engine.releases.published(release));
  if (manifest.mode !== 'lottery') throw new Error('a lottery is needed');
  const ledger = createLedger(manifest);
  for (const { round } of granted(await engine.rounds.rounds(release))) {
    const answer = await replay(ledger, engine.stores.rounds.transcript(release, round));
    if (isMismatch(answer)) throw new Error(JSON.stringify(answer));
  }
  return ledger;
}

/** Verifies all that a release has published. */
export async function verify(engine: Engine, release: string): Promise<VerifyReport> {
  const rounds = granted(await engine.rounds.rounds(release));
  return verifyChain(
    rounds.map(({ round }) => ({
      name: `round ${round}`,
      open: () => engine.stores.rounds.transcript(release, round),
    })),
    { digest: rounds.at(-1)?.digest },
  );
}

/**
 * Every time that was written down moves into the past, and lifetimes shrink. A cut keeps its time,
 * which its seal has already told.
 */
const LET_PASS = `${readScript('lib/claim')}
local function shift(field)
  local is_time = string.find(field, '_at_ms') and not string.find(field, '^value_at')
    and not string.find(field, '^cut_at')
  if is_time then redis.call('HINCRBY', KEYS[1], field, ARGV[1]) end
end
local is_person = string.find(KEYS[1], ':person$')
local release, at_ms = unpack_claim(is_person and redis.call('HGET', KEYS[1], 'c'))
if release then redis.call('HSET', KEYS[1], 'c', pack_claim(release, at_ms + ARGV[1])) end
local left = redis.call('PTTL', KEYS[1])
if left >= 0 then redis.call('PEXPIRE', KEYS[1], left + ARGV[1]) end
if redis.call('TYPE', KEYS[1]).ok == 'hash' then
  for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do shift(field) end
end
return 1
`;

/** Lets time pass for these keys, or all there are: the scripts read Redis's clock only. */
export async function letPass(
  redis: Redis,
  seconds: number,
  only?: readonly string[],
): Promise<void> {
  const all = only ?? (await redis.keys('*'));
  const shiftMs = 0 - Math.round(seconds * 1000);
  await Promise.all(all.map((key) => redis.eval(LET_PASS, 1, key, shiftMs)));
}

/** Times of an outbox stand in scores, and within packed SMS. */
const LET_SMS_PASS = `
for i = 2, #KEYS do
  local flat = redis.call('ZRANGE', KEYS[i], 0, -1, 'WITHSCORES')
  for j = 1, #flat, 2 do redis.call('ZINCRBY', KEYS[i], ARGV[1], flat[j]) end
end
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local head, queued, worth, tail = string.match(all[i + 1], '^([^|]+|%d+)|(%d+)|(%d+)|(.*)$')
  local times = string.format('%.0f|%.0f', queued + ARGV[1], worth + ARGV[1])
  redis.call('HSET', KEYS[1], all[i], head .. '|' .. times .. '|' .. tail)
end
return 1
`;

/** Lets time pass for the SMS of one outbox. */
export async function letSmsPass(redis: Redis, priority: Priority, seconds: number): Promise<void> {
  const all = [keys.sms, keys.smsDue, keys.smsQueued, keys.smsDead].map((key) => key(priority));
  await redis.eval(LET_SMS_PASS, all.length, ...all, 0 - Math.round(seconds * 1000));
}
