/** How people and each persona spend an evening, in either mode. */
import { circuitOf, wishesOf } from '../../src/demo/population.ts';
import type { Slot } from '../../src/demo/personas.ts';
import { monotonicMs } from '../../src/lib/clock.ts';
import type { Member } from './arrive.ts';
import { createDeeds, type Deeds, type EntryView, type Stage, type Story } from './deeds.ts';

export type Player = {
  readonly member: Member;
  readonly story: Story;
  readonly deeds: Deeds;
  readonly wishes: readonly Slot[];
};

/** Between two attempts of a script that has the last answer. */
const ATTEMPT_EVERY_MS = 100;
/** Attempts of a script: the limits of an account let through some more in a minute. */
const ATTEMPTS = { enter: 6, book: 12 };
const LOOKS = 8;
const REROLLS = 2;
/** Scripts solve their first captcha before the opening. */
const SOLVES_EARLY_MS = 1_000;
/** Of the window: when seats are handed on, and when they are burned. */
const HANDED_ON_AT = 0.5;
const BURNED_AT = 0.8;
/** A second choice needs a glance, not a reading. */
const GLANCE = 0.25;

export function createPlayer(stage: Stage, member: Member, story: Story): Player {
  const { person } = member;
  const wishes = wishesOf(person, stage.slots);
  return { member, story, deeds: createDeeds(stage, member, story), wishes };
}

/** Plays everybody to the end of the release. */
export async function playAll(stage: Stage, players: readonly Player[]): Promise<void> {
  const farm = players.flatMap(({ member: { role, person } }) =>
    role === 'farm' ? [person.address] : [],
  );
  const pairs = pairsOf(players);
  const buyers = new Set(pairs.map(([, buyer]) => buyer));
  const live = async (player: Player): Promise<void> => {
    if (stage.mode === 'lottery') return enterAndFollow(stage, player, farm);
    if (player.member.role === 'person') return bookAsPerson(stage, player);
    // A buyer's seat is to come from a borrowed name.
    if (!buyers.has(player)) await bookAsScript(stage, player, farm);
  };
  const lives = new Map(players.map((player) => [player, live(player)]));
  await Promise.all([...lives.values(), ...pairs.map((pair) => handOn(stage, pair, lives))]);
}

async function enterAndFollow(
  stage: Stage,
  player: Player,
  farm: readonly string[],
): Promise<void> {
  if (player.member.role === 'person') await enterAsPerson(stage, player);
  else await enterAsScript(stage, player, farm);
  await followRounds(stage, player);
}

async function bookAsPerson(stage: Stage, { member, deeds, wishes }: Player): Promise<void> {
  const { arrivesMs, actsAfterMs } = member.person;
  let dueMs = stage.opensMs + arrivesMs * stage.pace;
  await deeds.readSlots(dueMs);
  let readingMs = actsAfterMs * stage.pace;
  for (const { slot } of wishes) {
    const solution = await deeds.solve('book', dueMs);
    dueMs += readingMs;
    if (dueMs >= stage.closesMs) return;
    const reply = await deeds.book(dueMs, slot, solution);
    if (reply.status === 201) return;
    readingMs = actsAfterMs * stage.pace * GLANCE;
  }
}

async function enterAsPerson(stage: Stage, { member, deeds, wishes }: Player): Promise<void> {
  const { arrivesMs, actsAfterMs } = member.person;
  const dueMs = stage.opensMs + arrivesMs * stage.pace;
  await deeds.readSlots(dueMs);
  const solution = await deeds.solve('enter', dueMs);
  await deeds.enter(dueMs + actsAfterMs * stage.pace, wishes, solution);
}

/** Tries one slot after another, from the first millisecond on. */
async function bookAsScript(stage: Stage, player: Player, farm: readonly string[]): Promise<void> {
  const { member, deeds } = player;
  const circuit = circuitOf(member.person, stage.slots);
  const everyMs = member.role === 'poller' ? 4 * ATTEMPT_EVERY_MS : ATTEMPT_EVERY_MS;
  let place = 0;
  let solution = await deeds.solve('book', stage.opensMs - SOLVES_EARLY_MS);
  if (member.second) await bookOnSecondPhone(stage, player, circuit);
  for (let attempt = 0; attempt < ATTEMPTS.book; attempt++) {
    const dueMs = stage.opensMs + attempt * everyMs;
    if (dueMs >= stage.closesMs) return;
    const address = addressOf(player, farm, attempt);
    if (attempt > 0) solution = await deeds.solve('book', dueMs, address);
    const slot = circuit[place % circuit.length]?.slot ?? '';
    const reply = await deeds.book(dueMs, slot, solution, address);
    if (reply.status === 201) {
      if (member.role === 'seatBurner')
        await deeds.giveBack(inWindow(stage, BURNED_AT), reply.body.bookingId);
      return;
    }
    if (reply.code === 'SLOT_FULL') place++;
  }
}

