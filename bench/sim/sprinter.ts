/** Scripts that are first at the door and never stop knocking. */
import { certainly, hypergeometric } from './chances.ts';
import type { Persona } from './persona.ts';
import { openRelease, peopleNamed } from './release.ts';

const SPRINTERS = peopleNamed('sprinter', 20);
const CITIZENS = peopleNamed('citizen', 180);
const SEATS = 50;
const POSTS = 50;
const EVERYONE = SPRINTERS.length + CITIZENS.length;
/** Seats that as many honest people get. */
const HONEST = (SEATS * SPRINTERS.length) / EVERYONE;

const byLottery: Persona = {
  persona: 'sprinter',
  does: `20 scripts arrive first and post ${POSTS} times each`,
  counts: 'seats',
  exact: hypergeometric(EVERYONE, SPRINTERS.length, SEATS),
  honest: HONEST,
  play: (random) => {
    const release = openRelease([SEATS], random);
    for (const sprinter of SPRINTERS)
      for (let post = 0; post < POSTS; post++) release.enter(sprinter);
    for (const citizen of CITIZENS) release.enter(citizen);
    release.draw();
    return SPRINTERS.filter(release.hasSeat).length;
  },
};

/** No draw here: the first valid request has the seat. */
const firstComeFirstServed: Persona = {
  persona: 'sprinter',
  does: 'the same 20 scripts where seats go first come, first served',
  counts: 'seats',
  exact: certainly(SPRINTERS.length),
  honest: HONEST,
  seenBy: 'this is why there is a draw',
  play: () =>
    [...SPRINTERS, ...CITIZENS].slice(0, SEATS).filter((one) => SPRINTERS.includes(one)).length,
};

export const sprinters: readonly Persona[] = [byLottery, firstComeFirstServed];
