/** What is made from this folder, and where Grafana and Prometheus find it. */
import { resolve } from 'node:path';
import { ruleFile } from './alerts.ts';
import { arrivals } from './arrivals.ts';
import { gates } from './gates.ts';
import { processes } from './process.ts';
import { redis } from './redis.ts';
import { releaseNight } from './release-night.ts';
import { rounds } from './rounds.ts';
import { sms } from './sms.ts';

/** The folder that these files are written to. */
export const GRAFANA = resolve(import.meta.dirname, '..');

export const DASHBOARDS = [releaseNight, gates, rounds, sms, arrivals, redis, processes] as const;

/** Text by path. */
export function generatedFiles(): ReadonlyMap<string, string> {
  const dashboards = DASHBOARDS.map((board): [string, string] => [
    `dashboards/${(board.uid ?? '').replace('fairslot-', '')}.json`,
    `${JSON.stringify(board, null, 2)}\n`,
  ]);
  const head = '# Made by `npm run dashboards` from grafana/source/alerts.ts: change it there.\n';
  return new Map([...dashboards, ['alerts.yml', `${head}${ruleFile()}`]]);
}
