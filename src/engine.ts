/**
 * The engine put together by hand: every service, over one Redis connection. Doors and tests start
 * from here.
 */
import type { Config } from './config.ts';
import { DEVICE_LIFETIME_MS } from './gates/devices.ts';
import { hearing } from './lib/hearing.ts';
import { createSecrets } from './lib/secrets.ts';
import { createArrivalService } from './arrivals/service.ts';
import { createArrivalStore } from './arrivals/store.ts';
import { type BookingService, createBookingService } from './bookings/service.ts';
import { createSlipPress } from './bookings/slip/press.ts';
import { createSlips } from './bookings/slips.ts';
import { createBookingStore } from './bookings/store.ts';
import { createBotReports } from './gates/bots/service.ts';
import { createBotStore } from './gates/bots/store.ts';
import { createSmsBudget } from './gates/sms-budget.ts';
import { createInbox } from './notify/drivers.ts';
import { createOutbox } from './notify/outbox.ts';
import { createOutboxStore } from './notify/store.ts';
import { type Claims, createClaims } from './people/claims.ts';
import { createErasure, type ErasureParts } from './people/erasure.ts';
import { createPeopleService, type PeopleService } from './people/service.ts';
import { createPeopleStore } from './people/store.ts';
import { createReconciler } from './reconcile/service.ts';
import { createReconcileStore } from './reconcile/store.ts';
import { isRefusal } from './refusal.ts';
import { createCensus } from './releases/census.ts';
import { createCensusStore } from './releases/census-store.ts';
import { createReleaseService } from './releases/service.ts';
import { createReleaseStore } from './releases/store.ts';
import type { Redis } from './redis/client.ts';
import { QUICKNET } from './rounds/beacon/beacon.ts';
import { createBeacons } from './rounds/beacon/beacons.ts';
import { createDrand } from './rounds/beacon/drand.ts';
import { createCarryStore } from './rounds/carry/carry-store.ts';
import { createDrawingStore } from './rounds/drawing-store.ts';
import { createReceipts } from './rounds/receipts.ts';
import { createClaimState } from './rounds/claim-state.ts';
import { createRoundService, type RoundService } from './rounds/service.ts';
import { createRoundStore } from './rounds/store.ts';
import { UNWATCHED, type Watch } from './watch.ts';

export type Engine = ReturnType<typeof createEngine>;

/** Without a setting no stranger is asked: a round of a drand release would wait. */
const NO_NETWORK: Config['drand'] = { endpoints: [], timeoutMs: 0, chain: QUICKNET };

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
  reconcile: createReconcileStore(redis),
});

const deviceTerms = ({ accounts }: Config['devices']) => ({
  accounts,
  lifetimeMs: DEVICE_LIFETIME_MS,
});

/** What accounts do, and how they go. */
const peopleOf = (
  parts: Parameters<typeof createPeopleService>[0] & Omit<ErasureParts, 'reminders'>,
  reminders: ErasureParts['reminders'],
  devices: Config['devices'] | undefined,
) => ({
  people: createPeopleService({ ...parts, ...(devices && { devices: deviceTerms(devices) }) }),
  erasure: createErasure({ ...parts, reminders }),
});

