/**
 * The engine put together by hand: every service, over one Redis connection. Doors and tests start
 * from here.
 */
import type { Config } from './config.ts';
import { createSecrets } from './lib/secrets.ts';
import { createBookingService } from './bookings/service.ts';
import { createBookingStore } from './bookings/store.ts';
import { createInbox } from './notify/drivers.ts';
import { createOutbox } from './notify/outbox.ts';
import { createClaims } from './people/claims.ts';
import { createPeopleService } from './people/service.ts';
import { createPeopleStore } from './people/store.ts';
import { createReleaseService } from './releases/service.ts';
import { createReleaseStore } from './releases/store.ts';
import type { Redis } from './redis/client.ts';
import { QUICKNET } from './rounds/beacon.ts';
import { createBeacons } from './rounds/beacons.ts';
import { createDrawingStore } from './rounds/drawing-store.ts';
import { receiptKeyOf } from './rounds/receipts.ts';
import { createIsLive, createRoundService } from './rounds/service.ts';
import { createRoundStore } from './rounds/store.ts';

export type Engine = ReturnType<typeof createEngine>;

export function createEngine(redis: Redis, config: Pick<Config, 'secret'>) {
  const secrets = createSecrets(config.secret);
  const stores = {
    people: createPeopleStore(redis),
    releases: createReleaseStore(redis),
    rounds: createRoundStore(redis),
    drawing: createDrawingStore(redis),
    bookings: createBookingStore(redis),
  };
  const outbox = createOutbox(redis, secrets);
  const beacons = createBeacons(secrets);
  const releases = createReleaseService(stores.releases, {
    hashChain: beacons.hashChain,
    drand: QUICKNET,
    receiptKey: receiptKeyOf(secrets),
  });
  const claims = createClaims(stores.people, createIsLive(stores.rounds, releases, secrets));
  const people = createPeopleService({ store: stores.people, claims, secrets, outbox });
  const rounds = createRoundService({
    store: stores.rounds,
    releases,
    people: stores.people,
    claims,
    secrets,
  });
  const bookings = createBookingService({
    store: stores.bookings,
    releases,
    rounds,
    people: stores.people,
    claims,
    secrets,
  });
  return {
    secrets,
    stores,
    outbox,
    inbox: createInbox(redis, secrets),
    beaconOf: beacons.of,
    releases,
    claims,
    people,
    rounds,
    bookings,
  };
}
