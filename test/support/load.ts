/** Honest people who keep one connection each and ask again and again; what they were answered. */
import { Agent } from 'node:http';
import { onTestFinished } from 'vitest';
import type { Engine } from '../../src/engine.ts';
import { monotonicMs, sleep } from '../../src/lib/clock.ts';
import { call, tokenOf } from './app.ts';
import { registerMany, type TestRelease } from './engine.ts';

/** Between an answer and the next request of the same person. */
const PAUSE_MS = 20;
/** Without an answer they give up, and ask again. */
const PATIENCE_MS = 10_000;

export type Load = {
  /** Done when everybody was answered so many times more. */
  readonly answered: (times: number) => Promise<void>;
  /** Answers so far. */
  readonly count: () => number;
  /** Of what failed so far: a fault of the connection, or the status of what was no success. */
  readonly failures: () => readonly Failure[];
  /** Longest time that anybody waited for an answer that was right. */
  readonly longestMs: () => number;
  /** Done when nobody asks any more. */
  readonly stop: () => Promise<void>;
};
export type Failure = { readonly person: number; readonly url: string; readonly what: string };

/**
 * `people` clients of the first address, until the test is over at the latest. Where it takes no
 * connection they go on at the next one, as behind a load balancer; nothing is ever asked twice.
 */
export async function startLoad(
  engine: Engine,
  { release, slots }: TestRelease,
  urls: readonly string[],
  people = 8,
): Promise<Load> {
  const failures: Failure[] = [];
  const answers: number[] = Array.from({ length: people }, () => 0);
  const stopping = new AbortController();
  let longestMs = 0;
  const registered = await registerMany(engine, people);

  const ask = async (number: number, account: string, person: string): Promise<void> => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const token = await tokenOf(account);
    const [first = ''] = slots;
    const entry = `/v1/releases/${release}/entry`;
    const body = { beneficiaries: [person], preferences: [first] };
    const asked = [
      ['PUT', entry, { token, body, agent }],
      ['GET', entry, { token, agent }],
      ['GET', `/v1/releases/${release}`, { agent }],
    ] as const;
    let at = 0;
    let lastMs = monotonicMs();
    for (let turn = 0; !stopping.signal.aborted; turn++) {
      const [method, path, options] = asked[turn % asked.length] ?? asked[0];
      const url = urls[at] ?? '';
      try {
        const signal = AbortSignal.timeout(PATIENCE_MS);
        const { status, text } = await call(url, method, path, { ...options, signal });
        if (status !== 200) throw new Error(`${status} ${text}`);
        longestMs = Math.max(longestMs, monotonicMs() - lastMs);
        lastMs = monotonicMs();
        answers[number] = (answers[number] ?? 0) + 1;
      } catch (error) {
        const code = error instanceof Error && 'code' in error ? error.code : undefined;
        if (code === 'ECONNREFUSED' && at + 1 < urls.length) at += 1;
        else failures.push({ person: number, url, what: `${method} ${String(error)}` });
      }
      await sleep(PAUSE_MS);
    }
    agent.destroy();
  };
  const asking = registered.map(({ account, person }, number) => ask(number, account, person));
  const load: Load = {
    answered: async (times) => {
      const before = [...answers];
      while (answers.some((count, number) => count < (before[number] ?? 0) + times)) await sleep(5);
    },
    count: () => answers.reduce((sum, count) => sum + count, 0),
    failures: () => failures,
    longestMs: () => longestMs,
    stop: async () => {
      stopping.abort();
      await Promise.all(asking);
    },
  };
  onTestFinished(load.stop);
  return load;
}
