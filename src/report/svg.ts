/**
 * The few pieces of SVG that the charts of reports are made of. By hand: a chart library would be
 * ten times the page.
 */

export type Scale = (value: number) => number;

export const linear =
  ([from, to]: readonly [number, number], [start, end]: readonly [number, number]): Scale =>
  (value) =>
    start + ((value - from) / (to - from)) * (end - start);

/** For values above zero. */
export const logarithmic = (
  [from, to]: readonly [number, number],
  range: readonly [number, number],
): Scale => {
  const scale = linear([Math.log10(from), Math.log10(to)], range);
  return (value) => scale(Math.log10(value));
};

/** About `count` round steps from 0 to at least `most`. */
export function ticksTo(most: number, count: number): number[] {
  const rough = Math.max(most, 1) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = Math.max(1, ([1, 2, 5, 10].find((n) => n * power >= rough) ?? 10) * power);
  return Array.from({ length: Math.ceil(Math.max(most, 1) / step) + 1 }, (_, n) => n * step);
}

const SPECIAL: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
};
export const escape = (text: string): string =>
  text.replaceAll(/[&<>"]/g, (character) => SPECIAL[character] ?? '');

type Attributes = Readonly<Record<string, string | number>>;

/** An element; numbers are rounded to tenths of a pixel. `children` are markup already. */
export function element(name: string, attributes: Attributes, ...children: string[]): string {
  const written = Object.entries(attributes).map(
    ([key, value]) => ` ${key}="${typeof value === 'number' ? round(value) : escape(value)}"`,
  );
  return `<${name}${written.join('')}>${children.join('')}</${name}>`;
}

const round = (value: number): number => Math.round(value * 10) / 10;

export const text = (x: number, y: number, content: string, attributes: Attributes = {}): string =>
  element('text', { x, y, ...attributes }, escape(content));

export const line = (x1: number, y1: number, x2: number, y2: number, kind: string): string =>
  element('line', { x1, y1, x2, y2, class: kind });

/** A bar with its tooltip. */
export const bar = (
  box: { readonly x: number; readonly y: number; readonly width: number; readonly height: number },
  kind: string,
  tooltip: string,
): string => element('rect', { ...box, class: kind }, element('title', {}, escape(tooltip)));

/** Steps of 1, 2 or 5 times a power of ten that cover `least` to `most`, about `count` of them. */
export function ticksOver(least: number, most: number, count: number): number[] {
  const rough = (most - least || Math.abs(most) || 1) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 5, 10].find((n) => n * power >= rough * (1 - 1e-9)) ?? 10) * power;
  const [first, last] = [Math.floor(least / step), Math.ceil(most / step - 1e-9)];
  // Whole numbers of steps, so that no tick is called 0.30000000000000004.
  return Array.from({ length: Math.max(1, last - first) + 1 }, (_, n) =>
    Number(((first + n) * step).toPrecision(12)),
  );
}

/** Powers of ten that cover `least` to `most`, both above zero. */
export function powersOver(least: number, most: number): number[] {
  const first = Math.floor(Math.log10(least) + 1e-9);
  const last = Math.max(first + 1, Math.ceil(Math.log10(most) - 1e-9));
  return Array.from({ length: last - first + 1 }, (_, n) =>
    Number((10 ** (first + n)).toPrecision(12)),
  );
}

/** A chart that scales with its column. `title` and `description` are what a screen reader says. */
export function chart(
  {
    width,
    height,
    title,
    description,
  }: Readonly<{
    width: number;
    height: number;
    title: string;
    description: string;
  }>,
  ...marks: string[]
): string {
  return element(
    'svg',
    { viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': `${title}. ${description}` },
    ...marks,
  );
}

export type Axis = {
  readonly scale: Scale;
  readonly ticks: readonly number[];
  readonly label: string;
  readonly format: (value: number) => string;
};
export type Box = {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
};

/** Ticks below the box, the label at its right end. */
export const xAxis = (
  { left, right, bottom }: Box,
  { scale, ticks, label, format }: Axis,
): string =>
  [
    line(left, bottom, right, bottom, 'axis'),
    ...ticks.map((tick) =>
      text(scale(tick), bottom + 17, format(tick), { class: 'tick', 'text-anchor': 'middle' }),
    ),
    text(right, bottom + 35, label, { class: 'label', 'text-anchor': 'end' }),
  ].join('');

/** Grid lines across the box with their values at the left, the label above. */
export const yAxis = ({ left, right, top }: Box, { scale, ticks, label, format }: Axis): string =>
  [
    ...ticks.map((tick) => line(left, scale(tick), right, scale(tick), 'grid')),
    ...ticks.map((tick) =>
      text(left - 8, scale(tick) + 4, format(tick), { class: 'tick', 'text-anchor': 'end' }),
    ),
    text(0, top - 12, label, { class: 'label' }),
  ].join('');
