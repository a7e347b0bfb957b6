/**
 * Panels and dashboards as this house has them: a dashboard is a list of panels, a panel is a title
 * (a question or a plain name), what is normal and what to do if it is not, a unit, and PromQL.
 */
import type { Builder } from '@grafana/grafana-foundation-sdk/cog';
import {
  BigValueColorMode,
  BigValueGraphMode,
  GraphThresholdsStyleConfigBuilder,
  GraphThresholdsStyleMode,
  LegendDisplayMode,
  LegendPlacement,
  ReduceDataOptionsBuilder,
  SortOrder,
  StackingConfigBuilder,
  StackingMode,
  TooltipDisplayMode,
  VizLegendOptionsBuilder,
  VizTooltipOptionsBuilder,
} from '@grafana/grafana-foundation-sdk/common';
import {
  type Dashboard,
  DashboardBuilder,
  DashboardCursorSync,
  DashboardLinkBuilder,
  DashboardLinkType,
  MappingType,
  type Panel,
  RowBuilder,
  SpecialValueMatch,
  type Threshold,
  ThresholdsConfigBuilder,
  ThresholdsMode,
  type ValueMapping,
} from '@grafana/grafana-foundation-sdk/dashboard';
import { DataqueryBuilder, PromQueryFormat } from '@grafana/grafana-foundation-sdk/prometheus';
import { PanelBuilder as StatBuilder } from '@grafana/grafana-foundation-sdk/stat';
import { PanelBuilder as TableBuilder } from '@grafana/grafana-foundation-sdk/table';
import { PanelBuilder as SeriesBuilder } from '@grafana/grafana-foundation-sdk/timeseries';
import { RUNBOOK_URL } from './runbook.ts';

/** Of the datasource in provisioning/datasources. */
const PROMETHEUS = { type: 'prometheus', uid: 'prometheus' };

const SERIES_HEIGHT = 7;
const STAT_HEIGHT = 4;

/** Grafana's names; the ones that a panel may use. */
export type Unit =
  | 'short'
  | 'none'
  | 's'
  | 'dtdurations'
  | 'bytes'
  | 'percentunit'
  | 'reqps'
  | 'ops'
  | 'cps';

/** Legend, with labels as `{{label}}`, and expression. */
export type Line = readonly [legend: string, expression: string];

type Look = {
  /** What is normal, and what to do if it is not so. */
  readonly about: string;
  readonly unit: Unit;
  readonly decimals?: number;
  readonly width?: number;
  readonly height?: number;
};

/** Turns orange and red at or above, or, where `below`, under a value. */
export type Bounds = {
  readonly orange?: number;
  readonly red?: number;
  /** Green above `orange`, orange down to `red`, red under it. */
  readonly isLowBad?: boolean;
};

export type Words = Readonly<Record<string, readonly [text: string, color: Color]>>;
export type Color = 'green' | 'orange' | 'red' | 'blue' | 'text';

/** What stands at one place of a dashboard. */
export type Item = Builder<Panel> | { readonly row: string };

const query = (expression: string, index: number): DataqueryBuilder =>
  new DataqueryBuilder()
    .refId(String.fromCodePoint(65 + index))
    .datasource(PROMETHEUS)
    .expr(expression);

function stepsOf({ orange, red, isLowBad = false }: Bounds): Threshold[] {
  if (!isLowBad)
    return [
      { value: null, color: 'green' },
      ...(orange === undefined ? [] : [{ value: orange, color: 'orange' }]),
      ...(red === undefined ? [] : [{ value: red, color: 'red' }]),
    ];
  return [
    { value: null, color: red === undefined ? 'orange' : 'red' },
    ...(red === undefined
      ? []
      : [{ value: red, color: orange === undefined ? 'green' : 'orange' }]),
    ...(orange === undefined ? [] : [{ value: orange, color: 'green' }]),
  ];
}

const thresholds = (bounds: Bounds): ThresholdsConfigBuilder =>
  new ThresholdsConfigBuilder().mode(ThresholdsMode.Absolute).steps(stepsOf(bounds));

type StatLook = {
  /** What is shown instead of some values. */
  readonly words?: Words;
  /** What is shown where 0 is divided by 0. */
  readonly ifNaN?: string;
  /** Without a color: a fact that is neither good nor bad. */
  readonly isCalm?: boolean;
};

const mappingsOf = (words: Words = {}, ifNaN?: string): ValueMapping[] => [
  ...(Object.keys(words).length === 0 ? [] : [wordsOf(words)]),
  ...(ifNaN === undefined
    ? []
    : [
        {
          type: MappingType.SpecialValue as const,
          options: { match: SpecialValueMatch.NullAndNan, result: { text: ifNaN, color: 'text' } },
        },
      ]),
];

const wordsOf = (words: Words): ValueMapping => ({
  type: MappingType.ValueToText,
  options: Object.fromEntries(
    Object.entries(words).map(([value, [text, color]], index) => [value, { text, color, index }]),
  ),
});

