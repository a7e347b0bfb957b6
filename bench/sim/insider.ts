/** Whoever runs the engine, and cheats. */
import { present } from '../../src/lib/assert.ts';
import { hypergeometric, onceIn } from './chances.ts';
import type { Persona } from './persona.ts';
import { openRelease, peopleNamed, type Release } from './release.ts';

const ME = 'insider';
const CITIZENS = peopleNamed('citizen', 99);
const PEOPLE = CITIZENS.length + 1;
const SEATS = 20;
const HONEST = SEATS / PEOPLE;
const ONE_SEAT = { persona: ME, counts: 'seats', honest: HONEST } as const;

const FAKES = peopleNamed('invented', 4);
const addsEntries: Persona = {
  ...ONE_SEAT,
  does: `adds ${FAKES.length} invented people to its own entry`,
  exact: hypergeometric(PEOPLE + FAKES.length, FAKES.length + 1, SEATS),
  seenBy: 'nobody from the files alone: only whoever attests that people exist',
  play: (random) => {
    const release = openRelease([SEATS], random);
    for (const person of [ME, ...FAKES, ...CITIZENS]) release.enter(person);
    release.draw();
    return [ME, ...FAKES].filter(release.hasSeat).length;
  },
};

const DROPPED = CITIZENS.slice(0, 40);
const enterAllBut = (release: Release, left: readonly string[]): void => {
  for (const person of [ME, ...CITIZENS]) if (!left.includes(person)) release.enter(person);
};
const dropsEntries: Persona = {
  ...ONE_SEAT,
  does: `drops ${DROPPED.length} entries of others before the seal`,
  exact: onceIn(SEATS / (PEOPLE - DROPPED.length)),
  seenBy: 'everyone who was dropped: their receipt is in no round',
  play: (random) => {
    const release = openRelease([SEATS], random);
    enterAllBut(release, DROPPED);
    release.draw();
    return Number(release.hasSeat(ME));
  },
};

/** Slots without seats: their order on a list changes its hash, and nothing else. */
const DECOYS = 4;
const TRIES = 16;
const favourites = Array.from({ length: TRIES }, (_, n) => [0, ...decoys(n)]);
/** A list of decoys for each number: those whose bits are set. */
function decoys(number: number): number[] {
  return Array.from({ length: DECOYS }, (_, i) => i + 1).filter(
    (slot) => (number >> (slot - 1)) & 1,
  );
}
const seats = [SEATS, ...Array.from({ length: DECOYS }, () => 0)];

const picksTheSeed = (does: string, knows: boolean, seenBy: string): Persona => ({
  ...ONE_SEAT,
  does,
  exact: onceIn(knows ? 1 - (1 - HONEST) ** TRIES : HONEST),
  ...(knows && { seenBy }),
  play: (random) => {
    const release = openRelease(seats, random);
    for (const citizen of CITIZENS) release.enter(citizen);
    if (knows) {
      for (const prefs of favourites) {
        release.enter(ME, { prefs });
        if (release.foresee().winners.includes(ME)) break;
      }
    } else {
      // It can try lists as long as it likes, but against a value that it does not know.
      const guess = present(favourites[Math.floor(random() * TRIES)], 'list');
      release.enter(ME, { prefs: guess });
    }
    release.draw();
    return Number(release.hasSeat(ME));
  },
});

const LAPSED = 10;
const timesWinnersOut: Persona = {
  persona: ME,
  does: `declares ${LAPSED} offers of others lapsed`,
  counts: 'seats in 2 rounds',
  honest: HONEST,
  exact: onceIn((SEATS + LAPSED) / PEOPLE),
  seenBy: 'whoever lost the seat: the next file lists their entry as lapsed',
  play: (random) => {
    const release = openRelease([SEATS], random);
    enterAllBut(release, []);
    const { winners } = release.draw();
    winners
      .filter((one) => one !== ME)
      .slice(0, LAPSED)
      .forEach(release.lapse);
    release.draw();
    return Number(release.hasSeat(ME));
  },
};

export const insiders: readonly Persona[] = [
  addsEntries,
  dropsEntries,
  picksTheSeed(
    'tries 16 lists of its own against a hash chain that it knows',
    true,
    'nobody: use public randomness',
  ),
  picksTheSeed(
    'seals after the public value is out, and dates the seal back',
    true,
    'whoever fetched the seal, or found none, before the value was out',
  ),
  picksTheSeed('tries 16 lists of its own with public randomness, sealed in time', false, ''),
  timesWinnersOut,
];
