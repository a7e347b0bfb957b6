/** Dashboards: what is committed is what the source makes, and every panel is one that helps. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Dashboard, Panel, RowPanel } from '@grafana/grafana-foundation-sdk/dashboard';
import { describe, expect, it } from 'vitest';
import { type Alert, ALERTS, expressionOf } from '../../grafana/source/alerts.ts';
import { DASHBOARDS, generatedFiles, GRAFANA } from '../../grafana/source/files.ts';
import type { LabelValues, Written } from '../../src/metrics/book.ts';
import { createMetrics } from '../../src/metrics/server.ts';
import { createWorkerMetrics, type WorkerReadings } from '../../src/metrics/worker.ts';

const ROOT = resolve(GRAFANA, '..');

type Placed = { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
const isPanel = (one: Panel | RowPanel): one is Panel => one.type !== 'row';
const panelsOf = (board: Dashboard): Panel[] => (board.panels ?? []).filter(isPanel);
const placeOf = ({ gridPos }: Panel | RowPanel): Placed =>
  gridPos ? { ...gridPos } : { x: 0, y: 0, w: 0, h: 0 };
const expressionsOf = ({ targets = [] }: Panel): string[] =>
  targets.map((target) => (target as { expr?: string }).expr ?? '');

const ALL = DASHBOARDS.flatMap((board) =>
  panelsOf(board).map((panel) => ({ panel, at: `${board.title}: ${panel.title}` })),
);
const without = (isThere: (panel: Panel) => unknown): string[] =>
  ALL.filter(({ panel }) => !isThere(panel)).map(({ at }) => at);

/** Names of our metrics, wherever in the engine they are made. */
type Query = { readonly expr?: string; readonly legendFormat?: string };

const METRICS = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .flatMap((file) =>
    Array.from(
      readFileSync(join(ROOT, 'src', file), 'utf8').matchAll(/'(fairslot_\w+)'/g),
      ([, name = '']) => name,
    ),
  );
const committed = (file: string): string => readFileSync(join(GRAFANA, file), 'utf8');
const metricsIn = (text: string): string[] =>
  Array.from(text.matchAll(/\bfairslot_[a-z_]+/g), ([name]) =>
    METRICS.includes(name) ? name : name.replace(/_(?:bucket|sum|count)$/, ''),
  );

describe('the committed files', () => {
  it('are what npm run dashboards writes', () => {
    for (const [file, text] of generatedFiles())
      expect(committed(file), `${file}: npm run dashboards`).toBe(text);
    const made = [...generatedFiles().keys()].filter((file) => file.endsWith('.json'));
    expect(readdirSync(join(GRAFANA, 'dashboards')).toSorted()).toEqual(
      made.map((file) => file.replace('dashboards/', '')).toSorted(),
    );
  });

  it('name only metrics that exist', () => {
    const used = [...generatedFiles().keys()].flatMap((file) => metricsIn(committed(file)));
    const known = new Set([...METRICS, 'fairslot_redis_']); // two of them are matched by a pattern
    expect(used.length).toBeGreaterThan(0);
    expect([...new Set(used)].filter((name) => !known.has(name))).toEqual([]);
  });

  it('show every metric on a dashboard', () => {
    const shown = new Set(
      DASHBOARDS.flatMap((board) => panelsOf(board))
        .flatMap(expressionsOf)
        .flatMap(metricsIn),
    );
    expect(METRICS.filter((name) => !shown.has(name))).toEqual([]);
  });
});

/** What is written down is asked for, not what it is now. */
const UNREAD = new Proxy({} as WorkerReadings, {
  get: () => () => {
    throw new Error('nothing is read');
  },
});

