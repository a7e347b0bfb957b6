/** The report of a demo: one HTML file that needs nothing else, no script and no network. */
import type { Mode } from './personas.ts';
import { MINUTE_MS, PEOPLE_PER_SEAT, type Group } from './population.ts';
import {
  botShare,
  chanceChart,
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
import { STYLE } from './report-style.ts';
import { escape } from './report-svg.ts';
import { fairRange, type Tally } from './tally.ts';

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
};

export function reportHtml(report: Report): string {
  const { immediate, lottery } = report.tallies;
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>fairslot: the same evening, twice</title>
<style>${STYLE}</style>
<main>
${opening(report)}
${headline(immediate, lottery)}
${whoGotSeats(immediate, lottery)}
${whatItCost(immediate, lottery)}
${draw(report)}
${method(report)}
</main>
</html>
`;
}

function opening({ ranAt, seed, tallies: { immediate, lottery } }: Report): string {
  const { bot, citizen } = immediate.groups;
  const day = new Date(ranAt).toLocaleDateString('en-GB', {
    dateStyle: 'long',
    timeZone: 'UTC',
  });
  const shares = [immediate, lottery].map((tally) => percent(botShare(tally, 'seats')));
  return `<p class="eyebrow">fairslot demo, ${day}, seed ${escape(seed)}</p>
<h1>The same evening, twice</h1>
<p class="lead">${number(citizen.people)} citizens and ${number(bot.people)} bots want ${number(immediate.seats)}
seats, at 8 PM. First come, first served, the bots, ${percent(botShare(immediate, 'people'))} of the people, leave
with <b class="bot">${shares[0]}</b> of the seats. By lottery they leave with <b class="lottery">${shares[1]}</b>.</p>`;
}

const headline = (immediate: Tally, lottery: Tally): string => `
<section class="card headline">
<div class="worth">
<div><b class="immediate">${immediate.botAdvantage.toFixed(1)} ×</b>
<span>a bot's share of the seats over its share of the people, first come, first served</span></div>
<div><b class="lottery">${lottery.botAdvantage.toFixed(1)} ×</b>
<span>the same, by lottery: ${chanceInWords(lottery)}</span></div>
</div>
<div>${shareBars(immediate, lottery)}</div>
</section>`;

function chanceInWords({ groups: { bot, citizen } }: Tally): string {
  const offers = bot.offers + citizen.offers;
  const { least, most } = fairRange(bot.people + citizen.people, bot.people, offers);
  return `bots drew ${number(bot.offers)} of ${number(offers)} offers, where 99 of 100 fair draws give ${number(least)} to ${number(most)}`;
}

function whoGotSeats(immediate: Tally, lottery: Tally): string {
  const tallies = [immediate, lottery];
  const mostASecond = Math.max(
    ...tallies.flatMap(({ bySecond }) => bySecond.map(({ bot, citizen }) => bot + citizen)),
  );
  const lastSecond = Math.max(
    ...tallies.flatMap(({ samples }) => samples.map(({ atMs }) => atMs / 1_000)),
  );
  const half = immediate.bySecond[0];
  return `<h2>When the seats were gone</h2>
<p class="soft">Seats that people still have at the end, by the second in which they got them.${
    half ? ` ${firstSecond(immediate)}` : ''
  }</p>
${groupKey()}
<div class="grid">
${tallies.map((tally) => figure(MODE_NAMES[tally.mode], seatsTimeline(tally, mostASecond, lastSecond), captionOf[tally.mode])).join('')}
</div>
<h2>What it is worth to be early</h2>
<div class="grid">
${figure('Chance of a seat by arrival', chanceChart(immediate, lottery), 'Dots: share of those who came in that second and have a seat; lines: 95 % intervals. The bots are “at the door”: signed in, awake before the opening.', modeKey())}
<div class="card">${seatTable(tallies)}</div>
</div>
<h2>From free to booked</h2>
<p class="soft">All seats as the operator saw them, twice a second.</p>
<ul class="key"><li class="lottery"><i></i>booked</li><li class="lottery"><i style="opacity:.45"></i>offered, to be confirmed</li><li style="color:var(--free)"><i></i><span class="soft">free</span></li></ul>
<div class="grid">
${tallies.map((tally) => figure(MODE_NAMES[tally.mode], seatsOverTime(tally, lastSecond), '')).join('')}
</div>`;
}

const captionOf: Readonly<Record<Mode, string>> = {
  immediate: 'Whoever asks first has the seat.',
  lottery:
    'Nothing is given while the window is open. Then one draw; seats that are not confirmed, or given back, go to the next round and never to whoever is fastest.',
};

function firstSecond({ bySecond, seatsGiven }: Tally): string {
  const first = bySecond
    .filter(({ second }) => second === 0)
    .reduce((sum, { bot, citizen }) => sum + bot + citizen, 0);
  return `First come, first served, ${percent(first / Math.max(1, seatsGiven))} went within one second.`;
}

const whatItCost = (immediate: Tally, lottery: Tally): string => `
<h2>What it costs to try</h2>
<div class="grid">
${figure('Requests to book or to enter', requestBars([immediate, lottery]), 'A full tone was accepted, a middle one refused (too early, seat gone, seat held already), a light one over the limit of requests. In the lottery each further request only edits the one entry.')}
${figure('How long they took', latencyChart([immediate, lottery]), 'Large dot: median; small dot: 90th percentile; bar: 99th. Measured by those who ask, on the machine that also runs the engine.')}
</div>`;

function draw({ rounds, verified, verifyCommand }: Report): string {
  const rows = rounds.map(
    ({ round, publishedAtMs, entries, offers, digest }) =>
      `<tr><td>${round}</td><td>${(publishedAtMs / 1_000).toFixed(1)} s</td><td>${number(entries)}</td><td>${number(offers)}</td><td class="digest">${escape(digest)}</td></tr>`,
  );
  return `<h2>The draw, for you to check</h2>
<p>Before a round is drawn, its list of entries is sealed in a Merkle root; only then does its seed exist. Order, seats and
digests below follow from what is published, and from nothing else. ${
    verified
      ? '<span class="kept">Checked by this demo: every round follows.</span>'
      : '<span class="broken">This demo’s own check failed.</span>'
  } Check it yourself from the transcripts beside this file:</p>
<pre>${escape(verifyCommand)}</pre>
<div class="card scroll"><table>
<tr><th>round</th><th>published after</th><th>new entries</th><th>seats offered</th><th class="digest">digest</th></tr>
${rows.join('\n')}
</table></div>`;
}

const kept = (count: number): string =>
  `<span class="${count === 0 ? 'kept' : 'broken'}">${number(count)}</span>`;

function seatTable(tallies: readonly Tally[]): string {
  const columns = tallies.flatMap(({ groups }) =>
    (['citizen', 'bot'] as const).map((group) => groups[group]),
  );
  const cells = (of: (group: Tally['groups'][Group]) => string): string =>
    columns.map((group) => `<td>${of(group)}</td>`).join('');
  const both = (of: (tally: Tally) => string): string =>
    tallies.map((tally) => `<td colspan="2">${of(tally)}</td>`).join('');
  return `<div class="scroll"><table>
<tr><th></th>${tallies.map(({ mode }) => `<th colspan="2" class="${mode}">${MODE_NAMES[mode]}</th>`).join('')}</tr>
<tr><th></th>${tallies.map(() => `<th>${GROUP_NAMES.citizen}</th><th>${GROUP_NAMES.bot}</th>`).join('')}</tr>
<tr><td>people</td>${cells(({ people }) => number(people))}</tr>
<tr><td>seats in the end</td>${cells(({ seats }) => number(seats))}</tr>
<tr><td>chance of a seat</td>${cells(({ seats, people }) => percent(seats / Math.max(1, people)))}</tr>
<tr><td>requests of all kinds</td>${cells(({ requests }) => number(requests))}</tr>
<tr><td>requests for one seat</td>${cells(({ requests, seats }) => (seats === 0 ? 'no seat' : number(Math.round(requests / seats))))}</tr>
<tr><td>seats given twice</td>${both(({ oversold }) => kept(oversold))}</tr>
<tr><td>people with two seats</td>${both(({ doubleBooked }) => kept(doubleBooked))}</tr>
</table></div>
<p class="soft" style="margin-top:12px">Counted from each person's own list of bookings on the server after the end${
    tallies.every(({ agreed }) => agreed) ? ', and equal to the operator’s count' : ''
  }.</p>`;
}

function method({ sites, seed, ownAddresses, tallies: { immediate } }: Report): string {
  const { bot, citizen } = immediate.groups;
  return `<h2>How it was played</h2>
