/**
 * Who comes: people, and the personas of docs/security.md that act over HTTP. All wish for seats in
 * the same way, so that what a persona gains comes from what it does. Everything is drawn from a
 * seed before anything is played: every evening has the same people with the same habits. Everyone
 * names every slot, best first, so that whoever comes first in a draw has a seat whatever they wish
 * for, and chance is exact.
 */
import {
  createPopulation,
  MINUTE_MS,
  MOST_WISHES,
  type Person,
} from '../../src/demo/population.ts';
import { seededRandom } from '../../src/demo/random.ts';
import { present } from '../../src/lib/assert.ts';

/** Each persona, and what it does. */
export const PERSONAS = {
  sprinter: 'asks at the first millisecond, then again and again',
  poller: 'asks at the first millisecond, then looks and asks whenever a seat may have come back',
  farm: 'many phones, IDs and devices of one script, each from the addresses of all',
  scalper: 'takes seats under borrowed names, hands each on to a buyer who waits',
  idSplitter: 'one person with two phones, the same ID on both, then a second document',
  reRoller: 'withdraws and enters again, for another lot',
  seatBurner: 'takes seats and lets them go to waste',
} as const;
export type Persona = keyof typeof PERSONAS;
export const PERSONA_NAMES = Object.keys(PERSONAS) as Persona[];
export type Role = 'person' | Persona;
export const ROLES: readonly Role[] = ['person', ...PERSONA_NAMES];

export type Actor = {
  readonly role: Role;
  readonly person: Person;
  /** Of a persona that has one: a phone beside the first. */
  readonly secondMobile?: string;
  /** Among those of their role, from 0. */
  readonly number: number;
};
export const isBot = ({ role }: Pick<Actor, 'role'>): boolean => role !== 'person';
export const groupOf = (actor: Pick<Actor, 'role'>): 'people' | 'bots' =>
  isBot(actor) ? 'bots' : 'people';

/** So many of the people sit before their screens when it opens, and come within about this time. */
const AT_THE_DOOR = 0.4;
const DOOR_MS = 0.3 * MINUTE_MS;
const SECOND_PHONES = '+9196';

/**
 * People first. `firstNumber`: where their mobiles and IDs begin, for a deployment that has seen
 * others. Times are of an evening whose minutes last `MINUTE_MS`.
 */
export function createCast(
  people: number,
  bots: number,
  seed: string,
  firstNumber = 0,
): readonly Actor[] {
  return createPopulation(people, bots, seed, firstNumber).map((drawn, index): Actor => {
    const person = { ...drawn, wishes: MOST_WISHES };
    if (person.group === 'citizen')
      return { role: 'person', number: index, person: { ...person, ...arrival(person) } };
    const place = index - people;
    const role = present(PERSONA_NAMES[place % PERSONA_NAMES.length], 'a persona');
    const number = Math.floor(place / PERSONA_NAMES.length);
    const actor = { role, number, person: { ...person, arrivesMs: 0 } };
    if (role !== 'idSplitter') return actor;
    return { ...actor, secondMobile: `${SECOND_PHONES}${person.mobile.slice(-8)}` };
  });
}

/** A rush at the opening, then those who come by in the course of the window. */
function arrival({ seed, arrivesMs }: Person): Pick<Person, 'arrivesMs'> {
  const random = seededRandom(`${seed}/door`);
  if (random() >= AT_THE_DOOR) return { arrivesMs };
  return { arrivesMs: -Math.log(1 - random()) * DOOR_MS };
}
