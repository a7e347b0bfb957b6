/** Whoever is measured: a peer behind the front, or the whole engine. */
import { present } from '../../src/lib/assert.ts';
import type { Progress } from '../../src/progress.ts';
import { CLAIM_FIELD } from '../../src/people/claim-field.ts';
import { keys } from '../../src/redis/keys.ts';
import { type BenchEngine, LIMITS_OF_WRITING, settingsFor, unlimited } from '../support/engine.ts';
import { bearersOf } from '../support/passes.ts';
import { type ServerProcess, startServer } from '../support/processes.ts';
import { type Citizen, inBatches, registerCitizens } from '../support/pune.ts';
import { requestOf } from './crowd.ts';
import type { PeerName } from './list.ts';
import type { Books, Peer, Places } from './peer.ts';
import { booksOf, openAtOnce } from './release.ts';

export type Contender = Pick<Peer, 'label' | 'why' | 'isSafe' | 'survivesKill'> & {
  readonly name: string;
  readonly start: () => Promise<ServerProcess>;
  /** A slot that nobody has asked for; gives the request of each person. */
  readonly prepare: (
    slot: string,
    seats: number,
  ) => Promise<(url: string, person: number) => Buffer>;
  /** A person as they stand in the books. */
  readonly nameOf: (person: number) => string;
  readonly books: (slot: string) => Promise<Books>;
  readonly close: () => Promise<void>;
};

export async function behindFront(name: PeerName, peer: Peer, places: Places): Promise<Contender> {
  const desk = await peer.open(places);
  const nameOf = (person: number): string => `person-${person}`;
  return {
    ...peer,
    name,
    start: () =>
      startServer('bench/peers/front.ts', {
        PEER: name,
        REDIS_URL: places.redis.url,
        POSTGRES_SOCKET: places.postgres,
      }),
    prepare: async (slot, seats) => {
      await desk.prepare(slot, seats);
      return (url, person) => requestOf(url, '/', { person: nameOf(person), slot });
    },
    nameOf,
    books: desk.books,
    close: desk.close,
  };
}

/** All requests come from one address, and a bot sends ten at once. The limits are still counted. */
const UNLIMITED = unlimited(...LIMITS_OF_WRITING);

/** The engine's own server, as `npm start` runs it, for people who have signed in. */
export async function wholeEngine(
  bench: BenchEngine,
  people: number,
  progress: Progress,
): Promise<Contender> {
  const { engine, redis } = bench;
  const citizens = await registerCitizens(engine, people, progress);
  const bearers = await bearersOf(citizens);
  const nameOf = (person: number): string => present(citizens[person], 'a citizen').person;
  const settings = {
    ...UNLIMITED,
    ...settingsFor(bench),
  };
  return {
    name: 'fairslotEngine',
    label: 'fairslot engine (the whole server: token, limits, claim, audit, SMS)',
    why: 'It is what a deployment runs.',
    isSafe: true,
    survivesKill: true,
    start: () => startServer('src/server.ts', settings),
    prepare: async (release, seats) => {
      await forgetClaims({ redis }, citizens);
      const slot = await openAtOnce(engine, release, seats);
      return (url, person) => {
        const beneficiary = nameOf(person);
        const authorization = present(bearers[person], 'a token');
        return requestOf(url, '/v1/bookings', { release, beneficiary, slot }, { authorization });
      };
    },
    nameOf,
    books: (release) => booksOf(redis, release),
    close: async () => undefined,
  };
}

/** Everybody holds a seat of the last slot, and a person may hold one. */
const forgetClaims = ({ redis }: Pick<BenchEngine, 'redis'>, citizens: readonly Citizen[]) =>
  inBatches(citizens.length, (index) =>
    redis.hdel(keys.person(present(citizens[index], 'a citizen').person), CLAIM_FIELD),
  );
