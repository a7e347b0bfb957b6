/** The report of a demo: one HTML file that needs nothing else, no script and no network. */
import { readFileSync } from 'node:fs';
import type { Mode } from './personas.ts';
import { MINUTE_MS, PEOPLE_PER_SEAT } from './population.ts';
import {
  botShare,
  chanceChart,
  evenChance,
  GROUP_NAMES,
  latencyChart,
  MODE_NAMES,
  number,
  percent,
  requestBars,
  seatsOverTime,
  seatsTimeline,
  shareBars,
} from './report-charts.ts';
import { figure, key, pageHtml } from '../report/page.ts';
import { escape } from '../report/svg.ts';
import { fairRange, type GroupTally, type Tally } from './tally.ts';

export type ReportRound = {
  readonly round: number;
  readonly digest: string;
  /** Milliseconds after the opening. */
  readonly publishedAtMs: number;
  readonly entries: number;
  readonly offers: number;
};

export type Report = {
  /** RFC 3339. */
  readonly ranAt: string;
  readonly seed: string;
  readonly sites: { readonly all: number; readonly withSeats: number; readonly doses: number };
  readonly ownAddresses: boolean;
  readonly tallies: Readonly<Record<Mode, Tally>>;
  readonly rounds: readonly ReportRound[];
  readonly verified: boolean;
  readonly verifyCommand: string;
  /** What no file can show, in words. */
  readonly trust: string;
};

const STYLE = readFileSync(new URL('report.css', import.meta.url), 'utf8');

export const reportHtml = (report: Report): string =>
  pageHtml({
    title: 'fairslot: the same evening, twice',
    style: STYLE,
    body: `${opening(report)}
${headline(report.tallies)}
${timeline(report.tallies)}
${arrival(report.tallies)}
${seatStates(report.tallies)}
${effort(report.tallies)}
${draw(report)}
${method(report)}`,
  });

type Tallies = Report['tallies'];
const both = ({ immediate, lottery }: Tallies): readonly Tally[] => [immediate, lottery];

function opening({ ranAt, seed, tallies: { immediate, lottery } }: Report): string {
  const { bot, citizen } = immediate.groups;
  const terms = { dateStyle: 'long', timeZone: 'UTC' } as const;
  const day = new Date(ranAt).toLocaleDateString('en-GB', terms);
  return `<p class="eyebrow">fairslot demo, ${day}, seed ${escape(seed)}</p>
<h1>The same evening, twice</h1>
<p class="lead">${number(citizen.people)} citizens and ${number(bot.people)} bots want
${number(immediate.seats)} seats, at 8 PM. First come, first served, the bots,
${percent(botShare(immediate, 'people'))} of the people, leave with
<b class="bot">${percent(botShare(immediate, 'seats'))}</b> of the seats. By lottery they leave with
<b class="lottery">${percent(botShare(lottery, 'seats'))}</b>.</p>`;
}

const headline = ({ immediate, lottery }: Tallies): string => `
<section class="card headline">
<div class="worth">
<div><b class="immediate">${immediate.botAdvantage.toFixed(1)} ×</b>
<span>the bots’ share of the seats over their share of the people, first come, first served</span>
</div>
<div><b class="lottery">${lottery.botAdvantage.toFixed(1)} ×</b>
<span>the same, by lottery: ${chanceInWords(lottery)}</span></div>
</div>
<div>${shareBars(immediate, lottery)}</div>
</section>`;

function chanceInWords({ groups: { bot, citizen } }: Tally): string {
  const offers = bot.offers + citizen.offers;
  const { least, most } = fairRange(bot.people + citizen.people, bot.people, offers);
  return `bots drew ${number(bot.offers)} of ${number(offers)} offers,
where 99 of 100 fair draws give them ${number(least)} to ${number(most)}`;
}

/** Last second of the longer evening: both modes are drawn on one time axis. */
const lastSecond = (tallies: Tallies): number =>
  Math.max(...both(tallies).flatMap(({ samples }) => samples.map(({ atMs }) => atMs / 1_000)));

const TIMELINE_CAPTIONS: Readonly<Record<Mode, string>> = {
  immediate: 'Whoever asks first has the seat.',
  lottery: `Nothing is given while the window is open. Then one draw; seats that are not confirmed,
or given back, go to the next round and never to whoever is fastest.`,
};

