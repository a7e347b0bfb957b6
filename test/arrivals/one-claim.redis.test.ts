/**
 * F1 across doses: whatever one person does, and whatever an operator takes away meanwhile, they
 * never hold two things of which each may still give them a seat.
 */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { securityCodeOf } from '../../src/bookings/security-code.ts';
import { bookingId, unpackBooking } from '../../src/bookings/rules.ts';
import { present } from '../../src/lib/assert.ts';
import { addDays } from '../../src/lib/days.ts';
import { keys } from '../../src/redis/keys.ts';
import { entryIdOf } from '../../src/rounds/rules.ts';
import { fresh, letPass, publishRelease, register, stateOf, workerOn } from '../support/engine.ts';
import { useRedis } from '../support/redis.ts';
import { attendanceAfterwards, BATCH, CENTRE, engineHere, LATE, today } from './day.ts';

const test = useRedis(['--appendfsync', 'no']);
const RUNS = Number(process.env['FAIRSLOT_CLAIM_RUNS'] ?? 40);

const ACTIONS = [
  'enter-first',
  'enter-second',
  'book',
  'confirm',
  'confirm',
  'cancel',
  'withdraw',
  'arrive',
  'arrive',
  'dose',
  'dose',
  'close',
  'day-over',
  'round',
  'round',
  'wait',
] as const;
type Action = (typeof ACTIONS)[number];
/** The last: its centre closes, and the round after that offers another seat. */
const AS_THEY_SHOULD: readonly (readonly [Action, number])[] = [
  ['enter-first', 0],
  ['round', 0],
  ['confirm', 0],
  ['arrive', 0],
  ['dose', 0],
  ['wait', 0],
  ['book', 0],
  ['close', 0],
  ['round', 0],
];
const HOLDS = ['ENTERED', 'SEALED', 'WAITING', 'OFFERED', 'BOOKED'];

/** A person, the release of their first dose, and two of the second. */
async function createWorld() {
  const engine = engineHere(test.redis);
  const date = await today(test.redis);
  const long = { endsInS: 100_000, confirmWithinS: 50_000, closesInS: 600 };
  const first = await publishRelease(engine, test.redis, {
    ...long,
    seats: [1, 1],
    alsoOn: '2099-01-01',
    places: { date, bands: LATE },
  });
  const later = { ...long, places: { date: addDays(date, 100), dose: 2 } };
  const second = await publishRelease(engine, test.redis, { ...later, seats: [1] });
  const atOnce = await publishRelease(engine, test.redis, {
    ...later,
    mode: 'immediate',
    seats: [1],
  });
  const account = fresh('account');
  const person = await register(engine, account);
  return { engine, first, second, atOnce, account, person, given: 0 };
}
type World = Awaited<ReturnType<typeof createWorld>>;

async function act(world: World, action: Action, pick: number): Promise<void> {
  const { engine, first, second, atOnce, account, person } = world;
  const { bookings, rounds, releases, arrivals } = engine;
  const lottery = pick % 2 ? second : first;
  const enter = ({ release, slots }: typeof first, from: number) =>
    rounds.enter(account, release, { beneficiaries: [person], preferences: slots.slice(from) });
  const held = (await bookings.list(account)).map(({ bookingId }) => bookingId);
  // Also those that a change has taken: whoever has their ids can name them.
  const entry = entryIdOf(engine.secrets, first.release, person);
  const ids = [...held, ...[0, 1, 2, 3].map((round) => `${first.release}.${entry}.${round}`)];
  const booking = ids[pick % ids.length] ?? '';
  switch (action) {
    case 'enter-first':
      await enter(first, pick % 3);
      return;
    case 'enter-second':
      await enter(second, 0);
      return;
    case 'book':
      await bookings.book(account, {
        release: atOnce.release,
        beneficiary: person,
        slot: atOnce.slots[0] ?? '',
      });
      return;
    case 'confirm':
    case 'cancel':
      await bookings[action](account, booking);
      return;
    case 'withdraw': {
      const id = entryIdOf(engine.secrets, lottery.release, person);
      await rounds.withdraw(account, lottery.release, id);
      return;
    }
    case 'arrive':
      await arrivals.arrive(
        { name: fresh('key') },
        booking,
        securityCodeOf(engine.secrets, booking),
      );
      return;
    case 'dose': {
      const given = { booking, beneficiary: person, vaccine: 'COVISHIELD', batch: BATCH };
      if (!('refused' in (await arrivals.recordDose(CENTRE, given)))) world.given++;
      return;
    }
    case 'close':
      await releases.close(first.release, { slots: [first.slots[pick % 4] ?? ''] });
      return;
    case 'day-over':
      await attendanceAfterwards(engine)(first.release);
      return;
    case 'round':
      await letPass(test.redis, 601);
      for (let steps = 0; steps < 4; steps++) await workerOn(engine).step(lottery.release);
      return;
    case 'wait':
      await letPass(test.redis, 11);
  }
}

/** In how many releases the person may still get, or keep, a seat. */
async function held({ engine, first, second, atOnce, person }: World): Promise<string[]> {
  const all = await Promise.all(
    [first, second, atOnce].map(async ({ release }) => {
      const entry = entryIdOf(engine.secrets, release, person);
      const [standing] = await engine.stores.rounds.view(release, [entry]);
      const { state, booking } = present(standing, 'a standing');
      if (!HOLDS.includes(state)) return [];
      // Once a dose was given on it, or its day is over, an entry can get no other seat; that one is
      // used.
      const isMarked = (await test.redis.hexists(keys.visits(release), entry)) === 1;
      const [doses = []] = await engine.stores.people.dosesOf([person]);
      const grant = state === 'BOOKED' ? unpackBooking(booking).grant : '';
      const isDosed = doses.some((dose) => dose.booking === bookingId({ release, entry, grant }));
      const isUsed = isDosed || (await test.redis.hget(keys.visits(release), entry)) === grant;
      return isMarked && (isUsed || state !== 'BOOKED') ? [] : [`${release} ${state}`];
    }),
  );
  return all.flat();
}

it('one person never holds two seats, or chances of one', async () => {
  let given = 0;
  let freed = 0;
  // As far as things go as they should; then whatever comes to mind.
  const usual = fc.nat(AS_THEY_SHOULD.length).map((steps) => AS_THEY_SHOULD.slice(0, steps));
  const any = fc.array(fc.tuple(fc.constantFrom(...ACTIONS), fc.nat(11)), {
    minLength: 8,
    maxLength: 24,
    size: 'max',
  });
  await fc.assert(
    fc.asyncProperty(usual, any, async (begin, more) => {
      await test.redis.flushall();
      const world = await createWorld();
      for (const [action, pick] of [...begin, ...more]) {
        await act(world, action, pick);
        expect((await held(world)).length, `${action}: ${String(await held(world))}`).toBeLessThan(
          2,
        );
      }
      given += Math.min(1, world.given);
      const states = await Promise.all(
        [world.second, world.atOnce].map(({ release }) =>
          stateOf(world.engine, release, world.person),
        ),
      );
      if (states.some((state) => HOLDS.includes(state))) freed++;
    }),
    { numRuns: RUNS, seed: 20_210_410 },
  );
  // Otherwise this would be a test of refusals.
  expect(given).toBeGreaterThan(RUNS / 4);
  expect(freed).toBeGreaterThan(RUNS / 8);
});
