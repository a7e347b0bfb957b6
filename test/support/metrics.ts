/** What a worker reads for its metrics, and a page of them. */
import type { Engine } from '../../src/engine.ts';
import { PATIENCE_MS } from '../../src/metrics/patience.ts';
import type { WorkerReadings } from '../../src/metrics/worker.ts';
import type { Redis } from '../../src/redis/client.ts';
import { readHealth } from '../../src/redis/health.ts';

export const readingsOf = (engine: Engine, redis: Redis): WorkerReadings => ({
  beaconOverdueS: engine.beaconOverdueS,
  isGatewayAway: () => false,
  outbox: engine.outbox.state,
  census: engine.census,
  offenders: engine.bots.offenders,
  health: () => readHealth(redis, PATIENCE_MS.node),
  reconcileEveryS: () => 3_600,
  lastRun: engine.reconciler.last,
});

export type Sample = {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
};

const LINE = /^([a-z_]+)(?:\{(.*)\})? (\S+)$/i;
const LABEL = /(\w+)="((?:[^"\\]|\\.)*)"/g;

/** The samples of a page. */
export const samplesOf = (page: string): Sample[] =>
  page.split('\n').flatMap((line) => {
    const [, name, labels = '', value] = LINE.exec(line) ?? [];
    if (name === undefined || line.startsWith('#')) return [];
    const pairs = Array.from(labels.matchAll(LABEL), ([, label = '', is = '']) => [label, is]);
    return [{ name, labels: Object.fromEntries(pairs), value: Number(value) }];
  });

/** The value of `name`, or of `name{label="…"}` with all its labels; undefined where there is none. */
export const valueIn = (page: string, series: string): number | undefined => {
  const line = page.split('\n').find((one) => one.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.split(' ').at(-1));
};
