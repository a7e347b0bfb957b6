/** Who enters under other names in order to sell. Whether that pays is the market's question. */
import { certainly, hypergeometric } from './chances.ts';
import type { Persona } from './persona.ts';
import { openRelease, peopleNamed, type Release } from './release.ts';

const NAMES = peopleNamed('borrowed name', 10);
const CITIZENS = peopleNamed('citizen', 110);
const BUYERS = peopleNamed('buyer', 10);
const SEATS = 30;
const ENTRIES = NAMES.length + CITIZENS.length;
const IN_ROUND_0 = hypergeometric(ENTRIES, NAMES.length, SEATS);
/** What ten more honest entries would have had in the first round. */
const HONEST = (SEATS * NAMES.length) / ENTRIES;

const cancelAll = (release: Release): number => {
  const held = NAMES.filter(release.hasSeat);
  held.forEach(release.cancel);
  return held.length;
};

const rebooks: Persona = {
  persona: 'scalper',
  does: 'cancels seats of 10 borrowed names, enters its buyers at once',
  counts: 'buyers seated',
  exact: certainly(0),
  honest: HONEST,
  play: (random) => {
    const release = openRelease([SEATS], random);
    for (const person of [...NAMES, ...CITIZENS]) release.enter(person);
    release.draw();
    cancelAll(release);
    for (const buyer of BUYERS) release.enter(buyer);
    release.draw();
    return BUYERS.filter(release.hasSeat).length;
  },
};

/**
 * The order of those who wait is public, so a scalper knows who is served next, if they tell it
 * which entry is theirs.
 */
const sellsTheNextPlace: Persona = {
  persona: 'scalper',
  does: 'cancels seats of 10 borrowed names when whoever is next pays',
  counts: 'payers seated',
  exact: IN_ROUND_0,
  honest: HONEST,
  seenBy: 'no more seats than names, and no choice of buyer; but see the ransom market',
  play: (random) => {
    const release = openRelease([SEATS], random);
    for (const person of [...NAMES, ...CITIZENS]) release.enter(person);
    release.draw();
    const held = NAMES.filter(release.hasSeat).length;
    const payers = release
      .waiting()
      .filter((one) => !NAMES.includes(one))
      .slice(0, held);
    for (const name of NAMES) if (!release.hasSeat(name)) release.withdraw(name);
    cancelAll(release);
    release.draw();
    return payers.filter(release.hasSeat).length;
  },
};

export const scalpers: readonly Persona[] = [rebooks, sellsTheNextPlace];
