/** The report's charts: each takes tallies and gives SVG. */
import type { Mode } from './personas.ts';
import { GROUPS, type Group } from './population.ts';
import {
  bar,
  chart,
  element,
  line,
  linear,
  logarithmic,
  text,
  ticksTo,
  xAxis,
  yAxis,
  type Box,
  type Scale,
} from '../report/svg.ts';
import { shareInterval, type ArrivalBin, type GroupTally, type Tally } from './tally.ts';

const WIDTH = 480;

const BOX: Box = { left: 44, right: WIDTH - 8, top: 34, bottom: 216 };
const HEIGHT = BOX.bottom + 42;

export const MODE_NAMES: Readonly<Record<Mode, string>> = {
  immediate: 'First come, first served',
  lottery: 'By lottery',
};
export const GROUP_NAMES: Readonly<Record<Group, string>> = { citizen: 'citizens', bot: 'bots' };

export const number = (value: number): string => value.toLocaleString('en');
export const percent = (share: number): string =>
  `${(share * 100).toFixed(share < 0.095 && share > 0 ? 1 : 0)} %`;
const milliseconds = (ms: number): string => (ms < 10 ? ms.toFixed(1) : number(Math.round(ms)));
const SECONDS = 'seconds after the opening';

export const botShare = ({ groups }: Tally, of: 'people' | 'seats'): number =>
  groups.bot[of] / Math.max(1, groups.bot[of] + groups.citizen[of]);

/** Share of people against share of seats in both modes, with what a fair draw would do. */
export function shareBars(immediate: Tally, lottery: Tally): string {
  const width = 540;
  const x = linear([0, 1], [0, width]);
  const fair = botShare(immediate, 'people');
  const rows = [
    { name: 'People', tally: immediate, of: 'people' },
    { name: `Seats: ${MODE_NAMES.immediate.toLowerCase()}`, tally: immediate, of: 'seats' },
    { name: `Seats: ${MODE_NAMES.lottery.toLowerCase()}`, tally: lottery, of: 'seats' },
  ] as const;
  const marks = rows.map(({ name, tally, of }, index) => {
    const top = 22 + index * 84;
    const share = botShare(tally, of);
    const { bot, citizen } = tally.groups;
    return [
      text(0, top - 6, name, { class: 'strong' }),
      text(width, top - 6, `${number(bot[of])} bots, ${number(citizen[of])} citizens`, {
        class: 'tick',
        'text-anchor': 'end',
      }),
      bar({ x: 0, y: top, width: x(share), height: 38 }, 'fill-bot', `bots: ${percent(share)}`),
      bar(
        { x: x(share), y: top, width: x(1 - share), height: 38 },
        'fill-citizen',
        `citizens: ${percent(1 - share)}`,
      ),
      share > 0.07 ? text(6, top + 24, percent(share), { class: 'inside' }) : '',
      share < 0.91
        ? text(width - 8, top + 24, percent(1 - share), { class: 'inside', 'text-anchor': 'end' })
        : '',
    ].join('');
  });
  const bottom = 22 + 2 * 84 + 38;
  return chart(
    {
      width,
      height: bottom + 30,
      title: 'Share of bots among people and among seats',
      description: rows
        .map(({ name, tally, of }) => `${name}: ${percent(botShare(tally, of))}`)
        .join('; '),
    },
    ...marks,
    ...rows.map((_, index) => line(x(fair), 22 + index * 84, x(fair), 60 + index * 84, 'mark')),
    line(x(fair), bottom, x(fair), bottom + 10, 'mark'),
    text(x(fair), bottom + 24, `bots' share of the people, ${percent(fair)}`, {
      class: 'note',
      'text-anchor': fair > 0.3 ? 'middle' : 'start',
      dx: fair > 0.3 ? 0 : -4,
    }),
  );
}

