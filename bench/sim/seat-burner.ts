/** Who takes seats in order to let them lapse, and enters again. */
import { certainly } from './chances.ts';
import type { Persona } from './persona.ts';
import { openRelease, peopleNamed } from './release.ts';

const BURNERS = peopleNamed('burner', 20);
const CITIZENS = peopleNamed('citizen', 100);
const SEATS = 30;
/** More than enough: a burner that let its offer lapse comes behind every citizen who waits. */
const ROUNDS = 12;

const wastesSeats: Persona = {
  persona: 'seat burner',
  does: '20 people let every offer lapse and enter again',
  counts: 'seats wasted',
  exact: certainly(0),
  honest: (SEATS * BURNERS.length) / (BURNERS.length + CITIZENS.length),
  play: (random) => {
    const release = openRelease([SEATS], random);
    for (const person of [...BURNERS, ...CITIZENS]) release.enter(person);
    for (let round = 0; round < ROUNDS; round++) {
      release.draw();
      for (const burner of BURNERS.filter(release.hasSeat)) {
        release.lapse(burner);
        release.enter(burner);
      }
    }
    release.draw();
    return SEATS - CITIZENS.filter(release.hasSeat).length;
  },
};

export const seatBurners: readonly Persona[] = [wastesSeats];
