/**
 * What the slices' commands share. What a command works with is loaded when it runs: most need no
 * engine, and `draw verify` must start where there is none.
 */
import { userInfo } from 'node:os';
import type { Command } from 'commander';
import type { Engine } from './engine.ts';
import type { Audit } from './gates/audit.ts';
import { sleep } from './lib/clock.ts';
import type { OnRedis } from './on-redis.ts';

export const out = (line: string): void => void process.stdout.write(`${line}\n`);
export const warn = (line: string): void => void process.stderr.write(`${line}\n`);
export const show = (value: unknown): void => out(JSON.stringify(value, null, 2));

/** Why a command did nothing, as whoever gave it reads it. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
}

/** The same, where it is an answer among others. */
export type Problem = { readonly problem: string };

/** What a command gave, where it is no problem. */
export function given<T>(outcome: T): Exclude<T, Problem> {
  if (typeof outcome === 'object' && outcome !== null && 'problem' in outcome)
    throw new CommandError(String(outcome.problem));
  return outcome as Exclude<T, Problem>;
}

const reasonOf = (error: unknown): string =>
  error instanceof Error
    ? `${error.message}${error.cause ? `: ${reasonOf(error.cause)}` : ''}`
    : String(error);

/** Where the engine listens, by --url of the whole command line. */
export const urlOf = (command: Command): string => command.optsWithGlobals<{ url: string }>().url;

const TOO_MANY_REQUESTS = 429;
type CallOptions = { readonly method?: string; readonly body?: string; readonly type?: string };
export type Call = (path: string, options?: CallOptions) => Promise<unknown>;

/** Calls the engine as an operator, and again after a limit's pause. */
export function apiOf(command: Command): Call {
  const call: Call = async (path, options = {}) => {
    const { method = 'GET', body, type = 'application/json' } = options;
    const url = urlOf(command);
    const headers = {
      authorization: `Bearer ${await operatorKeyNow()}`,
      ...(body === undefined ? {} : { 'content-type': type }),
    };
    const response = await fetch(new URL(path, url), {
      method,
      headers,
      ...(body === undefined ? {} : { body }),
    }).catch((error: unknown) => {
      throw new CommandError(
        `No engine answers at ${url} (${reasonOf(error)}). Start one with npm start.`,
      );
    });
    if (response.status === TOO_MANY_REQUESTS) {
      await sleep(1_000 * Number(response.headers.get('retry-after') ?? 1));
      return call(path, options);
    }
    const answer: unknown = await response.json();
    if (!response.ok) throw new CommandError(JSON.stringify(answer, null, 2));
    return answer;
  };
  return call;
}

async function operatorKeyNow(): Promise<string> {
  const { readOperatorKey } = await import('./config.ts');
  const { enginesSecret } = await import('./development-secrets.ts');
  const { environmentNow } = await import('./settings-file.ts');
  return readOperatorKey(environmentNow(), enginesSecret);
}

/** Of the machine's user, what an audit line may hold. */
export const userName = (): string =>
  userInfo()
    .username.replaceAll(/[^\w.-]/g, '_')
    .slice(0, 32);

/**
 * Works on Redis itself: on REDIS_URL, or the embedded server of FAIRSLOT_DATA_DIR. Import what
 * binds scripts before: the connection knows no others. `isReplaced`: what Redis holds goes, of
 * whichever secret it is.
 */
export async function withRedis<T>(
  work: (on: OnRedis) => Promise<T>,
  options: { readonly isReplaced?: boolean } = {},
): Promise<Exclude<T, Problem>> {
  const { onRedis } = await import('./on-redis.ts');
  return given(await onRedis(work, options));
}

/** Works on Redis itself with all that the engine can do there. */
export async function withEngine<T>(
  work: (on: OnRedis & Engine & { readonly audit: Audit }) => Promise<T>,
): Promise<Exclude<T, Problem>> {
  const { createEngine } = await import('./engine.ts');
  const { createAudit } = await import('./gates/audit.ts');
  return withRedis((on) => {
    const audit = createAudit(on.redis, on.log);
    return work({ ...on, ...createEngine(on.redis, on.config), audit });
  });
}