/** The time axis that both modes share, so that their charts can be laid side by side. */
const timeAxis = (lastSecond: number) => {
  const ticks = ticksTo(lastSecond, 7);
  const scale = linear([0, ticks.at(-1) ?? 1], [BOX.left, BOX.right]);
  return { scale, ticks, label: SECONDS, format: number };
};

const seatAxis = (seats: number, label: string) => {
  const ticks = ticksTo(seats, 5);
  const scale = linear([0, ticks.at(-1) ?? 1], [BOX.bottom, BOX.top]);
  return { scale, ticks, label, format: number };
};

/** Seats by the second in which they were given, bots below citizens. */
export function seatsTimeline(tally: Tally, most: number, lastSecond: number): string {
  const x = timeAxis(lastSecond);
  const y = seatAxis(most, 'seats given, each second');
  const width = Math.max(3, (x.scale(1) - x.scale(0)) * 0.8);
  const marks = tally.bySecond.flatMap((counts) => {
    let below = 0;
    return (['bot', 'citizen'] as const).map((group) => {
      const from = y.scale(below);
      below += counts[group];
      const box = {
        x: x.scale(counts.second) + 1,
        y: y.scale(below),
        width,
        height: from - y.scale(below),
      };
      const when = `second ${counts.second + 1}`;
      return bar(
        box,
        `fill-${group}`,
        `${when}: ${number(counts[group])} to ${GROUP_NAMES[group]}`,
      );
    });
  });
  const first = tally.bySecond[0];
  const title = `Seats given, ${MODE_NAMES[tally.mode].toLowerCase()}`;
  const description = first
    ? `From second ${first.second}: ${first.bot} to bots and ${first.citizen} to citizens at once`
    : 'none';
  return chart(
    { width: WIDTH, height: HEIGHT, title, description },
    yAxis(BOX, y),
    ...marks,
    xAxis(BOX, x),
  );
}

/** Chance of a seat by the second of arrival in both modes, with 95 % intervals. */
export function chanceChart(immediate: Tally, lottery: Tally): string {
  const seconds = Math.max(...immediate.byArrival.map(({ toMs }) => toMs / 1_000));
  const x = linear([2 * AT_THE_DOOR, seconds], [CHANCE_BOX.left, CHANCE_BOX.right]);
  const most = Math.max(...[immediate, lottery].flatMap(({ byArrival }) => byArrival.map(chance)));
  const ticks = ticksTo(most * 100, 5).filter((tick) => tick <= 100);
  const y = linear([0, ticks.at(-1) ?? 100], [CHANCE_BOX.bottom, CHANCE_BOX.top]);
  const even = y(evenChance(immediate) * 100);
  return chart(
    {
      width: WIDTH,
      height: CHANCE_BOX.bottom + 42,
      title: 'Chance of a seat by time of arrival',
      description: `${chancesInWords(immediate)}; ${chancesInWords(lottery)}`,
    },
    yAxis(CHANCE_BOX, {
      scale: y,
      ticks,
      label: 'people with a seat',
      format: (tick) => `${tick} %`,
    }),
    line(CHANCE_BOX.left, even, CHANCE_BOX.right, even, 'mark'),
    chanceLine(immediate, x, y),
    chanceLine(lottery, x, y),
    xAxis(CHANCE_BOX, {
      scale: x,
      ticks: ticksTo(seconds, 6).filter((tick) => tick <= seconds),
      label: `arrival, ${SECONDS}`,
      format: number,
    }),
    text(x(AT_THE_DOOR), CHANCE_BOX.bottom + 17, 'at the door', {
      class: 'tick',
      'text-anchor': 'middle',
    }),
  );
}

/** Seats for each of those who want one. */
export const evenChance = ({ seats, groups }: Tally): number =>
  seats / (groups.bot.people + groups.citizen.people);

/** Where those stand, on the axis of seconds, who came before the opening. */
const AT_THE_DOOR = -1.6;
const CHANCE_BOX: Box = { ...BOX, bottom: 290 };

