/**
 * The engine put together by hand: every service, over one Redis connection. Doors and tests start
 * from here.
 */
import type { Config } from './config.ts';
import { DEVICE_LIFETIME_MS } from './gates/devices.ts';
import { createLog, type Log } from './log.ts';
import { createSecrets } from './lib/secrets.ts';
import { type ArrivalOutcome, createArrivalService } from './arrivals/service.ts';
import { createArrivalStore } from './arrivals/store.ts';
import { createBookingService } from './bookings/service.ts';
import { createSlipPress } from './bookings/slip/press.ts';
import { createSlips } from './bookings/slips.ts';
import { createBookingStore } from './bookings/store.ts';
import { createBotReports } from './gates/bots/service.ts';
import { createBotStore } from './gates/bots/store.ts';
import { createRevocations } from './gates/revocations.ts';
import { createSmsBudget, type OnSmsBudget } from './gates/sms-budget.ts';
import { createInbox } from './notify/drivers.ts';
import { createOutbox, type OnSms } from './notify/outbox.ts';
import { createOutboxStore } from './notify/store.ts';
import { createClaims } from './people/claims.ts';
import { createPeopleService } from './people/service.ts';
import { createPeopleStore } from './people/store.ts';
import type { VaccineName } from './people/vaccines.ts';
import { createReleaseService } from './releases/service.ts';
import { createReleaseStore } from './releases/store.ts';
import type { Redis } from './redis/client.ts';
import { QUICKNET } from './rounds/beacon.ts';
import { createBeacons } from './rounds/beacons.ts';
import { createDrand } from './rounds/drand.ts';
import type { AnswerOutcome } from './rounds/drand-endpoint.ts';
import { createCarryStore } from './rounds/carry-store.ts';
import { createDrawingStore } from './rounds/drawing-store.ts';
import { createReceipts } from './rounds/receipts.ts';
import { createClaimState } from './rounds/claim-state.ts';
import { createRoundService } from './rounds/service.ts';
import { createRoundStore } from './rounds/store.ts';

export type Engine = ReturnType<typeof createEngine>;

/** Without a setting no stranger is asked: a round of a drand release would wait. */
const NO_NETWORK: Config['drand'] = { endpoints: [], timeoutMs: 0, chain: QUICKNET };

/** What a door wants to hear of: only a worker asks beacons. */
export type Watch = {
  readonly log: Log;
  readonly onBeaconAnswer: (outcome: AnswerOutcome) => void;
  readonly onSms: OnSms;
  readonly onSmsBudget: OnSmsBudget;
  readonly onArrival: (outcome: ArrivalOutcome) => void;
  readonly onDose: (vaccine: VaccineName) => void;
};
const UNWATCHED: Watch = {
  log: createLog('silent'),
  onBeaconAnswer: () => undefined,
  onSms: () => undefined,
  onSmsBudget: () => undefined,
  onArrival: () => undefined,
  onDose: () => undefined,
};

/** Where no setting bounds what is sent: tests and benches, which send nothing. */
const NO_BOUND = { perMinute: 1e9, perHour: 1e9 };
const NO_BUDGET: Config['smsBudget'] = {
  new: NO_BOUND,
  known: NO_BOUND,
  cowin: NO_BOUND,
  unusedPerNetwork: 1e9,
  unusedPerDevice: 1e9,
};

const storesOn = (redis: Redis) => ({
  people: createPeopleStore(redis),
  releases: createReleaseStore(redis),
  rounds: createRoundStore(redis),
  drawing: createDrawingStore(redis),
  carry: createCarryStore(redis),
  bookings: createBookingStore(redis),
  outbox: createOutboxStore(redis),
  bots: createBotStore(redis),
  arrivals: createArrivalStore(redis),
});

const deviceTerms = ({ accounts }: Config['devices']) => ({
  accounts,
  lifetimeMs: DEVICE_LIFETIME_MS,
});

export function createEngine(
  redis: Redis,
  config: Pick<Config, 'secret'> &
    Partial<Pick<Config, 'drand' | 'receiptSecrets' | 'smsBudget' | 'devices' | 'timeZone'>>,
  watched: Partial<Watch> = {},
) {
  const watch = { ...UNWATCHED, ...watched };
  const secrets = createSecrets(config.secret);
  const stores = storesOn(redis);
  const receipts = createReceipts(config.receiptSecrets ?? [config.secret]);
  const outbox = createOutbox({ store: stores.outbox, secrets, onSms: watch.onSms });
  const { chain, ...network } = config.drand ?? NO_NETWORK;
  const drand = createDrand({ ...network, log: watch.log, onAnswer: watch.onBeaconAnswer });
  const smsBudget = createSmsBudget(redis, config.smsBudget ?? NO_BUDGET, watch.onSmsBudget);
  const revocations = createRevocations(redis);
  const beacons = createBeacons(secrets, drand);
  const releases = createReleaseService(stores.releases, {
    hashChain: beacons.hashChain,
    drand: chain,
    receiptKey: receipts.newest,
  });
  const { timeZone = 'UTC' } = config;
  const claimState = createClaimState({ ...stores, releases, secrets, timeZone });
  const claims = createClaims(stores.people, claimState);
  const people = createPeopleService({
    store: stores.people,
    claims,
    secrets,
    outbox,
    smsBudget,
    revocations,
    ...(config.devices && { devices: deviceTerms(config.devices) }),
  });
  const shared = { ...watch, releases, people: stores.people, claims, outbox, secrets, timeZone };
  const rounds = createRoundService({ ...shared, store: stores.rounds, receipts });
  const bookings = createBookingService({
    ...shared,
    store: stores.bookings,
    arrivals: stores.arrivals,
    rounds,
  });
  const arrivals = createArrivalService({
    ...watch,
    store: stores.arrivals,
    releases,
    people,
    doses: stores.people,
    secrets,
    timeZone,
  });
  return {
    secrets,
    stores,
    outbox,
    smsBudget,
    revocations,
    inbox: createInbox(redis, secrets),
    beaconOf: beacons.of,
    beaconOverdueS: drand.overdueS,
    receipts,
    releases,
    claims,
    people,
    rounds,
    bookings,
    arrivals,
    slips: createSlips({ bookings, rounds, people, releases, secrets, print: createSlipPress() }),
    bots: createBotReports({ store: stores.bots, releases }),
  };
}