<ul>
<li>The engine runs as it does with <code>npm start</code>: its own Redis, HTTP and worker processes, a fresh one for each evening, so that the same people can come twice.</li>
<li>The seats are Pune's on 10 April 2021: ${number(sites.all)} sites gave ${number(sites.doses)} doses. They are scaled in proportion to ${number(immediate.seats)} seats (largest remainder), so that ${PEOPLE_PER_SEAT} people want one; ${number(sites.withSeats)} sites keep a seat or more.</li>
<li>Everyone signs in with an OTP, registers one ID and wants one to five places, larger ones more often. A bot's wishes are like anyone's: what differs is speed.</li>
<li>${number(citizen.people)} citizens come over minutes (log-normal), read, and act once; a minute lasts ${MINUTE_MS / 1_000} s here. The ${number(bot.people)} bots run at real speed: ready 200 ms before the opening, a request every 50 ms until they have a seat or the window is over. That flatters the citizens, whom nobody speeds up outside.</li>
<li>One citizen in ten lets an offer lapse and a few cancel, so later rounds have seats to give. Bots never do, so they may end a little above their share.</li>
<li>${
    ownAddresses
      ? 'Each person has a client address of their own, and all limits of the engine are at their defaults.'
      : 'This machine has one loopback address for everybody, so limits by client address were out of the way; limits by account are at their defaults.'
  } Citizens wait when told to; bots do not.</li>
</ul>
<footer class="soft">Play it again: <code>npm run demo -- --citizens ${citizen.people} --bots ${bot.people} --seed ${escape(seed)}</code>. The same seed brings the same people; the draw has a new seed each time.</footer>`;
}

const figure = (title: string, svg: string, caption: string, key = ''): string =>
  `<figure class="card"><h3>${title}</h3>${key}${svg}${caption ? `<figcaption>${caption}</figcaption>` : ''}</figure>`;
const groupKey = (): string =>
  '<ul class="key"><li class="bot"><i></i><span class="soft">bots</span></li><li class="citizen"><i></i><span class="soft">citizens</span></li></ul>';
const modeKey = (): string =>
  `<ul class="key">${(['immediate', 'lottery'] as const)
    .map(
      (mode) =>
        `<li class="${mode}"><i></i><span class="soft">${MODE_NAMES[mode].toLowerCase()}</span></li>`,
    )
    .join('')}</ul>`;
