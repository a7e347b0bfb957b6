/** A scenario's chart as SVG with its key: lines or bars, linear or logarithmic, by hand. */
import { figure, key } from '../../src/report/page.ts';
import {
  bar,
  type Box,
  chart as svg,
  element,
  escape,
  linear,
  logarithmic,
  powersOver,
  type Scale,
  text,
  ticksOver,
  xAxis,
  yAxis,
} from '../../src/report/svg.ts';
import type { Axis, Chart } from './scenario.ts';
import { numberText } from './verdict.ts';

const WIDTH = 540;
const BOX: Box = { left: 64, right: WIDTH - 8, top: 34, bottom: 250 };
const AXIS_HEIGHT = 42;
const TICKS = 5;
/** Of one letter of a tick, in pixels, on the wide side. */
const LETTER = 6.4;
/** Longer names end in an ellipsis. */
const LETTERS_MOST = 32;
const STEEPEST = 70;
const LEAST_STEEP = 35;
/** Colours that the style has, and forms of a line. */
const COLOURS = 8;
const DASHES = 3;
/** Beyond as many points a line has no dots: they would hide it. */
const DOTS_MOST = 60;
/** Of the room that a category has, what its bars take. */
const BAND = 0.76;
const DOT = 3.5;

type Measure = { readonly scale: Scale; readonly ticks: readonly number[] };

/** A card with the chart. Points that are no numbers, or that a logarithm has none of, are left out. */
export function chartFigure(chart: Chart): string {
  const names = chart.series.map(({ name }, index) => [seriesClass(index), escape(name)] as const);
  return figure({
    title: escape(chart.title),
    key: names.length > 1 ? key(...names) : '',
    chart: chartSvg(chart),
    caption: escape(chart.description),
  });
}

const seriesClass = (index: number): string =>
  `series series-${index % COLOURS} dash-${index % DASHES}`;

function drawable({ x, y, series }: Chart): Chart['series'] {
  const fits = (value: number, { scale }: Axis): boolean =>
    Number.isFinite(value) && (scale !== 'logarithmic' || value > 0);
  return series.map(({ name, points }) => ({
    name,
    points: points.filter(([px, py]) => fits(px, x) && fits(py, y)),
  }));
}

export function chartSvg(given: Chart): string {
  const chart = { ...given, series: drawable(given) };
  const { title, description } = chart;
  const { labels, height } = categoryLabels(chart.x.categories);
  const points = chart.series.flatMap((one) => one.points);
  const size = { width: WIDTH, height: BOX.bottom + AXIS_HEIGHT + height, title, description };
  if (points.length === 0) return svg(size, text(BOX.left, BOX.top + 20, 'Nothing was measured.'));
  const y = measure(
    points.map(([, value]) => value),
    chart.y,
    [BOX.bottom, BOX.top],
    chart.kind === 'bars' || isNearZero(points.map(([, value]) => value)),
  );
  const x = chart.x.categories
    ? { scale: bandScale(chart.x.categories.length), ticks: [] }
    : measure(
        points.map(([value]) => value),
        chart.x,
        [BOX.left, BOX.right],
        false,
      );
  const marks = chart.kind === 'bars' ? bars(chart, x, y) : lines(chart, x, y);
  const logs = ({ label, scale }: Axis): string =>
    scale === 'logarithmic' ? `${label}, logarithmic` : label;
  const below = { ...x, label: chart.x.categories ? '' : logs(chart.x), format: numberText };
  return svg(
    size,
    yAxis(BOX, { ...y, label: logs(chart.y), format: numberText }),
    xAxis(BOX, below),
    labels,
    chart.x.categories
      ? text(BOX.right, BOX.bottom + height + 35, chart.x.label, {
          class: 'label',
          'text-anchor': 'end',
        })
      : '',
    marks,
  );
}

/** Whether an axis that begins at zero shows the differences as well. */
const isNearZero = (values: readonly number[]): boolean =>
  Math.min(...values) >= 0 && Math.min(...values) < Math.max(...values) * 0.8;

