/** The gains of all personas as one picture, and the scalper's profits below them. */
import { element, line, linear, text, xAxis } from '../../src/report/svg.ts';
import type { Cell } from './market.ts';
import type { Finding } from './persona.ts';
import type { Results } from './report.ts';

const WIDTH = 1_100;
/** Where labels end and gains begin. */
const LEFT = 680;
const RIGHT = WIDTH - 24;
const TOP = 76;
const ROW = 24;

/** Colours after Okabe and Ito, told apart with every common kind of colour blindness. */
const STYLE = `
  text { font: 13px system-ui, sans-serif; fill: #1a2027 }
  .title { font-size: 19px; font-weight: 600 }
  .tick, .label, .soft { fill: #59636e; font-size: 12px }
  .axis, .grid { stroke: #e4e1da }
  .fair { stroke: #59636e; stroke-dasharray: 3 3 }
  .nothing { fill: #007a5e; stroke: #007a5e }
  .gains { fill: #d0530a; stroke: #d0530a }
  .wrong { fill: #8a4594; stroke: #8a4594 }
  .range { stroke-width: 7; stroke-opacity: 0.3; stroke-linecap: round }`;

const KIND: Readonly<Record<Finding['verdict'], string>> = {
  'gains nothing': 'nothing',
  loses: 'nothing',
  gains: 'gains',
  'not as computed': 'wrong',
};

const label = (name: string, does: string, y: number): string =>
  element(
    'text',
    { x: LEFT - 16, y, 'text-anchor': 'end' },
    element('tspan', { 'font-weight': 600 }, name),
    ` ${does}`,
  );

/** Most count seats. */
const what = (does: string, counts: string): string =>
  counts === 'seats' ? does : `${does}: ${counts}`;

type Mark = { readonly at: number; readonly least: number; readonly most: number };

const dot = ({ at, least, most }: Mark, y: number, kind: string, tooltip: string): string =>
  element(
    'g',
    {},
    line(least, y, most, y, `range ${kind}`),
    element('circle', { cx: at, cy: y, r: 4.5, class: kind }),
    element('title', {}, tooltip),
  );

function gains(findings: readonly Finding[], top: number): string {
  const most = Math.ceil(Math.max(...findings.map((finding) => finding.most)));
  const bottom = top + findings.length * ROW;
  const scale = linear([0, most], [LEFT, RIGHT]);
  const ticks = Array.from({ length: most + 1 }, (_, gain) => gain);
  const rows = findings.map(({ persona, does, counts, gain, least, most, verdict }, index) => {
    const y = top + (index + 0.5) * ROW;
    const mark = { at: scale(gain), least: scale(least), most: scale(most) };
    const tooltip = `${counts}: gain ${gain.toFixed(2)}, computed ${least.toFixed(2)} to ${most.toFixed(2)}, ${verdict}`;
    return label(persona, what(does, counts), y + 4) + dot(mark, y, KIND[verdict], tooltip);
  });
  return [
    ...ticks.map((tick) => line(scale(tick), top, scale(tick), bottom, 'grid')),
    line(scale(1), top - 8, scale(1), bottom, 'fair'),
    ...rows,
    xAxis(
      { left: LEFT, right: RIGHT, top, bottom },
      { scale, ticks, label: 'gain: 1 is what an honest person gets', format: String },
    ),
  ].join('');
}

function profits(cells: readonly Cell[], top: number): string {
  const bottom = top + cells.length * ROW;
  const low = Math.min(-100, ...cells.map(({ least }) => least));
  const high = Math.max(100, ...cells.map(({ most }) => most));
  const scale = linear([low, high], [LEFT, RIGHT]);
  const ticks = [0, 200, 400, 600, 800].filter((tick) => tick <= high);
  const rows = cells.map(({ mechanism, demand, profit, least, most, price }, index) => {
    const y = top + (index + 0.5) * ROW;
    const mark = { at: scale(profit), least: scale(least), most: scale(most) };
    const tooltip = `profit ${profit.toFixed(0)} at price ${price}`;
    const kind = least > 0 ? 'gains' : 'nothing';
    return label(mechanism, `${demand} demand`, y + 4) + dot(mark, y, kind, tooltip);
  });
  return [
    ...ticks.map((tick) => line(scale(tick), top, scale(tick), bottom, 'grid')),
    line(scale(0), top - 8, scale(0), bottom, 'fair'),
    ...rows,
    xAxis(
      { left: LEFT, right: RIGHT, top, bottom },
      { scale, ticks, label: "scalper's profit of a release", format: String },
    ),
  ].join('');
}

/** A whole SVG document. */
export function plot({ personas, market, runs, seed }: Results): string {
  const marketTop = TOP + personas.length * ROW + 110;
  const height = marketTop + market.length * ROW + 56;
  return element(
    'svg',
    {
      xmlns: 'http://www.w3.org/2000/svg',
      viewBox: `0 0 ${WIDTH} ${height}`,
      role: 'img',
      'aria-label': 'What each persona gains, and what a scalper earns',
    },
    element('style', {}, STYLE),
    element('rect', { width: '100%', height: '100%', fill: '#fbfaf7' }),
    text(24, 34, 'What it gains to be fast, many, restless or in charge', { class: 'title' }),
    text(
      24,
      56,
      `${runs} releases each, seed ${seed}. Dots: measured. Bars: where 99.9 % of such series fall.`,
      { class: 'soft' },
    ),
    gains(personas, TOP),
    text(24, marketTop - 22, 'What a scalper earns, by how seats come back and by demand', {
      class: 'title',
    }),
    profits(market, marketTop),
  );
}
