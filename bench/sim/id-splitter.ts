/** One person who is several on paper. */
import { hypergeometric, onceIn } from './chances.ts';
import type { Persona } from './persona.ts';
import { openRelease, peopleNamed, personOf } from './release.ts';

const OTHERS = peopleNamed('citizen', 96);
const SEATS = 25;
const PAPERS = [
  ['aadhaar', '234123412346'],
  ['passport', 'M1234567'],
  ['pan', 'ABCDE1234F'],
  ['voter-id', 'XYZ1234567'],
] as const;
const PHONES = 3;

/** `accepted`: ID types that the release takes; every paper is tried from every phone. */
const splitter = (does: string, accepted: readonly string[]): Persona => {
  const usable = PAPERS.filter(([idType]) => accepted.includes(idType));
  const people = OTHERS.length + usable.length;
  const [none = 0] = hypergeometric(people, usable.length, SEATS).chances;
  return {
    persona: 'ID splitter',
    does,
    counts: 'at least a seat',
    exact: onceIn(1 - none),
    honest: SEATS / people,
    ...(usable.length > 1 && {
      seenBy: 'nobody: let a release accept one ID type',
    }),
    play: (random) => {
      const release = openRelease([SEATS], random);
      for (const other of OTHERS) release.enter(other);
      const selves = usable.map(([idType, idNumber]) => personOf(idType, idNumber));
      for (let phone = 0; phone < PHONES; phone++) for (const self of selves) release.enter(self);
      release.draw();
      return Number(selves.some(release.hasSeat));
    },
  };
};

export const idSplitters: readonly Persona[] = [
  splitter(`${PHONES} phones and 4 IDs, where one ID type is accepted`, ['aadhaar']),
  splitter(
    `${PHONES} phones and 4 IDs, where all four ID types are accepted`,
    PAPERS.map(([idType]) => idType),
  ),
];