function timeline(tallies: Tallies): string {
  const perSecond = both(tallies).flatMap(({ bySecond }) => bySecond);
  const most = Math.max(1, ...perSecond.map(({ bot, citizen }) => bot + citizen));
  const charts = both(tallies).map((tally) =>
    figure({
      title: MODE_NAMES[tally.mode],
      chart: seatsTimeline(tally, most, lastSecond(tallies)),
      caption: TIMELINE_CAPTIONS[tally.mode],
    }),
  );
  return `<h2>When the seats were gone</h2>
<p class="soft">Seats that people still have at the end, by the second in which they got them. First
come, first served, ${percent(shareOfFirstSecond(tallies.immediate))} went within one second.</p>
${key(['fill-bot', GROUP_NAMES.bot], ['fill-citizen', GROUP_NAMES.citizen])}
<div class="grid">${charts.join('')}</div>`;
}

function shareOfFirstSecond({ bySecond, seatsGiven }: Tally): number {
  const [first] = bySecond;
  return first?.second === 0 ? (first.bot + first.citizen) / seatsGiven : 0;
}

function arrival(tallies: Tallies): string {
  const { immediate, lottery } = tallies;
  const chart = figure({
    title: 'Chance of a seat by arrival',
    key: key(
      ['fill-immediate', MODE_NAMES.immediate.toLowerCase()],
      ['fill-lottery', MODE_NAMES.lottery.toLowerCase()],
      ['dashed', `even, ${percent(evenChance(immediate))}`],
    ),
    chart: chanceChart(immediate, lottery),
    caption: `Dots: share of those who came in that second and have a seat; lines: 95 % intervals.
The bots are “at the door”: signed in, and awake before the opening.`,
  });
  return `<h2>What it is worth to be early</h2>
<div class="grid">${chart}<div class="card">${seatTable(both(tallies))}</div></div>`;
}

function seatTable(tallies: readonly Tally[]): string {
  const groups = tallies.flatMap(({ groups: { citizen, bot } }) => [citizen, bot]);
  const row = (name: string, of: (group: GroupTally) => string): string =>
    `<tr><td>${name}</td>${groups.map((group) => `<td>${of(group)}</td>`).join('')}</tr>`;
  const modeRow = (name: string, of: (tally: Tally) => number): string =>
    `<tr><td>${name}</td>${tallies.map((tally) => zeroCell(of(tally))).join('')}</tr>`;
  const modes = tallies.map(
    ({ mode }) => `<th colspan="2" class="${mode}">${MODE_NAMES[mode]}</th>`,
  );
  const names = tallies.map(() => `<th>${GROUP_NAMES.citizen}</th><th>${GROUP_NAMES.bot}</th>`);
  const agreed = tallies.every((tally) => tally.agreed);
  return `<div class="scroll"><table>
<tr><th></th>${modes.join('')}</tr>
<tr><th></th>${names.join('')}</tr>
${row('people', ({ people }) => number(people))}
${row('seats in the end', ({ seats }) => number(seats))}
${row('chance of a seat', ({ seats, people }) => percent(seats / Math.max(1, people)))}
${row('requests of all kinds', ({ requests }) => number(requests))}
${row('requests for one seat', ({ requests, seats }) => perSeat(requests, seats))}
${modeRow('seats given twice', ({ oversold }) => oversold)}
${modeRow('people with two seats', ({ doubleBooked }) => doubleBooked)}
</table></div>
<p class="soft">Counted from each person’s own list of bookings on the server after the
end${agreed ? ', and equal to the operator’s count' : ''}.</p>`;
}

const perSeat = (requests: number, seats: number): string =>
  seats === 0 ? 'no seat' : number(Math.round(requests / seats));
/** Of both groups together; good only when it is 0. */
const zeroCell = (count: number): string =>
  `<td colspan="2" class="${count === 0 ? 'kept' : 'broken'}">${number(count)}</td>`;

