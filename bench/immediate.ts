/**
 * How close booking a seat at once, with everything that guards it, comes to the least that it can
 * cost; and whether what was sold is what there was.
 */
import type { Progress } from '../src/progress.ts';
import { seededRandom } from '../src/demo/random.ts';
import { type Booking, unpackBooking } from '../src/bookings/rules.ts';
import { present } from '../src/lib/assert.ts';
import { keys } from '../src/redis/keys.ts';
import type { Published } from '../src/releases/service.ts';
import { amount, nodeOptionsFor, profile as profileOption } from './support/options.ts';
import {
  type BenchEngine,
  EASY_CAPTCHA,
  LIMITS_OF_WRITING,
  settingsFor,
  unlimited,
  withEngine,
} from './support/engine.ts';
import { fire, type Volley } from './support/fire.ts';
import { type CpuOfOne, interleaved, WARM_UP, withCpu } from './support/measure.ts';
import { median, rounded, sum } from './support/numbers.ts';
import { bearersOf, createPasses } from './support/passes.ts';
import {
  type Citizen,
  inBatches,
  openForBooking,
  registerCitizens,
  RELEASE,
} from './support/pune.ts';
import { type ServerProcess, startServer } from './support/processes.ts';
import type { Outcome, Scenario } from './support/scenario.ts';

export type ImmediateOptions = {
  /** Bookings of one volley, each by somebody else. */
  readonly requests: number;
  readonly connections: number;
  /** Volleys that count, of each of the two. */
  readonly repeats: number;
  /** Directory for a CPU profile of each process. */
  readonly profile?: string | undefined;
};

const GOAL = 0.8;
/** Of a volley: so many ask when all seats are gone. */
const LATE_SHARE = 0.1;
const RELEASES = { floor: 'pune-2021-04-09', book: RELEASE } as const;
type Side = keyof typeof RELEASES;
const SIDES = Object.keys(RELEASES) as Side[];

type Measured = Volley & CpuOfOne;

const run = (options: ImmediateOptions, progress: Progress): Promise<Outcome> =>
  withEngine(async (bench) => {
    const { engine } = bench;
    const { requests, repeats, connections } = options;
    const volleys = WARM_UP + repeats;
    const seats = requests * volleys;
    const late = Math.ceil(requests * LATE_SHARE);
    await openForBooking(engine, RELEASES.floor, seats);
    const published = await openForBooking(engine, RELEASES.book, seats);
    const citizens = await registerCitizens(engine, seats + late, progress);
    await givePhones(bench, citizens);
    const wishes = seatsOf(published, seats + late);
    const servers = await startBoth(bench, options);
    const fired: ReturnType<typeof requestsOf>[] = [];
    try {
      const turns = { sides: SIDES, warmUp: WARM_UP, repeats };
      const measured = await interleaved(turns, progress, async (side, volley) => {
        const from = volley * requests; // both sides get the same
        fired[volley] ??= requestsOf(bench, citizens, wishes, from, from + requests);
        const asked = await fired[volley];
        return withCpu(bench, servers[side], requests, () =>
          fire(servers[side].url, connections, asked),
        );
      });
      const latecomers = await requestsOf(bench, citizens, wishes, seats, seats + late);
      const refused = await fire(servers.book.url, connections, latecomers, [409]);
      const sold = await checkSold(bench, published);
      return outcomeOf(measured, refused, sold, options);
    } finally {
      await Promise.all(SIDES.map((side) => servers[side].stop()));
    }
  });

/** Accounts have a mobile, as after signing in: each booking is told by SMS. */
async function givePhones({ engine, redis }: BenchEngine, citizens: readonly Citizen[]) {
  await inBatches(citizens.length, (index) => {
    const { account } = present(citizens[index], 'a citizen');
    const mobile = `+9198${String(index).padStart(8, '0')}`;
    return redis.hset(keys.account(account), 'mobile', engine.secrets.encrypt(mobile));
  });
}

/** The slot of each seat, in an order that has nothing to do with slots; then of who comes late. */
function seatsOf({ manifest }: Published, count: number): string[] {
  const random = seededRandom('which seat each asks for');
  const slots = manifest.slots
    .flatMap(({ slot, pools }) =>
      pools.flatMap(({ seats }) =>
        Array.from({ length: seats }, () => ({ slot, place: random() })),
      ),
    )
    .toSorted((one, other) => one.place - other.place)
    .map(({ slot }) => slot);
  return Array.from({ length: count }, (_, index) =>
    present(slots[index % slots.length], 'a slot'),
  );
}

async function requestsOf(
  { engine }: BenchEngine,
  all: readonly Citizen[],
  wishes: readonly string[],
  from: number,
  to: number,
) {
  const citizens = all.slice(from, to);
  const passes = await createPasses(engine.secrets, citizens, true, `book:${RELEASES.book}`);
  const gates = await passes.headers();
  const bearers = await bearersOf(citizens, passes.device);
  return citizens.map(({ person }, index) => {
    return {
      method: 'POST' as const,
      path: '/v1/bookings',
      headers: {
        'content-type': 'application/json',
        authorization: present(bearers[index], 'a token'),
        ...gates[index],
      },
      body: JSON.stringify({
        release: RELEASES.book,
        beneficiary: person,
        slot: wishes[from + index],
      }),
    };
  });
}

