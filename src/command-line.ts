/**
 * What the slices' commands share. What a command works with is loaded when it runs: most need no
 * engine, and `draw verify` must start where there is none.
 */
import { userInfo } from 'node:os';
import { type Command, InvalidArgumentError } from 'commander';
import type { Engine } from './engine.ts';
import type { Audit } from './gates/audit.ts';
import { type ErrorCode, ERRORS } from './errors.ts';
import { sleep } from './lib/clock.ts';
import { parseJson } from './lib/json.ts';
import type { OnRedis } from './on-redis.ts';
import type { Refusal } from './refusal.ts';

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

/** A refusal as people read it: its code, what that means, and what else it tells. */
export function problemOf({ refused, detail, extra = {} }: Refusal): Problem {
  const sentences = [`${refused}: ${ERRORS[refused].title}`, ...(detail ? [detail] : [])].join(' ');
  const isMore = Object.keys(extra).length > 0;
  return { problem: isMore ? `${sentences}\n${JSON.stringify(extra, null, 2)}` : sentences };
}

/** Of a problem document, what the code says already. */
const SAID = ['type', 'title', 'status', 'code', 'detail', 'requestId'];

/** A problem document likewise; as it came where it is of another program, or a later version. */
function refusalText(answer: object): string {
  const { code, detail, requestId } = answer as { code: ErrorCode } & Record<string, string>;
  if (!Object.hasOwn(ERRORS, code)) return JSON.stringify(answer, null, 2);
  const extra = Object.fromEntries(Object.entries(answer).filter(([name]) => !SAID.includes(name)));
  const refusal = { refused: code, ...(detail !== undefined && { detail }), extra };
  return `${problemOf(refusal).problem}\nrequest ${requestId}`;
}

const reasonOf = (error: unknown): string =>
  error instanceof Error
    ? `${error.message}${error.cause ? `: ${reasonOf(error.cause)}` : ''}`
    : String(error);

/** For an option that takes a number: what is none would only be refused as something else. */
export function wholeNumber(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError('It is a whole number.');
  return Number(text);
}

/** For --url. */
export function httpAddress(text: string): string {
  if (!/^https?:$/.test(URL.parse(text)?.protocol ?? ''))
    throw new InvalidArgumentError('It is as in http://127.0.0.1:8080.');
  return text;
}

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
      const seconds = Number(response.headers.get('retry-after')) || 1;
      warn(`Over a limit of the engine: this goes on in ${seconds} s.`);
      await sleep(1_000 * seconds);
      return call(path, options);
    }
    const answer = parseJson(await response.text());
    if (typeof answer !== 'object' || answer === null)
      throw new CommandError(
        `${url} answered ${response.status}, but not in JSON: that is no engine, or not all of one.`,
      );
    if (!response.ok) throw new CommandError(refusalText(answer));
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