describe('an expression', () => {
  const written = new Map<string, Written>(
    [...createMetrics().entries, ...createWorkerMetrics(UNREAD).entries].map((entry) => [
      entry.name,
      entry,
    ]),
  );
  const valuesOf = (name: string, label: string): LabelValues | undefined =>
    written.get(name.replace(/_(?:bucket|sum|count)$/, ''))?.labels?.[label] ??
    written.get(name)?.labels?.[label];
  const isKnown = (name: string): boolean =>
    written.has(name) || written.has(name.replace(/_(?:bucket|sum|count)$/, ''));
  /** Matchers that nothing can match: `or vector(0)` would hide them for ever. */
  const idle = (expression: string): string[] =>
    Array.from(expression.matchAll(/(fairslot_\w+)\{([^}]*)\}/g)).flatMap(
      ([, name = '', matchers = '']) =>
        Array.from(matchers.matchAll(/(\w+)(?:=~|!~|!=|=)"([^"]*)"/g)).flatMap(
          ([all, label = '', wanted = '']) => {
            if (!isKnown(name)) return [];
            const values = valuesOf(name, label);
            if (values instanceof RegExp) return [];
            const isThere = wanted.split('|').every((one) => values?.includes(one));
            return isThere ? [] : [`${name}: ${all}`];
          },
        ),
    );

  it('asks only for labels and values that a metric can have', () => {
    const ofPanels = ALL.flatMap(({ panel }) => expressionsOf(panel));
    const ofAlerts = Object.values<Alert>(ALERTS).map(expressionOf);
    const asked = [...ofPanels, ...ofAlerts];
    expect(asked.filter((one) => one.includes('="')).length).toBeGreaterThan(15);
    expect(asked.flatMap(idle)).toEqual([]);
  });

  it('is named by labels that it has', () => {
    const ofPrometheus = ['instance', 'process', 'job'];
    const nameless = ALL.flatMap(({ panel: { targets = [] }, at }) =>
      targets.flatMap((target) => {
        const { expr = '', legendFormat = '' } = target as Query;
        const names = Array.from(expr.matchAll(/fairslot_\w+/g), ([name]) => name);
        const labels = Array.from(legendFormat.matchAll(/\{\{(\w+)\}\}/g), ([, one = '']) => one);
        if (!names.every(isKnown)) return [];
        return labels
          .filter(
            (label) =>
              !ofPrometheus.includes(label) && !names.some((name) => valuesOf(name, label)),
          )
          .map((label) => `${at}: ${label}`);
      }),
    );
    expect(nameless).toEqual([]);
  });
});

describe('a panel', () => {
  it('says what it shows, what is normal, and in which unit', () => {
    expect(without(({ title }) => title)).toEqual([]);
    expect(without(({ description }) => (description ?? '').length > 20)).toEqual([]);
    expect(without(({ fieldConfig }) => fieldConfig?.defaults.unit)).toEqual([]);
    expect(without(({ datasource }) => datasource?.uid === 'prometheus')).toEqual([]);
  });

  it('has a query, and a letter for each', () => {
    expect(without((panel) => expressionsOf(panel).every((one) => one !== ''))).toEqual([]);
    const letters = ({ targets = [] }: Panel) =>
      targets.map((target) => (target as { refId?: string }).refId).join('');
    expect(without((panel) => 'ABCDEF'.startsWith(letters(panel) || '?'))).toEqual([]);
  });

  it('takes its rates over what Grafana says, so that none is without data', () => {
    const overFixed = /rate\([^[]*\[(?!\$__rate_interval)/;
    expect(
      without(
        (panel) =>
          panel.type !== 'timeseries' || !expressionsOf(panel).some((e) => overFixed.test(e)),
      ),
    ).toEqual([]);
  });
});

describe('a dashboard', () => {
  it.each(DASHBOARDS.map((board) => [board.title ?? '', board] as const))(
    '%s: its panels lie side by side',
    (_title, board) => {
      const taken = new Set<string>();
      for (const panel of board.panels ?? []) {
        const { x, y, w, h } = placeOf(panel);
        expect(x + w, panel.title).toBeLessThanOrEqual(24);
        for (let column = x; column < x + w; column++)
          for (let line = y; line < y + h; line++) {
            expect(taken, `${panel.title} lies on another`).not.toContain(`${column},${line}`);
            taken.add(`${column},${line}`);
          }
      }
      const numbers = (board.panels ?? []).map(({ id }) => id);
      expect(new Set(numbers).size).toBe(numbers.length);
      // No holes: every line is full.
      const last = Math.max(...(board.panels ?? []).map(placeOf).map(({ y, h }) => y + h));
      expect(taken.size).toBe(24 * last);
    },
  );

  it('leads to all others and to the runbook', () => {
    const uids = DASHBOARDS.map(({ uid }) => uid);
    expect(new Set(uids).size).toBe(DASHBOARDS.length);
    for (const { uid, links = [] } of DASHBOARDS) {
      const urls = links.map(({ url = '' }) => url);
      const others = uids.filter((one) => one !== uid).map((one) => `/d/${one}`);
      expect(urls.slice(0, -1).toSorted()).toEqual(others.toSorted());
      expect(urls.at(-1)).toMatch(/\/docs\/operations\.md$/);
    }
  });

  it('for the evening fits one screen of 1080 lines', () => {
    // 30 px and 8 px between, for each line of the grid; what is above it takes 200 px.
    const lines = panelsOf(DASHBOARDS[0]).map(placeOf);
    const height = Math.max(...lines.map(({ y, h }) => y + h)) * 38;
    expect(height).toBeLessThanOrEqual(1080 - 200);
  });
});
