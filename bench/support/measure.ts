/** How things are measured beside each other. */
import type { Progress } from '../../src/progress.ts';
import type { BenchEngine } from './engine.ts';
import { cpuMs, type ServerProcess } from './processes.ts';

/** Rounds of each side until the compiler has seen enough of it; they do not count. */
export const WARM_UP = 2;

export type Turns<Side extends string> = {
  readonly sides: readonly Side[];
  readonly warmUp: number;
  readonly repeats: number;
};

/**
 * Measures the sides of a comparison in turn, `repeats` times each after a warm-up, so that whatever
 * else the machine does meanwhile hits all of them alike.
 */
export async function interleaved<Side extends string, Measured>(
  { sides, warmUp, repeats }: Turns<Side>,
  progress: Progress,
  measure: (side: Side, round: number) => Promise<Measured>,
): Promise<Record<Side, Measured[]>> {
  const phase = progress('firing volleys', sides.length * (warmUp + repeats));
  const measured = new Map<Side, Measured[]>(sides.map((side) => [side, []]));
  try {
    for (let round = 0; round < warmUp + repeats; round++)
      for (const side of sides) {
        const outcome = await measure(side, round);
        if (round >= warmUp) measured.get(side)?.push(outcome);
        phase.advance();
      }
  } finally {
    phase.done();
  }
  return Object.fromEntries(measured) as Record<Side, Measured[]>;
}

/** Milliseconds of CPU that processes use from here on until they are asked for, by name. */
export function watchCpu<Name extends string>(
  pids: Readonly<Record<Name, number>>,
): () => Record<Name, number> {
  const spent = (): [string, number][] =>
    Object.entries<number>(pids).map(([name, pid]) => [name, cpuMs(pid)]);
  const before = Object.fromEntries(spent());
  return () =>
    Object.fromEntries(spent().map(([name, ms]) => [name, ms - (before[name] ?? 0)])) as Record<
      Name,
      number
    >;
}

/** Microseconds of CPU a request: of the server, of Redis. */
export type CpuOfOne = { readonly serverCpuUs: number; readonly redisCpuUs: number };

/** What `ask` measures of so many requests, and what each cost. */
export async function withCpu<Measured>(
  { server: redis }: Pick<BenchEngine, 'server'>,
  server: Pick<ServerProcess, 'pid'>,
  requests: number,
  ask: () => Promise<Measured>,
): Promise<Measured & CpuOfOne> {
  const cpu = watchCpu({ server: server.pid, redis: redis.pid });
  const measured = await ask();
  const used = cpu();
  const each = (ms: number): number => (ms * 1_000) / requests;
  return { ...measured, serverCpuUs: each(used.server), redisCpuUs: each(used.redis) };
}
