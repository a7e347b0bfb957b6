/** Keeps this process's time (lib/clock.ts) that of Redis. */
import { Cluster } from 'ioredis';
import { monotonicMs, sleep, tellTime } from '../lib/clock.ts';
import { redisNowMs, type Redis } from './client.ts';

/** Quartz errs by less than a ms in this time. */
const ASK_EVERY_MS = 10_000;
/** An answer that took longer says little. */
const PROMPT_MS = 200;
/** The first, without which there is only this machine's time, may err by half as much. */
const FIRST_PROMPT_MS = 1_000;
const FIRST_WITHIN_MS = 3_000;
const FIRST_PACE_MS = 50;

/**
 * Asks when Redis is reached, whenever a connection to one server is made anew, perhaps to another
 * master (a cluster is 'ready' anew only after it lost all its nodes), and every ten seconds.
 * Resolves once Redis has told its time, or after 3 s without: then this machine's time holds until
 * it does. While Redis is away its time goes on by this process's monotonic clock.
 */
export async function followRedisClock(redis: Redis): Promise<void> {
  let isTold = false;
  /** Whether there is a time of Redis by now. */
  const ask = async (): Promise<boolean> => {
    const askedAtMs = monotonicMs();
    try {
      const redisMs = await redisNowMs(timekeeperOf(redis));
      const tookMs = monotonicMs() - askedAtMs;
      if (tookMs > (isTold ? PROMPT_MS : FIRST_PROMPT_MS)) return isTold;
      tellTime(redisMs + tookMs / 2);
      isTold = true;
    } catch {
      // It is asked again.
    }
    return isTold;
  };
  const timer = setInterval(() => void ask(), ASK_EVERY_MS).unref();
  redis.once('end', () => clearInterval(timer));
  const giveUpAtMs = monotonicMs() + FIRST_WITHIN_MS;
  const askUntilTold = async (): Promise<void> => {
    while (!(await ask()) && monotonicMs() < giveUpAtMs) await sleep(FIRST_PACE_MS);
  };
  const first = new Promise<void>((resolve) => {
    setTimeout(resolve, FIRST_WITHIN_MS);
    redis.on('ready', () => void askUntilTold().then(resolve));
    if (redis.status === 'ready') void askUntilTold().then(resolve);
  });
  await first;
}

/**
 * Who is asked for the time. Of a cluster always the same master, while it is one: the clocks of
 * two differ, and a time that comes from one and the other by chance would step back and forth.
 */
function timekeeperOf(redis: Redis): Redis {
  if (!(redis instanceof Cluster)) return redis;
  const [first] = redis
    .nodes('master')
    .map((node) => ({ node, address: `${node.options.host}:${node.options.port}` }))
    .toSorted((a, b) => (a.address < b.address ? -1 : 1));
  return first?.node ?? redis;
}
