/**
 * People who enter and confirm over HTTP as a client should: with an Idempotency-Key, again when
 * the answer is 503 or none. Remembers what was acknowledged.
 */
import { randomUUID } from 'node:crypto';
import { sleep } from '../../src/lib/clock.ts';
import type { Redis } from '../../src/redis/client.ts';
import { type Answered, call, tokenOf } from './app.ts';
import { engineOn, publishRelease, registerMany, type ReleaseWishes } from './engine.ts';

export type Townsman = {
  readonly account: string;
  readonly person: string;
  readonly token: string;
};

export type Attempt = { readonly status: number; readonly tookMs: number; readonly code?: string };

/** A lottery, and people who are registered. */
export async function foundTown(redis: Redis, people: number, wishes: ReleaseWishes) {
  const engine = engineOn(redis);
  const { release, slots } = await publishRelease(engine, redis, wishes);
  const registered = await registerMany(engine, people);
  const townsmen: Townsman[] = await Promise.all(
    registered.map(async ({ account, person }) => ({
      account,
      person,
      token: await tokenOf(account),
    })),
  );
  return { engine, release, slots, townsmen };
}

/** One request; 0 where the server gave none. */
export async function attempt(
  url: string,
  { token }: Pick<Townsman, 'token'>,
  method: string,
  path: string,
  body?: unknown,
  key = randomUUID(),
): Promise<Attempt & { readonly answer?: Answered }> {
  const startedMs = performance.now();
  const headers = { 'idempotency-key': key };
  try {
    const answer = await call(url, method, path, { token, body, headers });
    const tookMs = performance.now() - startedMs;
    const code = answer.status < 400 ? undefined : String(answer.json.code);
    return { status: answer.status, tookMs, answer, ...(code !== undefined && { code }) };
  } catch {
    return { status: 0, tookMs: performance.now() - startedMs };
  }
}

const MOST_TRIES = 600;
const AGAIN_AFTER_MS = 100;

/** Until it is answered with something other than "not now". */
export async function persist(
  url: string,
  townsman: Townsman,
  method: string,
  path: string,
  body?: unknown,
): Promise<Answered> {
  const key = randomUUID();
  let last = '';
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    const { status, code, answer } = await attempt(url, townsman, method, path, body, key);
    const isLater = status === 0 || status === 503 || code === 'IDEMPOTENCY_IN_FLIGHT';
    if (!isLater && answer) return answer;
    last = answer?.text ?? 'nothing';
    await sleep(AGAIN_AFTER_MS);
  }
  throw new Error(`${method} ${path} was never answered but with ${last}`);
}

export const entryPath = (release: string): string => `/v1/releases/${release}/entry`;
export const entryOf = ({ person }: Townsman, preferences: readonly string[]) => ({
  beneficiaries: [person],
  preferences,
});