const chance = ({ seats, people }: ArrivalBin): number => seats / people;
const middleOf = ({ fromMs, toMs }: ArrivalBin): number =>
  fromMs < 0 ? AT_THE_DOOR : (fromMs + toMs) / 2_000;
const chancesInWords = ({ mode, byArrival }: Tally): string =>
  `${MODE_NAMES[mode].toLowerCase()}: ${byArrival.map((bin) => percent(chance(bin))).join(', ')}`;

function chanceLine({ mode, byArrival }: Tally, x: Scale, y: Scale): string {
  const points = byArrival.map((bin) => ({ x: x(middleOf(bin)), y: y(chance(bin) * 100), bin }));
  const path = points.map(({ x, y }) => `${x.toFixed(1)},${y.toFixed(1)}`).join(' ');
  return [
    ...points.map((point) => {
      const { low, high } = shareInterval(point.bin.seats, point.bin.people);
      const top = Math.max(CHANCE_BOX.top, y(high * 100));
      return line(point.x, y(low * 100), point.x, top, `whisker line-${mode}`);
    }),
    element('polyline', { points: path, class: `line line-${mode}` }),
    ...points.map(({ x, y, bin }) =>
      element(
        'circle',
        { cx: x, cy: y, r: 4, class: `fill-${mode}` },
        element('title', {}, `${bin.seats} of ${bin.people} people`),
      ),
    ),
  ].join('');
}

/** Free, offered and booked seats as the operator saw them. */
export function seatsOverTime(tally: Tally, lastSecond: number): string {
  const x = timeAxis(lastSecond);
  const y = seatAxis(tally.seats, 'seats');
  let below = tally.samples.map(() => 0);
  const areas = (['booked', 'offered', 'free'] as const).map((layer) => {
    const above = tally.samples.map((sample, n) => (below[n] ?? 0) + sample[layer]);
    const edges = [stepEdge(tally, above), stepEdge(tally, below).toReversed()].flat();
    const points = edges.map(
      ([second, seats]) => `${x.scale(second).toFixed(1)},${y.scale(seats).toFixed(1)}`,
    );
    below = above;
    return element('polygon', { points: points.join(' '), class: `fill-${layer}` });
  });
  const title = `Free, offered and booked seats, ${MODE_NAMES[tally.mode].toLowerCase()}`;
  const description = `At the end ${tally.seatsGiven} of ${tally.seats} are booked`;
  return chart(
    { width: WIDTH, height: HEIGHT, title, description },
    yAxis(BOX, y),
    ...areas,
    xAxis(BOX, x),
  );
}

/** A value stands from one sample to the next. */
const stepEdge = (
  { samples }: Tally,
  values: readonly number[],
): [second: number, value: number][] =>
  samples.flatMap(({ atMs }, n): [number, number][] => {
    const value = values[n] ?? 0;
    return [
      [atMs / 1_000, value],
      [(samples[n + 1]?.atMs ?? atMs) / 1_000, value],
    ];
  });

type Row = { readonly mode: Mode; readonly group: Group; readonly tally: GroupTally };

const rowsOf = (tallies: readonly Tally[]): Row[] =>
  tallies.flatMap(({ mode, groups }) =>
    GROUPS.map((group) => ({ mode, group, tally: groups[group] })),
  );

/** Rows in pairs, each pair under the name of its mode. */
const rowTop = (index: number): number => 26 + index * 34 + Math.floor(index / 2) * 30;
const rowNames = (rows: readonly Row[]): string =>
  rows
    .map(({ mode, group }, index) =>
      [
        index % 2 === 0 ? text(0, rowTop(index) - 10, MODE_NAMES[mode], { class: 'strong' }) : '',
        text(0, rowTop(index) + 17, GROUP_NAMES[group]),
      ].join(''),
    )
    .join('');
const ROWS_BOTTOM = rowTop(3) + 32;
const ROWS_BOX: Box = { left: 64, right: WIDTH - 8, top: 16, bottom: ROWS_BOTTOM };

