/**
 * Steady traffic of every kind on a lottery whose rounds go on: visits come one after another at
 * the same distance, whatever becomes of those before. People enter, edit, withdraw, confirm what
 * they are offered and give it back, so that there is always something to draw.
 */
import { wishesOf } from '../../src/demo/population.ts';
import type { Slot } from '../../src/demo/personas.ts';
import type { Phase } from '../../src/progress.ts';
import { seededRandom } from '../../src/demo/random.ts';
import { present } from '../../src/lib/assert.ts';
import { monotonicMs } from '../../src/lib/clock.ts';
import { until } from '../support/open-loop.ts';
import { arrive, type Door, type Member, TurnedAway } from '../rush/arrive.ts';
import type { Actor } from '../rush/cast.ts';
import { createDeeds, type Deeds, newStory, type Stage } from '../rush/deeds.ts';
import { PEOPLE_MAY_HEAR } from '../rush/expected.ts';
import type { Sample } from '../support/timed.ts';

/** Of a hundred visits. */
const VISITS = { read: 40, look: 20, act: 32, signIn: 8 } as const;
type Visit = keyof typeof VISITS;
const VISIT_NAMES = Object.keys(VISITS) as Visit[];

/** Between two requests of a visit. */
const STEP_MS = 100;

/**
 * A round, or another visit of theirs while the engine stands still, may change what somebody has
 * between their look and their act; that is no fault.
 */
const RACED = ['HAS_BOOKING', 'ENTRY_UNKNOWN', 'ENTRY_SEALED', 'BOOKING_UNKNOWN', 'ROUND_DRAWING'];
export const isRaced = ({ code = '' }: Pick<Sample, 'code'>): boolean =>
  RACED.includes(code) || PEOPLE_MAY_HEAR.includes(code);

export const signInsIn = (visits: number): number => Math.ceil((visits * 2 * VISITS.signIn) / 100);

export type Traffic = {
  readonly door: Door;
  readonly stage: Stage;
  readonly members: readonly Member[];
  /** Who has not been here yet, enough of them. */
  readonly newcomers: readonly Actor[];
  /** Visits a second. */
  readonly rate: number;
  readonly durationMs: number;
  readonly seed: string;
};

/** One sign-in that fails is counted, and no reason to throw away hours. */
function countTurnedAway(error: unknown): void {
  if (!(error instanceof TurnedAway)) throw error;
}

/** Resolves when all visits have ended. */
export async function visitAll(traffic: Traffic, phase: Phase): Promise<void> {
  const { door, stage, members, newcomers, rate, durationMs, seed } = traffic;
  const random = seededRandom(`${seed}/visits`);
  const deeds = members.map((member) => createDeeds(stage, member, newStory()));
  const counts: Record<Visit, number> = { read: 0, look: 0, act: 0, signIn: 0 };
  const startMs = monotonicMs();
  const visits = Math.floor((durationMs * rate) / 1_000);
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => undefined); // told to whoever waits for the next visit
  const pending = new Set<Promise<void>>();
  for (let visit = 0; visit < visits; visit++) {
    const dueMs = startMs + (visit * 1_000) / rate;
    await Promise.race([until(dueMs), failed.promise]);
    const name = pick(random());
    const number = counts[name]++;
    const index = number % members.length;
    const own = present(deeds[index], 'a member');
    const coming =
      name === 'signIn'
        ? arrive(door, present(newcomers[number], 'a newcomer'), dueMs).catch(countTurnedAway)
        : WORK[name](stage, present(members[index], 'a member'), own, dueMs);
    const done: Promise<void> = coming
      .then(() => undefined, failed.reject)
      .finally(() => pending.delete(done));
    pending.add(done);
    phase.advance();
  }
  await Promise.race([Promise.all(pending), failed.promise]);
}

function pick(share: number): Visit {
  let left = share * 100;
  return present(
    VISIT_NAMES.find((name) => (left -= VISITS[name]) < 0),
    'a visit',
  );
}

const WORK = { read, look, act } as const;

async function read(stage: Stage, member: Member, deeds: Deeds, dueMs: number): Promise<void> {
  const due = { phase: 'read', group: 'people', dueMs };
  const path = `/v1/releases/${stage.release}`;
  const { address } = member.person;
  await stage.timed.ask(due, { method: 'GET', path, address });
  await deeds.readSlots(dueMs + STEP_MS);
}

async function look(_stage: Stage, _member: Member, deeds: Deeds, dueMs: number): Promise<void> {
  await deeds.look('result', dueMs);
}

/** Does what there is to do next. */
async function act(stage: Stage, member: Member, deeds: Deeds, dueMs: number): Promise<void> {
  const view = await deeds.look('result', dueMs);
  const nextMs = dueMs + STEP_MS;
  switch (view?.state) {
    case 'offered':
      if (view.booking) await deeds.confirm(nextMs, view.booking.bookingId, view.booking.slot);
      return;
    case 'booked':
      if (view.booking) await deeds.giveBack(nextMs, view.booking.bookingId);
      return;
    case 'waiting':
      return deeds.withdraw(nextMs, view.entryId);
    case 'sealed':
      return;
    default: {
      const wishes: readonly Slot[] = wishesOf(member.person, stage.slots);
      const solution = await deeds.solve('enter', nextMs);
      await deeds.enter(nextMs + STEP_MS, wishes, solution);
    }
  }
}
