/** Fires a list of requests at a server, each once. */
import autocannon from 'autocannon';
import { monotonicMs } from '../../src/lib/clock.ts';

export type Volley = {
  /** Answers a second, from the first request to the last answer. */
  readonly rps: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  /** Answers other than 2xx, broken connections and time-outs. */
  readonly errors: number;
};

/** How often autocannon looks whether it is done. */
const NOTICE_END_EVERY_MS = 50;

/**
 * `atMost` connections, each of which sends its next request when it has the answer to the last.
 * `expected`: the statuses that are no error, 2xx where left out.
 */
export async function fire(
  url: string,
  atMost: number,
  requests: readonly autocannon.Request[],
  expected?: readonly number[],
): Promise<Volley> {
  const connections = Math.min(atMost, requests.length);
  let connection = 0;
  let startedMs = 0;
  let endedMs = 0;
  const sliceOfNext = (): autocannon.Request[] => {
    const mine = connection++;
    return requests.filter((_, index) => index % connections === mine);
  };
  const result = await new Promise<autocannon.Result>((resolve, reject) => {
    const firing = autocannon(
      {
        url,
        connections,
        amount: requests.length,
        sampleInt: NOTICE_END_EVERY_MS,
        setupClient: (client) => client.setRequests(sliceOfNext()),
      },
      (error: Error | null, outcome) => (error ? reject(error) : resolve(outcome)),
    );
    firing.on('start', () => {
      startedMs = monotonicMs();
    });
    firing.on('response', () => {
      endedMs = monotonicMs();
    });
  });
  const { latency, errors } = result;
  const good = expected
    ? expected.reduce((sum, status) => sum + (result.statusCodeStats?.[`${status}`]?.count ?? 0), 0)
    : result['2xx'];
  if (good < requests.length) {
    const counts = Object.entries(result.statusCodeStats ?? {}).map(
      ([status, { count }]) => `${status} ${count} times`,
    );
    process.stderr.write(`${url} answered ${counts.join(', ') || 'nothing'}\n`);
  }
  return {
    rps: (good * 1000) / (endedMs - startedMs),
    p50Ms: latency.p50,
    p99Ms: latency.p99,
    maxMs: latency.max,
    errors: errors + requests.length - good,
  };
}
