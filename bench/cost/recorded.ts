/** The measurement that the documents and the simulation of shards go by. */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Measured } from './model.ts';

export type Recorded = {
  /** RFC 3339 date of the measurement, and on what: `2 x AMD EPYC, Node 26.10.0`. */
  readonly date: string;
  readonly machine: string;
  /** Load average before it. */
  readonly load: number;
  readonly requests: number;
  readonly repeats: number;
  readonly entries: number;
  readonly measured: Measured;
};

const FILE = fileURLToPath(new URL('../data/cost.json', import.meta.url));

export const readRecorded = (): Recorded => JSON.parse(readFileSync(FILE, 'utf8')) as Recorded;

export const writeRecorded = (recorded: Recorded): void =>
  writeFileSync(FILE, `${JSON.stringify(recorded, null, 2)}\n`);
