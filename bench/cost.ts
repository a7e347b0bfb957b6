/**
 * What a release takes of machines: one of each is measured, the rest is arithmetic (cost/model.ts).
 * `--write` records the measurement and writes the table of docs/operations.md from it.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Option } from 'commander';
import type { Progress } from '../src/progress.ts';
import { isoFromMs, nowMs } from '../src/lib/clock.ts';
import { measureAll, type MeasureOptions } from './cost/measure.ts';
import { assumed, capacityOf, type Cost, costOf, type Measured } from './cost/model.ts';
import { type Recorded, writeRecorded } from './cost/recorded.ts';
import { EVENINGS, pageWith } from './cost/table.ts';
import { describeMachine } from './support/machine.ts';
import {
  entries as entriesOption,
  repeats as repeatsOption,
  requests as requestsOption,
} from './support/options.ts';
import type { Chart, Outcome, Scenario } from './support/scenario.ts';

export type CostOptions = MeasureOptions & { readonly write: boolean };

export const PAGE = fileURLToPath(new URL('../docs/operations.md', import.meta.url));

export const cost: Scenario<CostOptions> = {
  name: 'cost',
  summary: 'what 1, 10 and 100 million people in one window take, from what one of each costs',
  options: [
    requestsOption(2_000),
    repeatsOption(3),
    entriesOption(),
    new Option('--write', 'record it, and write the table of docs/operations.md').default(false),
  ],
  inAll: { mostS: 60, options: { requests: 500, repeats: 1, entries: 20_000 } },
  quick: { requests: 60, repeats: 1, entries: 300 },
  run: measure,
};

async function measure(options: CostOptions, progress: Progress): Promise<Outcome> {
  const { requests, repeats, entries, write } = options;
  const { cpu, cores, node, loadBefore: load } = describeMachine();
  const { measured, errors } = await measureAll(options, progress);
  const recorded: Recorded = {
    date: isoFromMs(nowMs()).slice(0, 10),
    machine: `${cores} x ${cpu}, Node ${node}`,
    load,
    requests,
    repeats,
    entries,
    measured,
  };
  if (write && errors === 0) {
    writeRecorded(recorded);
    writeFileSync(PAGE, pageWith(readFileSync(PAGE, 'utf8'), recorded));
  }
  return outcomeOf(measured, { requests, repeats, entries, load }, errors);
}

function outcomeOf(measured: Measured, how: object, errors: number): Outcome {
  const evenings = EVENINGS.map(({ name, ...evening }) => ({
    name,
    ...costOf(measured, evening),
  }));
  return {
    figures: { ...measured, capacity: capacityOf(measured), evenings, ...how, errors },
    goals: [],
    charts: evenings.length > 0 ? [tagsChart(evenings)] : [],
    errors,
  };
}

const TAGS_SHOWN = 8;

/** What no number of shards divides: at 1 the one thread that has the tag is full. */
function tagsChart(evenings: readonly (Cost & { readonly name: string })[]): Chart {
  const busiest =
    evenings
      .at(-1)
      ?.redis.shared.slice(0, TAGS_SHOWN)
      .map(({ tag }) => tag) ?? [];
  return {
    title: 'Tags that all people share',
    description: 'Cores of the one Redis thread that has the tag; planned are at most half of it.',
    kind: 'bars',
    x: { label: 'tag', categories: busiest },
    y: { label: 'cores', scale: 'logarithmic' },
    series: [
      ...evenings.map(({ name, redis }) => ({
        name,
        points: busiest.map(
          (tag, x) => [x, redis.shared.find((one) => one.tag === tag)?.cores ?? 0] as const,
        ),
      })),
      { name: 'planned at most', points: busiest.map((_, x) => [x, assumed().load] as const) },
    ],
  };
}
