/** Kills and pauses at random, by a seeded generator, until told to stop. */
import { sleep } from '../../src/lib/clock.ts';
import { between, type Random } from '../../src/demo/random.ts';
import type { Field, VictimKind } from './machines.ts';

/** How often each is chosen, and for how long it is paused at most, in ms; 0: it is only killed. */
const CHOICES: readonly (readonly [VictimKind, weight: number, pauseMs: number])[] = [
  ['server', 7, 4_000],
  ['worker', 4, 6_000],
  ['leader', 5, 12_000],
  ['redis', 6, 4_000],
  ['start', 1, 3_000],
  ['machine', 1, 0],
];
const WEIGHTS = CHOICES.reduce((sum, [, weight]) => sum + weight, 0);

export type Toll = {
  kills: number;
  pauses: number;
  /** By target: kills and pauses. */
  readonly by: Record<string, { kills: number; pauses: number }>;
};

/** Ms between two strikes. */
export type Pace = readonly [least: number, most: number];

export const newToll = (): Toll => ({ kills: 0, pauses: 0, by: {} });

/** `releases`: those under way. Whoever it paused goes on again before this is done. */
export async function rage(
  field: Field,
  random: Random,
  pace: Pace,
  releases: () => readonly string[],
  toll: Toll,
  signal: AbortSignal,
): Promise<void> {
  const pausing: Promise<void>[] = [];
  while (!signal.aborted) {
    await sleep(between(random, ...pace));
    const [kind, pauseMs] = choose(random);
    const running = releases();
    const release = running[between(random, 0, running.length - 1)] ?? '';
    const [kills, lengthMs] = [random() < 0.5 || pauseMs === 0, between(random, 200, pauseMs)];
    const victim = await field.victim(kind, release);
    if (!victim || signal.aborted) continue;
    const at = (toll.by[kind] ??= { kills: 0, pauses: 0 });
    if (kills) {
      toll.kills += 1;
      at.kills += 1;
      victim.kill();
    } else {
      toll.pauses += 1;
      at.pauses += 1;
      victim.signal('SIGSTOP');
      pausing.push(sleep(lengthMs).then(() => victim.signal('SIGCONT')));
    }
  }
  await Promise.all(pausing);
}

function choose(random: Random): readonly [VictimKind, pauseMs: number] {
  let left = random() * WEIGHTS;
  for (const [kind, weight, pauseMs] of CHOICES) {
    left -= weight;
    if (left < 0) return [kind, pauseMs];
  }
  return ['server', 0];
}
