/** Somebody who does not take the draw's first answer, or does everything twice for luck. */
import { type Random, between } from '../../src/demo/random.ts';
import { present } from '../../src/lib/assert.ts';
import { sharesOverAllOrders } from './all-orders.ts';
import { onceIn } from './chances.ts';
import type { Persona } from './persona.ts';
import { openRelease, peopleNamed } from './release.ts';

const ME = 're-roller';
const OTHERS = peopleNamed('citizen', 99);
const PEOPLE = OTHERS.length + 1;
const SEATS = 25;
const TIMES = 20;
const A_SEAT = { persona: ME, counts: 'seats', honest: SEATS / PEOPLE } as const;

const withdraws: Persona = {
  ...A_SEAT,
  does: `withdraws and enters again ${TIMES} times before the seal`,
  exact: onceIn(SEATS / PEOPLE),
  play: (random) => {
    const release = openRelease([SEATS], random);
    for (const other of OTHERS) release.enter(other);
    for (let time = 0; time < TIMES; time++) {
      release.enter(ME);
      release.withdraw(ME);
    }
    release.enter(ME);
    release.draw();
    return Number(release.hasSeat(ME));
  },
};

const edits: Persona = {
  ...A_SEAT,
  does: `edits its preferences ${TIMES} times before the seal`,
  exact: onceIn(SEATS / PEOPLE),
  play: (random) => {
    const release = openRelease([SEATS, 0, 0], random);
    for (const other of OTHERS) release.enter(other);
    for (let time = 0; time < TIMES; time++) release.enter(ME, { prefs: [time % 3] });
    release.enter(ME, { prefs: [0, 2, 1] });
    release.draw();
    return Number(release.hasSeat(ME));
  },
};

/** Two slots, of two seats and of one; five people, of whom the first is the persona. */
const TWO_SLOTS = [2, 1];
const FAVOURITE = 0;
const QUIET = 1;
const RIVALS = [[0], [1, 0], [1], [0, 1]];
const sharesWith = (prefs: readonly number[]): readonly number[] =>
  present(
    sharesOverAllOrders(TWO_SLOTS, [{ prefs }, ...RIVALS.map((prefs) => ({ prefs }))])[0],
    'agent',
  );
const truth = present(sharesWith([FAVOURITE, QUIET])[FAVOURITE], 'share');

const lies = (does: string, prefs: readonly number[]): Persona => ({
  persona: ME,
  does,
  counts: 'favourites',
  honest: truth,
  exact: onceIn(present(sharesWith(prefs)[FAVOURITE], 'share')),
  play: (random) => {
    const release = openRelease(TWO_SLOTS, random);
    release.enter(ME, { prefs });
    for (const [i, prefs] of RIVALS.entries()) release.enter(`rival ${i}`, { prefs });
    release.draw();
    return Number(release.slotOf(ME) === FAVOURITE);
  },
});

/** Winners of the first round, other than the persona, who let their offers lapse. */
const LAPSING = 5;
const lapse = (release: ReturnType<typeof openRelease>, winners: readonly string[]): void =>
  winners
    .filter((winner) => winner !== ME)
    .slice(0, LAPSING)
    .forEach(release.lapse);

const triesTheNextRound: Persona = {
  persona: ME,
  does: 'draws no seat, withdraws and enters the next round',
  counts: 'seats in 2 rounds',
  honest: (SEATS + LAPSING) / PEOPLE,
  exact: onceIn(SEATS / PEOPLE),
  play: (random) => {
    const release = openRelease([SEATS], random);
    for (const person of [ME, ...OTHERS]) release.enter(person);
    lapse(release, release.draw().winners);
    if (!release.hasSeat(ME)) {
      release.withdraw(ME);
      release.enter(ME);
    }
    release.draw();
    return Number(release.hasSeat(ME));
  },
};

/**
 * Everyone wants slot 0 first and slot 1 otherwise. Those who lapse are the first in the draw, so
 * that what comes back is of slot 0.
 */
const FIRST_CHOICE = 15;
const SECOND_CHOICE = 10;
const afterAnOffer = (counts: string, wanted: readonly number[], honest: number): Persona => ({
  persona: ME,
  does: 'cancels an offer of its second choice and enters again',
  counts,
  honest,
  exact: onceIn((FIRST_CHOICE + LAPSING) / PEOPLE),
  play: (random) => {
    const release = openRelease([FIRST_CHOICE, SECOND_CHOICE], random);
    for (const person of [ME, ...OTHERS]) release.enter(person, { prefs: [0, 1] });
    lapse(release, release.draw().winners);
    if (release.slotOf(ME) === 1) {
      release.cancel(ME);
      release.enter(ME, { prefs: [0] });
    }
    release.draw();
    return Number(wanted.includes(release.slotOf(ME) ?? -1));
  },
});

/**
 * Whoever holds a seat is never moved to a better one that comes back; whoever waits may get it. So
 * a short list is a bet that first choices come back: it pays as long as enough do.
 */
const namesOneSlot: Persona = {
  persona: 'gambler',
  does: 'names only its first choice and waits for one to come back',
  counts: 'first choices',
  honest: (FIRST_CHOICE + LAPSING) / PEOPLE,
  exact: onceIn((FIRST_CHOICE + SECOND_CHOICE + LAPSING) / PEOPLE),
  seenBy: 'nobody: the list is its own; it takes no more seats, and risks to have none',
  play: (random) => {
    const release = openRelease([FIRST_CHOICE, SECOND_CHOICE], random);
    release.enter(ME, { prefs: [0] });
    for (const other of OTHERS) release.enter(other, { prefs: [0, 1] });
    lapse(release, release.draw().winners);
    release.draw();
    return Number(release.slotOf(ME) === 0);
  },
};

/** A pair among singles gets its seats at the first SEATS - 1 of all places in the draw. */
const PAIR = (SEATS - 1) / (OTHERS.length + 1);
const LEADS = peopleNamed('member', 4);
const groupLeads = (does: string, chooseLead: (random: Random) => string): Persona => ({
  persona: ME,
  does,
  counts: 'seats for both',
  honest: PAIR,
  exact: onceIn(PAIR),
  play: (random) => {
    const release = openRelease([SEATS], random);
    for (const other of OTHERS) release.enter(other);
    for (const lead of LEADS) {
      release.enter(lead, { size: 2 });
      release.withdraw(lead);
    }
    const lead = chooseLead(random);
    release.enter(lead, { size: 2 });
    release.draw();
    return Number(release.hasSeat(lead));
  },
});

export const reRollers: readonly Persona[] = [
  withdraws,
  edits,
  lies('puts the quieter slot first to be surer of a seat', [QUIET, FAVOURITE]),
  lies('names only the slot that it wants most', [FAVOURITE]),
  groupLeads('enters a pair under four leads in turn and settles on one', (random) =>
    present(LEADS[between(random, 0, LEADS.length - 1)], 'lead'),
  ),
  triesTheNextRound,
  afterAnOffer('first choices', [0], (FIRST_CHOICE + LAPSING) / PEOPLE),
  afterAnOffer('seats', [0, 1], (FIRST_CHOICE + SECOND_CHOICE + LAPSING) / PEOPLE),
  namesOneSlot,
];
