/**
 * What the audit stream of a release tells of its entries and rounds, line by line. It tells who
 * entered, withdrew, confirmed, cancelled and let an offer lapse, and the digest of each round;
 * not which slot anybody has, nor to whom a round made offers: the transcripts do. Pure.
 */

/** Where an entry stands by the last line that names it. */
export type Told = {
  /** UNSURE: withdrawn in a series, the entry or only the wish to be carried over. */
  readonly word: (typeof WORDS)[number];
  /**
   * The round that it entered for; of all others, how many rounds were drawn then: those that came
   * after may displace a booking.
   */
  readonly round: number;
};

/** Kept in one number: there may be a million. */
const WORDS = ['ENTERED', 'BOOKED', 'LEFT', 'UNSURE'] as const;

const MEANS: Readonly<Record<string, Told['word']>> = {
  entered: 'ENTERED',
  edited: 'ENTERED',
  carried: 'ENTERED',
  booked: 'BOOKED',
  moved: 'BOOKED',
  arrived: 'BOOKED',
  'no-show': 'BOOKED',
  cancelled: 'LEFT',
  lapsed: 'LEFT',
  withdrawn: 'LEFT',
};

/** Lines after which what was read of a release by and by is no picture of one instant. */
const TURNING = /^(?:sealed|drawn|closed|lost) /;
export const isTurning = (line: string): boolean => TURNING.test(line);

export type AuditReplay = ReturnType<typeof createAuditReplay>;

/** `isInSeries`: whether entries of the release may stand for later ones. */
export function createAuditReplay(isInSeries: boolean) {
  const told = new Map<string, number>();
  const digests = new Map<number, string>();
  const closed = new Set<string>();
  const lost = new Set<string>();
  let sealed = 0;
  let drawn = 0;
  let manifestHash: string | undefined;
  let isWhole: boolean | undefined;

  const tell = (id: string, word: Told['word']): void => {
    const round = word === 'ENTERED' ? sealed : drawn;
    told.set(id, WORDS.indexOf(word) + WORDS.length * round);
  };

  const take = (line: string): void => {
    const [word = '', first = '', ...rest] = line.split(' ');
    isWhole ??= word === 'published';
    const means = MEANS[word];
    if (means) tell(first, word === 'withdrawn' && isInSeries ? 'UNSURE' : means);
    else if (word === 'published') manifestHash = first;
    else if (word === 'closed') closed.add(first);
    else if (word === 'lost') lost.add(`${first} ${rest.join(' ')}`);
    else if (word === 'sealed') sealed = Math.max(sealed, Number(first) + 1);
    else if (word === 'drawn') {
      drawn = Math.max(drawn, Number(first) + 1);
      digests.set(Number(first), rest.join(' '));
    }
  };

  const of = (id: string): Told | undefined => {
    const packed = told.get(id);
    if (packed === undefined) return undefined;
    const word = WORDS[packed % WORDS.length] ?? 'UNSURE';
    return { word, round: Math.floor(packed / WORDS.length) };
  };

  return {
    take,
    of,
    ids: () => told.keys(),
    digests,
    closed,
    /** `<slot index>/<pool index> <seats>` */
    lost,
    sealed: () => sealed,
    drawn: () => drawn,
    manifestHash: () => manifestHash,
    /** Whether the stream begins where the release does. */
    isWhole: () => isWhole === true,
  };
}
