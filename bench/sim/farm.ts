/** Somebody with many verified identities: people who exist, or whose papers look as if. */
import { hypergeometric } from './chances.ts';
import type { Persona } from './persona.ts';
import { openRelease, peopleNamed } from './release.ts';

const CITIZENS = peopleNamed('citizen', 200);
const SEATS = 60;

const farm = (identities: number): Persona => {
  const own = peopleNamed('farmed', identities);
  const everyone = CITIZENS.length + identities;
  return {
    persona: 'farm',
    does: `${identities} identities among ${everyone}`,
    counts: 'seats',
    exact: hypergeometric(everyone, identities, SEATS),
    honest: (SEATS * identities) / everyone,
    play: (random) => {
      const release = openRelease([SEATS], random);
      for (const person of [...own, ...CITIZENS]) release.enter(person);
      release.draw();
      return own.filter(release.hasSeat).length;
    },
  };
};

export const farms: readonly Persona[] = [10, 50, 200].map(farm);
