/**
 * Typed bindings of the Lua scripts. A script is bound by the names that its header gives to KEYS
 * and ARGV, in their order; test/redis/scripts.unit.test.ts holds header and binding together.
 */
import { readFileSync } from 'node:fs';
import { present } from '../lib/assert.ts';
import { monotonicMs } from '../lib/clock.ts';
import type { Redis } from './client.ts';

export type ScriptArgument = string | number | Uint8Array;

export type ScriptDefinition<K extends string, A extends string, R> = {
  /** Path under lua/, without `.lua`. */
  readonly file: string;
  readonly keys: readonly K[];
  readonly args: readonly A[];
  /** True when further arguments follow the named ones (a batch). */
  readonly rest?: true;
  /** False for a script that only reads, or counts: nobody relies on what it wrote. */
  readonly acknowledges?: false;
  /** Turns Redis's raw reply into the outcome. Strings arrive as UTF-8, integers as numbers. */
  readonly reply: (raw: unknown) => R;
};

type Run<K extends string, A extends string, R> = (
  redis: Redis,
  keys: Readonly<Record<K, string>>,
  args: Readonly<Record<A, ScriptArgument>>,
  rest?: readonly ScriptArgument[],
) => Promise<R>;

export type Script<K extends string, A extends string, R> = Run<K, A, R> & {
  readonly definition: ScriptDefinition<K, A, R>;
};

/** Hears of each call of a script: its file, how long its reply took, and why there was none. */
export type OnScript = (file: string, ms: number, error?: unknown) => void;

const listeners = new WeakMap<Redis, OnScript>();

/** One listener a connection. */
export const listenToScripts = (redis: Redis, onScript: OnScript): void =>
  void listeners.set(redis, onScript);

type RawCommand = (...parts: ScriptArgument[]) => Promise<unknown>;

const LUA = new URL('../../lua/', import.meta.url);
const INCLUDE = /^--#include (\S+)$/gm;

/** All bound scripts: those of every store that was imported. */
export const boundScripts: ScriptDefinition<string, string, unknown>[] = [];

/** A script's text with its `--#include lib/name` lines replaced by those files. */
export function readScript(file: string): string {
  const text = readFileSync(new URL(`${file}.lua`, LUA), 'utf8').replace(/^#!lua\n/, '');
  return text.replaceAll(INCLUDE, (_line, included: string) =>
    readFileSync(new URL(`${included}.lua`, LUA), 'utf8'),
  );
}

const commandOf = (file: string): string => `fs:${file}`;

/**
 * Makes every bound script a command of a new connection. All at once and before the first command:
 * a pipeline knows only the scripts that were defined when it was begun.
 */
export function defineScripts(redis: Redis): void {
  for (const { file, keys } of boundScripts) {
    redis.defineCommand(commandOf(file), { lua: readScript(file), numberOfKeys: keys.length });
  }
}

/**
 * Binds one script. ioredis loads it once a connection and resends its text when Redis has
 * forgotten it.
 */
export function script<const K extends string, const A extends string, R>(
  definition: ScriptDefinition<K, A, R>,
): Script<K, A, R> {
  const command = commandOf(definition.file);
  boundScripts.push(definition);

  const run: Run<K, A, R> = async (redis, keys, args, rest = []) => {
    const parts: ScriptArgument[] = [];
    for (const name of definition.keys) parts.push(keys[name]);
    for (const name of definition.args) parts.push(args[name]);
    const commands = redis as unknown as Readonly<Record<string, RawCommand>>;
    const onScript = listeners.get(redis);
    const startedMs = onScript ? monotonicMs() : 0;
    try {
      const raw = await present(commands[command], command).call(redis, ...parts, ...rest);
      const answer = definition.reply(raw);
      onScript?.(definition.file, monotonicMs() - startedMs);
      return answer;
    } catch (error) {
      onScript?.(definition.file, monotonicMs() - startedMs, error);
      throw error;
    }
  };
  return Object.assign(run, { definition });
}

/** The reply of scripts that answer one word or an array that starts with it. */
export function replyWord(raw: unknown): { word: string; fields: (string | number)[] } {
  const [word, ...fields] = Array.isArray(raw)
    ? (raw as [string, ...(string | number)[]])
    : [String(raw)];
  return { word, fields };
}

export const unexpectedReply = (file: string, word: string): Error =>
  new Error(`lua/${file}.lua answered ${word}, which its binding does not know`);

/** The reply of a script that answers one of these words and nothing else. */
export const oneOf =
  <const Word extends string>(file: string, words: readonly Word[]) =>
  (raw: unknown): Word => {
    const { word } = replyWord(raw);
    const known = words.find((one) => one === word);
    if (known === undefined) throw unexpectedReply(file, word);
    return known;
  };