const total = ({ attempts }: GroupTally): number =>
  attempts.accepted + attempts.refused + attempts.limited + attempts.failed;

/** Requests to the booking or entry route by group and by how they ended. */
export function requestBars(tallies: readonly Tally[]): string {
  const rows = rowsOf(tallies);
  const most = Math.max(1, ...rows.map(({ tally }) => total(tally)));
  const x = linear([0, most], [ROWS_BOX.left, WIDTH - 150]);
  const marks = rows.map(({ group, tally }, index) => {
    let before = 0;
    const { accepted, refused, limited, failed } = tally.attempts;
    const parts = { accepted, refused: refused + failed, limited };
    const bars = Object.entries(parts).map(([kind, count]) => {
      const from = x(before);
      before += count;
      const box = { x: from, y: rowTop(index), width: x(before) - from, height: 24 };
      return bar(box, `fill-${group} ${kind}`, `${kind}: ${number(count)}`);
    });
    const each = (total(tally) / Math.max(1, tally.people)).toFixed(1);
    const note = `${number(total(tally))}, ${each} each`;
    return [...bars, text(x(before) + 8, rowTop(index) + 17, note, { class: 'tick' })].join('');
  });
  return chart(
    {
      width: WIDTH,
      height: ROWS_BOTTOM,
      title: 'Requests to the booking or entry route',
      description: rows
        .map(({ mode, group, tally }) => `${mode}, ${GROUP_NAMES[group]}: ${total(tally)}`)
        .join('; '),
    },
    rowNames(rows),
    ...marks,
  );
}

/** Median, 90th and 99th percentile of the booking or entry route, on a logarithmic axis. */
export function latencyChart(tallies: readonly Tally[]): string {
  const rows = rowsOf(tallies);
  const all = rows.flatMap(({ tally }) => Object.values(tally.latencyMs ?? {}));
  const powers = [0.1, 1, 10, 100, 1_000, 10_000, 100_000];
  const from = powers.findLast((power) => power <= Math.min(...all)) ?? 0.1;
  const to = powers.find((power) => power >= Math.max(...all)) ?? 100_000;
  const x = logarithmic([from, to], [ROWS_BOX.left + 12, ROWS_BOX.right - 12]);
  const ticks = powers.filter((power) => power >= from && power <= to);
  const marks = rows.flatMap(({ group, tally }, index) => {
    if (!tally.latencyMs) return [];
    const { p50, p90, p99 } = tally.latencyMs;
    const y = rowTop(index) + 13;
    return [
      element('line', { x1: x(p50), x2: x(p99), y1: y, y2: y, class: `line line-${group}` }),
      element('circle', { cx: x(p50), cy: y, r: 5.5, class: `fill-${group}` }),
      element('circle', { cx: x(p90), cy: y, r: 3.5, class: `fill-${group}` }),
      element('rect', { x: x(p99) - 1.5, y: y - 8, width: 3, height: 16, class: `fill-${group}` }),
      text(x(p50), y - 9, milliseconds(p50), { class: 'tick', 'text-anchor': 'middle' }),
      text(x(p99) + 7, y + 4, milliseconds(p99), { class: 'tick' }),
    ];
  });
  const axis = { scale: x, ticks, label: 'milliseconds, logarithmic', format: number };
  return chart(
    {
      width: WIDTH,
      height: ROWS_BOTTOM + 42,
      title: 'Latency of the booking or entry route',
      description: rows
        .map(({ mode, group, tally }) => {
          const { p50 = 0, p99 = 0 } = tally.latencyMs ?? {};
          const figures = `median ${milliseconds(p50)}, 99th percentile ${milliseconds(p99)} ms`;
          return `${mode}, ${GROUP_NAMES[group]}: ${figures}`;
        })
        .join('; '),
    },
    ...ticks.map((tick) => line(x(tick), ROWS_BOX.top, x(tick), ROWS_BOTTOM, 'grid')),
    rowNames(rows),
    ...marks,
    xAxis(ROWS_BOX, axis),
  );
}