/** One number, as it is now, large and in a color. */
export function stat(
  title: string,
  {
    about,
    unit,
    decimals,
    width = 4,
    height = STAT_HEIGHT,
    words,
    ifNaN,
    isCalm = false,
    ...bounds
  }: Look & Bounds & StatLook,
  ...lines: readonly Line[]
): StatBuilder {
  const panel = new StatBuilder()
    .title(title)
    .description(about)
    .datasource(PROMETHEUS)
    .unit(unit)
    .span(width)
    .height(height)
    .colorMode(isCalm ? BigValueColorMode.None : BigValueColorMode.Background)
    .graphMode(BigValueGraphMode.None)
    .reduceOptions(new ReduceDataOptionsBuilder().calcs(['lastNotNull']))
    .thresholds(thresholds(bounds));
  if (decimals !== undefined) panel.decimals(decimals);
  panel.mappings(mappingsOf(words, ifNaN));
  if (ifNaN !== undefined) panel.noValue(ifNaN);
  for (const [index, [legend, expression]] of lines.entries())
    panel.withTarget(query(expression, index).instant().legendFormat(legend));
  return panel;
}

const LARGEST_FIRST = new VizTooltipOptionsBuilder()
  .mode(TooltipDisplayMode.Multi)
  // oxlint-disable-next-line unicorn/no-array-sort -- a setting of the builder, which is no array
  .sort(SortOrder.Descending);

/** Lines over time, with lines where orange and red begin. */
export function series(
  title: string,
  {
    about,
    unit,
    decimals,
    width = 12,
    height = SERIES_HEIGHT,
    isStacked = false,
    ...bounds
  }: Look & Bounds & { readonly isStacked?: boolean },
  ...lines: readonly Line[]
): SeriesBuilder {
  const panel = new SeriesBuilder()
    .title(title)
    .description(about)
    .datasource(PROMETHEUS)
    .unit(unit)
    .min(0)
    .span(width)
    .height(height)
    .fillOpacity(isStacked ? 40 : 5)
    .tooltip(LARGEST_FIRST)
    .legend(
      new VizLegendOptionsBuilder()
        .showLegend(true)
        .displayMode(LegendDisplayMode.List)
        .placement(LegendPlacement.Bottom)
        .calcs([]),
    );
  if (decimals !== undefined) panel.decimals(decimals);
  if (isStacked) panel.stacking(new StackingConfigBuilder().mode(StackingMode.Normal));
  if (bounds.orange !== undefined || bounds.red !== undefined)
    panel
      .thresholds(thresholds(bounds))
      .thresholdsStyle(
        new GraphThresholdsStyleConfigBuilder().mode(GraphThresholdsStyleMode.Dashed),
      );
  for (const [index, [legend, expression]] of lines.entries())
    panel.withTarget(query(expression, index).range().legendFormat(legend));
  return panel;
}

/** A line of labels for each series there is now; `columns`: which of them, and their heads. */
export function table(
  title: string,
  {
    about,
    unit,
    width = 8,
    height = SERIES_HEIGHT,
    columns,
    ...bounds
  }: Look & Bounds & { readonly columns: Readonly<Record<string, string>> },
  expression: string,
): TableBuilder {
  const shown = Object.keys(columns);
  return new TableBuilder()
    .title(title)
    .description(about)
    .datasource(PROMETHEUS)
    .unit(unit)
    .span(width)
    .height(height)
    .thresholds(thresholds(bounds))
    .withTransformation({
      id: 'organize',
      options: {
        excludeByName: { Time: true, Value: !shown.includes('Value') },
        indexByName: Object.fromEntries(shown.map((name, index) => [name, index])),
        renameByName: columns,
      },
    })
    .withTarget(query(expression, 0).instant().format(PromQueryFormat.Table));
}

/** A line across the dashboard, with a name for what stands below it. */
export const row = (title: string): Item => ({ row: title });

export type About = {
  readonly uid: string;
  readonly title: string;
  readonly description: string;
};

const LINKS: readonly (readonly [title: string, uid: string])[] = [
  ['Release night', 'fairslot-release-night'],
  ['Gates', 'fairslot-gates'],
  ['Rounds', 'fairslot-rounds'],
  ['SMS', 'fairslot-sms'],
  ['Arrivals', 'fairslot-arrivals'],
  ['Redis', 'fairslot-redis'],
  ['Process', 'fairslot-process'],
];

const linkTo = (title: string, url: string, isElsewhere: boolean): DashboardLinkBuilder =>
  new DashboardLinkBuilder(title)
    .type(DashboardLinkType.Link)
    .icon(isElsewhere ? 'doc' : 'dashboard')
    .url(url)
    .targetBlank(isElsewhere)
    .keepTime(!isElsewhere);

export function dashboard({ uid, title, description }: About, items: readonly Item[]): Dashboard {
  const board = new DashboardBuilder(title)
    .uid(uid)
    .description(description)
    .tags(['fairslot'])
    .readonly()
    .refresh('5s')
    .time({ from: 'now-30m', to: 'now' })
    .tooltip(DashboardCursorSync.Crosshair);
  for (const [other, otherUid] of LINKS)
    if (otherUid !== uid) board.link(linkTo(other, `/d/${otherUid}`, false));
  board.link(linkTo('What to do', RUNBOOK_URL, true));
  for (const item of items) {
    if ('row' in item) board.withRow(new RowBuilder(item.row));
    else board.withPanel(item);
  }
  return finished(board.build());
}

/**
 * A panel's number is part of links to it, so it is given here and not by Grafana. The SDK would put
 * links into a menu; they are to be seen.
 */
function finished(board: Dashboard): Dashboard {
  for (const [index, panel] of (board.panels ?? []).entries()) panel.id = index + 1;
  for (const link of board.links ?? []) delete link.placement;
  return board;
}
