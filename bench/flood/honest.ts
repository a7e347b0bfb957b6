/**
 * A process in which honest people come at a steady rate, whatever becomes of those before them. The
 * time of a request runs from when it was due, so that one that had to wait for another shows.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { monotonicMs } from '../../src/lib/clock.ts';
import { until } from '../support/open-loop.ts';
import { createClient } from './client.ts';
import { type Person, STEPS, STRIDE, type Visit } from './visit.ts';

export type HonestJob = {
  readonly url: string;
  readonly release: string;
  /** Requests a second. */
  readonly rate: number;
  readonly people: readonly Person[];
};
export type Sample = { readonly step: string; readonly ms: number; readonly failed?: string };
export type HonestReport = {
  readonly samples: readonly Sample[];
  /** How long after they were due requests left that waited for no other. */
  readonly lateMs: readonly number[];
  readonly loopDelayP99Ms: number;
};

const LOOP_RESOLUTION_MS = 10;
const NANOS_OF_MS = 1e6;

async function come({ url, release, rate, people }: HonestJob): Promise<HonestReport> {
  const send = createClient(url);
  const samples: Sample[] = [];
  const lateMs: number[] = [];
  const startedMs = monotonicMs();
  const loop = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS });
  loop.enable();

  const visit = async (person: Person, index: number): Promise<void> => {
    const one: Visit = { ...person, release, etag: '', solution: '' };
    for (const [step, { name, status, request, learn }] of STEPS.entries()) {
      const place = index * STEPS.length + step * STRIDE;
      const dueMs = startedMs + (place * 1000) / rate;
      const early = monotonicMs() < dueMs;
      await until(dueMs);
      if (early) lateMs.push(monotonicMs() - dueMs);
      const answer = await send({ ...request(one), from: person.from });
      const ms = monotonicMs() - dueMs;
      const granted = answer.status === status;
      samples.push({ step: name, ms, ...(!granted && { failed: answer.label }) });
      if (granted) await learn?.(one, answer);
    }
  };
  await Promise.all(people.map(visit));
  loop.disable();
  const loopDelayP99Ms = loop.percentile(99) / NANOS_OF_MS - LOOP_RESOLUTION_MS;
  return { samples, lateMs, loopDelayP99Ms };
}

process.on('message', (job: HonestJob) => {
  come(job).then(
    (report) => process.send?.(report),
    (error: unknown) => {
      process.stderr.write(`${String(error)}\n`);
      process.exit(1);
    },
  );
});