export function createEngine(
  redis: Redis,
  config: Pick<Config, 'secret'> &
    Partial<Pick<Config, 'drand' | 'receiptSecrets' | 'smsBudget' | 'devices' | 'timeZone'>>,
  watched: Partial<Watch> = {},
) {
  const watch = { ...UNWATCHED, ...watched };
  const secrets = createSecrets(config.secret);
  const stores = heardStores(storesOn(redis), watch);
  const receipts = createReceipts(config.receiptSecrets ?? [config.secret]);
  const outbox = createOutbox({ store: stores.outbox, secrets, onSms: watch.onSms });
  const { chain, ...network } = config.drand ?? NO_NETWORK;
  const drand = createDrand({ ...network, log: watch.log, onAnswer: watch.onBeaconAnswer });
  const smsBudget = createSmsBudget(redis, config.smsBudget ?? NO_BUDGET, watch.onSmsBudget);
  const beacons = createBeacons(secrets, drand);
  const grounds = { hashChain: beacons.hashChain, drand: chain, receiptKey: receipts.newest };
  const releases = createReleaseService(stores.releases, grounds);
  const { timeZone = 'UTC' } = config;
  const claimState = createClaimState({ ...stores, releases, secrets, timeZone });
  const claims = heardClaims(createClaims(stores.people, claimState), watch);
  const acting = { store: stores.people, claims, secrets, outbox, smsBudget };
  const { people, erasure } = peopleOf(acting, stores.arrivals, config.devices);
  const shared = { ...watch, releases, people: stores.people, claims, outbox, secrets, timeZone };
  const rounds = createRoundService({ ...shared, store: stores.rounds, receipts });
  const bookings = createBookingService({
    ...shared,
    store: stores.bookings,
    arrivals: stores.arrivals,
    rounds,
  });
  const arrivals = createArrivalService({
    ...shared,
    store: stores.arrivals,
    people,
    doses: stores.people,
  });
  return {
    secrets,
    stores,
    outbox,
    smsBudget,
    inbox: createInbox(redis, secrets),
    beaconOf: beacons.of,
    beaconOverdueS: drand.overdueS,
    receipts,
    releases,
    claims,
    people: heardPeople(people, watch),
    erasure,
    rounds: heardRounds(rounds, watch),
    bookings: heardBookings(bookings, watch),
    arrivals,
    slips: createSlips({ bookings, rounds, people, releases, secrets, print: createSlipPress() }),
    census: createCensus({ store: createCensusStore(redis), releases }),
    bots: createBotReports({ store: stores.bots, releases }),
    reconciler: createReconciler({ ...stores, store: stores.reconcile, releases, claims, secrets }),
  };
}

/** How an entry came is known to its store, why it did not to the service. */
const heardStores = (stores: ReturnType<typeof storesOn>, { onEntry }: Watch) => ({
  ...stores,
  rounds: hearing(stores.rounds, {
    enter: (reply) => {
      if (reply.outcome === 'ENTERED' && reply.how !== 'carried') onEntry(reply.how);
    },
  }),
});

const heardClaims = (claims: Claims, { onClaim }: Watch): Claims =>
  hearing(claims, { claim: (answer) => onClaim(isRefusal(answer) ? answer : 'claimed') });

const heardRounds = (rounds: RoundService, { onEntry }: Watch): RoundService =>
  hearing(rounds, {
    enter: (answer) => isRefusal(answer) && onEntry(answer),
    append: (answer) => isRefusal(answer) && onEntry(answer),
    withdraw: (answer) => onEntry(isRefusal(answer) ? answer : 'withdrawn'),
  });

const heardPeople = (people: PeopleService, watch: Watch): PeopleService =>
  hearing(people, {
    sendOtp: (answer) => watch.onOtpAsked(isRefusal(answer) ? answer : 'sent'),
    checkOtp: (answer) => watch.onOtpChecked(isRefusal(answer) ? answer : 'right'),
    addBeneficiary: (answer) => watch.onBeneficiary(isRefusal(answer) ? answer : 'registered'),
    removeBeneficiary: (answer) => watch.onBeneficiary(isRefusal(answer) ? answer : 'removed'),
  });

const heardBookings = (bookings: BookingService, watch: Watch): BookingService =>
  hearing(bookings, {
    book: (answer) => watch.onImmediate(isRefusal(answer) ? answer : 'booked'),
    bookTogether: (answer) =>
      isRefusal(answer) ? watch.onImmediate(answer) : watch.onImmediate('booked', answer.length),
    move: (answer) => watch.onImmediate(isRefusal(answer) ? answer : 'moved'),
    confirm: (answer) => watch.onConfirmation(isRefusal(answer) ? answer : 'confirmed'),
    cancel: (answer) => watch.onCancellation(isRefusal(answer) ? answer : 'cancelled'),
  });