async function bookOnSecondPhone(
  { opensMs }: Stage,
  { member: { second }, deeds }: Player,
  [slot]: readonly Slot[],
): Promise<void> {
  if (!second || !slot) return;
  const other = { account: second };
  const solution = await deeds.solve('book', opensMs - SOLVES_EARLY_MS, other);
  await deeds.book(opensMs, slot.slot, solution, other);
}

/** Enters at the first millisecond, then does what its persona believes to help. */
async function enterAsScript(stage: Stage, player: Player, farm: readonly string[]): Promise<void> {
  const { member, deeds, wishes } = player;
  const { opensMs } = stage;
  const early = await deeds.solve('enter', opensMs - SOLVES_EARLY_MS);
  if (member.second) {
    const other = { account: member.second };
    const solution = await deeds.solve('enter', opensMs - SOLVES_EARLY_MS, other);
    await deeds.enter(opensMs, wishes, solution, other);
  }
  let entered = (await deeds.enter(opensMs, wishes, early)).status === 200;
  const asksOn = member.role === 'sprinter' || member.role === 'farm';
  for (let attempt = 1; attempt < ATTEMPTS.enter; attempt++) {
    if (entered && !asksOn) break;
    const dueMs = opensMs + attempt * ATTEMPT_EVERY_MS;
    const address = addressOf(player, farm, attempt);
    const solution = await deeds.solve('enter', dueMs, address);
    entered = (await deeds.enter(dueMs, wishes, solution, address)).status === 200 || entered;
  }
  if (member.role === 'poller')
    for (let looks = 1; looks <= LOOKS; looks++)
      await deeds.look('entry', opensMs + looks * ATTEMPT_EVERY_MS);
  if (member.role === 'reRoller') await reRoll(stage, player);
}

async function reRoll({ opensMs }: Stage, { story, deeds, wishes }: Player): Promise<void> {
  for (let roll = 1; roll <= REROLLS; roll++) {
    const dueMs = opensMs + roll * 4 * ATTEMPT_EVERY_MS;
    const [entryId] = story.entries;
    if (entryId === undefined) return;
    await deeds.withdraw(dueMs, entryId);
    await deeds.enter(dueMs, wishes, await deeds.solve('enter', dueMs));
  }
}

/** After each round, until there is an answer: everybody asks at once, and takes what is offered. */
async function followRounds(stage: Stage, player: Player): Promise<void> {
  for (let round = 0; ; round++) {
    const outMs = await stage.outMs(round);
    if (outMs === undefined) return;
    const view = await player.deeds.look(round === 0 ? 'result' : 'next rounds', outMs);
    if (view?.state !== 'offered' || !view.booking) continue;
    await answer(stage, player, outMs, view.booking);
    return;
  }
}

async function answer(
  stage: Stage,
  player: Player,
  outMs: number,
  { bookingId, slot }: NonNullable<EntryView['booking']>,
): Promise<void> {
  const { member, deeds } = player;
  const { person, role } = member;
  if (role === 'seatBurner' || !person.confirmsOffer) return;
  const readingMs = person.actsAfterMs * stage.pace;
  const confirmed = await deeds.confirm(outMs + readingMs, bookingId, slot);
  if (confirmed && person.cancelsLater) await deeds.giveBack(outMs + 2 * readingMs, bookingId);
}

/**
 * A borrowed name gives its seat back for a buyer to take. At once that works, since the script
 * knows when; in a lottery the seat goes to whoever is next.
 */
async function handOn(
  stage: Stage,
  [name, buyer]: Pair,
  lives: ReadonlyMap<Player, Promise<void>>,
): Promise<void> {
  await lives.get(name);
  const isLottery = stage.mode === 'lottery';
  const dueMs = Math.max(monotonicMs(), isLottery ? 0 : inWindow(stage, HANDED_ON_AT));
  const solution = isLottery ? undefined : await buyer.deeds.solve('book', dueMs);
  const [seat] = name.story.bookings;
  if (!seat || buyer.story.bookings.size > 0) return;
  const [bookingId, slot] = seat;
  if (!(await name.deeds.giveBack(dueMs, bookingId))) return;
  name.story.handedOn = slot;
  if (!isLottery) await buyer.deeds.book(dueMs, slot, solution);
}

type Pair = readonly [name: Player, buyer: Player];

/** Of scalpers, every other is a buyer. */
export function pairsOf(players: readonly Player[]): Pair[] {
  const scalpers = players.filter(({ member }) => member.role === 'scalper');
  return scalpers.flatMap((name, index) => {
    const buyer = scalpers[index + 1];
    return index % 2 === 0 && buyer ? [[name, buyer] as const] : [];
  });
}

const inWindow = ({ opensMs, closesMs }: Stage, share: number): number =>
  opensMs + share * (closesMs - opensMs);

/** A farm's phones post from each other's addresses. */
const addressOf = (
  { member: { role, number } }: Player,
  farm: readonly string[],
  attempt: number,
) => {
  const address = role === 'farm' ? farm[(number + attempt) % farm.length] : undefined;
  return address === undefined ? {} : { address };
};
