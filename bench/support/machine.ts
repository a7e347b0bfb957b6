/** What was measured on: figures mean little without it. */
import { execFileSync } from 'node:child_process';
import { availableParallelism, cpus, freemem, loadavg, release, totalmem, type } from 'node:os';
import { findRedisServer } from '../../src/redis/embedded.ts';
import { rounded } from './numbers.ts';

export type Machine = {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly freeGiB: number;
  readonly kernel: string;
  readonly node: string;
  readonly redis: string;
  /** Processes that wanted a core in the minute before: beyond `cores`, times say little. */
  readonly loadBefore: number;
};

const GIB = 2 ** 30;

export const describeMachine = (): Machine => ({
  cpu: cpus()[0]?.model.trim() ?? 'unknown',
  cores: availableParallelism(),
  memoryGiB: rounded(totalmem() / GIB, 1),
  freeGiB: rounded(freemem() / GIB, 1),
  kernel: `${type()} ${release()}`,
  node: process.versions.node,
  redis: redisVersion(),
  loadBefore: rounded(loadavg()[0] ?? 0),
});

/** `7.0.15`, as the server that a scenario starts says of itself. */
function redisVersion(): string {
  const said = execFileSync(findRedisServer(), ['--version'], { encoding: 'utf8' });
  return /v=(\S+)/.exec(said)?.[1] ?? said.trim();
}

export const machineInWords = (machine: Machine): string =>
  [
    `${machine.cores} x ${machine.cpu}`,
    `${machine.memoryGiB} GiB of memory, ${machine.freeGiB} free`,
    machine.kernel,
    `Node ${machine.node}`,
    `Redis ${machine.redis}`,
    `load average before ${machine.loadBefore}`,
  ].join(', ');

/** A target runs elsewhere: of its machine nothing is known here. */
export const whereWords = (target: string | undefined): string =>
  target === undefined ? 'Measured on' : 'Asked from';