function seatStates(tallies: Tallies): string {
  const charts = both(tallies).map((tally) =>
    figure({
      title: MODE_NAMES[tally.mode],
      chart: seatsOverTime(tally, lastSecond(tallies)),
    }),
  );
  return `<h2>From free to booked</h2>
<p class="soft">All seats as the operator saw them, twice a second.</p>
${key(['fill-booked', 'booked'], ['fill-offered', 'offered, to be confirmed'], ['fill-free', 'free'])}
<div class="grid">${charts.join('')}</div>`;
}

function effort(tallies: Tallies): string {
  const requests = figure({
    title: 'Requests to book or to enter',
    chart: requestBars(both(tallies)),
    caption: `A full tone was accepted, a middle one refused (too early, seat gone), a light one
over the limit of requests. In the lottery each further request only edits the one entry.`,
  });
  const latency = figure({
    title: 'How long they took',
    chart: latencyChart(both(tallies)),
    caption: `Large dot: median; small dot: 90th percentile; bar: 99th. Measured by those who ask,
on the machine that also runs the engine.`,
  });
  return `<h2>What it costs to try</h2><div class="grid">${requests}${latency}</div>`;
}

function draw({ rounds, verified, verifyCommand, trust }: Report): string {
  const rows = rounds.map(({ round, publishedAtMs, entries, offers, digest }) => {
    const cells = [
      round,
      `${(publishedAtMs / 1_000).toFixed(1)} s`,
      number(entries),
      number(offers),
    ];
    const start = cells.map((cell) => `<td>${cell}</td>`).join('');
    return `<tr>${start}<td class="digest">${escape(digest)}</td></tr>`;
  });
  const verdict = verified
    ? '<span class="kept">Checked by this demo: every round follows.</span>'
    : '<span class="broken">This demo’s own check failed.</span>';
  return `<h2>The draw, for you to check</h2>
<p>Before a round is drawn, its list of entries is sealed in a Merkle root, which its seed is made
from. Order, seats and digests below follow from what is published, and from nothing else.
${verdict} Check it yourself from the transcripts beside this file:</p>
<pre>${escape(verifyCommand)}</pre>
<div class="card scroll"><table>
<tr><th>round</th><th>published after</th><th>new entries</th><th>seats offered</th>
<th class="digest">digest</th></tr>
${rows.join('\n')}
</table></div>
<p class="soft">Taken on trust: ${escape(trust)}</p>`;
}

function method({ sites, seed, ownAddresses, tallies: { immediate } }: Report): string {
  const { bot, citizen } = immediate.groups;
  const limits = ownAddresses
    ? `Each person has a client address of their own, and all limits of the engine are at their
defaults.`
    : `This machine has one loopback address for everybody, so limits by client address were out of
the way; limits by account are at their defaults.`;
  return `<h2>How it was played</h2>
<ul>
<li>The engine runs as it does with <code>npm start</code>: its own Redis, HTTP and worker
processes, a fresh one for each evening, so that the same people can come twice.</li>
<li>The seats are Pune’s on 10 April 2021: ${number(sites.all)} sites gave ${number(sites.doses)}
doses. They are scaled in proportion to ${number(immediate.seats)} seats (largest remainder), so
that ${PEOPLE_PER_SEAT} people want one; ${number(sites.withSeats)} sites keep a seat or more.</li>
<li>Everyone signs in with an OTP, registers one ID and wants one to five places, larger ones more
often. A bot’s wishes are like anyone’s: what differs is speed.</li>
<li>${number(citizen.people)} citizens come over minutes (log-normal), read, and act once; a minute
lasts ${MINUTE_MS / 1_000} s here. The ${number(bot.people)} bots run at real speed: ready 200 ms
before the opening, a request every 50 ms until they have a seat, the window is over or, in the
lottery, they have just enough requests left to confirm an offer. That flatters the citizens, whom
nobody speeds up outside.</li>
<li>One citizen in ten lets an offer lapse and a few cancel, so later rounds have seats to give.
Bots never do, so they may end a little above their share.</li>
<li>${limits} Citizens wait when told to; bots do not.</li>
</ul>
<footer class="soft">Play it again: <code>npm run demo -- --citizens ${citizen.people} --bots
${bot.people} --seed ${escape(seed)}</code>. The same seed brings the same people; the draw has a
new seed each time.</footer>`;
}