async function startBoth(
  bench: BenchEngine,
  { profile }: ImmediateOptions,
): Promise<Record<Side, ServerProcess>> {
  const nodeOptions = nodeOptionsFor(profile);
  const settings = settingsFor(bench);
  const ofFloor = { ...settings, BENCH_RELEASE: RELEASES.floor };
  // All requests come from one address; they are counted all the same.
  const ofBook = { ...settings, ...unlimited(...LIMITS_OF_WRITING), ...EASY_CAPTCHA };
  const floor = await startServer('bench/immediate/floor-server.ts', ofFloor, nodeOptions);
  const book = await startServer('src/server.ts', ofBook, nodeOptions);
  return { floor, book };
}

export type Sold = {
  readonly booked: number;
  readonly oversold: number;
  /** Bookings beyond the first of a person. */
  readonly doubled: number;
  /** Seats that are neither free nor anybody's, or both. */
  readonly leaked: number;
};

/** A release as Redis holds it. */
export type Held = {
  readonly bookings: readonly Pick<Booking, 'state' | 'slot'>[];
  /** Lines of the audit stream. */
  readonly events: readonly string[];
  /** Of each pool of each slot. */
  readonly freeSeats: readonly number[];
};

/** Counted anew from the bookings. `capacity`: seats of each slot, by number. */
export function countSold(
  { bookings, events, freeSeats }: Held,
  capacity: readonly number[],
): Sold {
  const live = bookings.filter(({ state }) => state === 'BOOKED');
  const sold = [...Map.groupBy(live, ({ slot }) => slot)];
  const oversold = sum(
    sold.map(([slot, those]) => Math.max(0, those.length - (capacity[slot] ?? 0))),
  );
  const told = events.filter((event) => event.startsWith('booked '));
  return {
    booked: live.length,
    oversold,
    doubled: told.length - new Set(told).size,
    leaked: Math.abs(sum(capacity) - sum(freeSeats) - live.length),
  };
}

async function checkSold({ redis }: BenchEngine, { manifest }: Published): Promise<Sold> {
  const { release, slots } = manifest;
  const bookings = Object.values(await redis.hgetall(keys.bookings(release))).map(unpackBooking);
  const stream = await redis.xrange(keys.audit(release), '-', '+');
  const events = stream.map(([, [, event = '']]) => event);
  const freeSeats = Object.values(await redis.hgetall(keys.seats(release))).map(Number);
  const capacity = slots.map(({ pools }) => sum(pools.map(({ seats }) => seats)));
  return countSold({ bookings, events, freeSeats }, capacity);
}

function outcomeOf(
  measured: Record<Side, Measured[]>,
  refused: Volley,
  sold: Sold,
  options: ImmediateOptions,
): Outcome {
  const { requests, connections, repeats } = options;
  const middle = (side: Side, name: keyof Measured): number =>
    median(measured[side].map((one) => one[name]));
  const of = (side: Side) => ({
    p50Ms: middle(side, 'p50Ms'),
    p99Ms: middle(side, 'p99Ms'),
    maxMs: middle(side, 'maxMs'),
    serverCpuUs: Math.round(middle(side, 'serverCpuUs')),
    redisCpuUs: Math.round(middle(side, 'redisCpuUs')),
    rpsOfVolleys: measured[side].map(({ rps }) => Math.round(rps)),
  });
  const ratio = rounded(middle('book', 'rps') / middle('floor', 'rps'));
  const wrong = sum(SIDES.flatMap((side) => measured[side]).map((one) => one.errors));
  const lost = Math.max(0, requests * (WARM_UP + repeats) - sold.booked);
  const { oversold, doubled, leaked } = sold;
  const errors = wrong + refused.errors + oversold + doubled + leaked + lost;
  return {
    figures: {
      floorRps: Math.round(middle('floor', 'rps')),
      bookRps: Math.round(middle('book', 'rps')),
      ratio,
      ...sold,
      lost,
      errors,
      floor: of('floor'),
      book: of('book'),
      requests,
      connections,
      repeats,
    },
    goals: [
      {
        name: 'booking at once with every gate / floor',
        figure: ratio,
        unit: 'ratio',
        atLeast: GOAL,
      },
    ],
    charts: [
      {
        title: 'Bookings a second, volley by volley',
        description: 'The route with every gate beside the bare script call behind node:http.',
        kind: 'bars',
        x: { label: 'volley', categories: measured.floor.map((_, index) => String(index + 1)) },
        y: { label: 'bookings a second' },
        series: SIDES.map((side) => ({
          name: side === 'floor' ? 'floor' : 'POST /v1/bookings',
          points: measured[side].map(({ rps }, index) => [index, Math.round(rps)] as const),
        })),
      },
    ],
    errors,
  };
}

export const immediate: Scenario<ImmediateOptions> = {
  name: 'immediate',
  summary: 'bookings a second through the whole server, against one bare script call',
  options: [
    amount('requests', 'bookings of one volley', 3_000, [10, 100_000]),
    amount('connections', 'connections at once', 100, [1, 10_000]),
    amount('repeats', 'volleys that count', 5, [1, 100]),
    profileOption(),
  ],
  inAll: { mostS: 100 },
  quick: { requests: 60, connections: 10, repeats: 1 },
  run,
};
