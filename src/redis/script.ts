/**
 * Typed bindings of the Lua scripts. A script is bound by the names that its header gives to KEYS
 * and ARGV, in their order; test/redis/scripts.unit.test.ts holds header and binding together.
 */
import { readFileSync } from 'node:fs';
import { assert } from '../lib/assert.ts';
import type { Redis } from './client.ts';

export type ScriptArgument = string | number | Uint8Array;

export type ScriptDefinition<K extends string, A extends string, R> = {
  /** Path under lua/, without `.lua`. */
  readonly file: string;
  readonly keys: readonly K[];
  readonly args: readonly A[];
  /** True when further arguments follow the named ones (a batch). */
  readonly rest?: true;
  /** Turns Redis's raw reply into the outcome. Strings arrive as UTF-8, integers as numbers. */
  readonly reply: (raw: unknown) => R;
};

export type Script<K extends string, A extends string, R> = ((
  redis: Redis,
  keys: Readonly<Record<K, string>>,
  args: Readonly<Record<A, ScriptArgument>>,
  rest?: readonly ScriptArgument[],
) => Promise<R>) & { readonly definition: ScriptDefinition<K, A, R> };

type RawCommand = (...parts: ScriptArgument[]) => Promise<unknown>;

const LUA = new URL('../../lua/', import.meta.url);
const INCLUDE = /^--#include (\S+)$/gm;

/** All bound scripts, for the header test. */
export const boundScripts: ScriptDefinition<string, string, unknown>[] = [];

/** A script's text with its `--#include lib/name` lines replaced by those files. */
export function readScript(file: string): string {
  const text = readFileSync(new URL(`${file}.lua`, LUA), 'utf8').replace(/^#!lua\n/, '');
  return text.replaceAll(INCLUDE, (_line, included: string) =>
    readFileSync(new URL(`${included}.lua`, LUA), 'utf8'),
  );
}

/**
 * Binds one script. ioredis loads it once a connection and resends its text when Redis has
 * forgotten it.
 */
export function script<const K extends string, const A extends string, R>(
  definition: ScriptDefinition<K, A, R>,
): Script<K, A, R> {
  const command = `fs:${definition.file}`;
  const lua = readScript(definition.file);
  const known = new WeakMap<Redis, RawCommand>();
  boundScripts.push(definition as unknown as ScriptDefinition<string, string, unknown>);

  const commandOf = (redis: Redis): RawCommand => {
    let raw = known.get(redis);
    if (!raw) {
      redis.defineCommand(command, { lua, numberOfKeys: definition.keys.length });
      const defined = (redis as unknown as Record<string, RawCommand | undefined>)[command];
      assert(defined, `${command} was not defined`);
      raw = defined.bind(redis) as RawCommand;
      known.set(redis, raw);
    }
    return raw;
  };

  const run: (...parameters: Parameters<Script<K, A, R>>) => Promise<R> = async (
    redis,
    keys,
    args,
    rest = [],
  ) => {
    const parts: ScriptArgument[] = [];
    for (const name of definition.keys) parts.push(keys[name]);
    for (const name of definition.args) parts.push(args[name]);
    return definition.reply(await commandOf(redis)(...parts, ...rest));
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