/** A scale over values, with ticks that lie on it. `fromZero`: a linear one begins there. */
function measure(
  values: readonly number[],
  { scale }: Axis,
  range: readonly [number, number],
  fromZero: boolean,
): Measure {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  if (scale === 'logarithmic') {
    const ticks = powersOver(least, most);
    return { ticks, scale: logarithmic([ticks[0] ?? 1, ticks.at(-1) ?? 10], range) };
  }
  const ticks = ticksOver(fromZero ? Math.min(0, least) : least, most, TICKS);
  return { ticks, scale: linear([ticks[0] ?? 0, ticks.at(-1) ?? 1], range) };
}

/** Middle of the room of each category. */
const bandScale = (count: number): Scale =>
  linear(
    [0, Math.max(1, count - 1)],
    [BOX.left + room(count) / 2, count === 1 ? BOX.right : BOX.right - room(count) / 2],
  );
const room = (count: number): number => (BOX.right - BOX.left) / count;

/** Names below the axis, turned where they would touch; and how much higher the chart gets by it. */
function categoryLabels(categories: readonly string[] | undefined): {
  readonly labels: string;
  readonly height: number;
} {
  if (!categories) return { labels: '', height: 0 };
  const at = bandScale(categories.length);
  const names = categories.map((name) =>
    name.length > LETTERS_MOST ? `${name.slice(0, LETTERS_MOST - 1)}…` : name,
  );
  const longest = Math.max(0, ...names.map((name) => name.length)) * LETTER;
  const isTurned = longest > room(categories.length);
  // As steep as it takes for the first name to stay inside.
  const fits = Math.acos(Math.min(1, at(0) / Math.max(1, longest))) * (180 / Math.PI);
  const degrees = Math.min(STEEPEST, Math.max(LEAST_STEEP, fits));
  const labels = names.map((name, place) => {
    const [x, y] = [at(place), BOX.bottom + 17];
    return isTurned
      ? text(x + 4, y, name, {
          class: 'tick',
          'text-anchor': 'end',
          transform: `rotate(${(-degrees).toFixed(1)} ${x.toFixed(1)} ${y})`,
        })
      : text(x, y, name, { class: 'tick', 'text-anchor': 'middle' });
  });
  const height = isTurned ? longest * Math.sin((degrees * Math.PI) / 180) : 0;
  return { labels: labels.join(''), height };
}

const nameOfX = ({ x }: Chart, value: number): string =>
  x.categories?.[value] ?? `${x.label} ${numberText(value)}`;

const tooltip = (chart: Chart, name: string, [x, y]: readonly [number, number]): string =>
  `${name}, ${nameOfX(chart, x)}: ${numberText(y)} ${chart.y.label}`;

function bars(chart: Chart, x: Measure, y: Measure): string {
  const count = chart.x.categories?.length ?? 1;
  const width = (room(count) * BAND) / Math.max(1, chart.series.length);
  const zero = chart.y.scale === 'logarithmic' ? BOX.bottom : y.scale(0);
  return chart.series
    .flatMap(({ name, points }, index) =>
      points.map((point) => {
        const left = x.scale(point[0]) + (index - chart.series.length / 2) * width;
        const top = y.scale(point[1]);
        const box = {
          x: left,
          y: Math.min(top, zero),
          width: Math.max(1, width - 1),
          height: Math.abs(zero - top),
        };
        return bar(box, seriesClass(index), tooltip(chart, name, point));
      }),
    )
    .join('');
}

function lines(chart: Chart, x: Measure, y: Measure): string {
  return chart.series
    .map(({ name, points }, index) => {
      const path = points.map((point) => [x.scale(point[0]), y.scale(point[1])] as const);
      const dots = points.length > DOTS_MOST ? [] : points;
      return [
        element(
          'polyline',
          {
            points: path.map((at) => at.map((value) => value.toFixed(1)).join(',')).join(' '),
            class: `line ${seriesClass(index)}`,
          },
          element('title', {}, escape(name)),
        ),
        ...dots.map((point) =>
          element(
            'circle',
            {
              cx: x.scale(point[0]),
              cy: y.scale(point[1]),
              r: DOT,
              class: seriesClass(index),
            },
            element('title', {}, escape(tooltip(chart, name, point))),
          ),
        ),
      ].join('');
    })
    .join('');
}
