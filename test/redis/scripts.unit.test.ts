/** Each Lua file's header, its text and its typed binding say the same. */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { present } from '../../src/lib/assert.ts';
import { keys } from '../../src/redis/keys.ts';
import { boundScripts, readScript } from '../../src/redis/script.ts';
import '../../src/engine.ts'; // binds the scripts of every store
import '../../src/gates/limits.ts';
import '../../src/http/idempotency.ts';

const LUA = resolve(import.meta.dirname, '../../lua');
const FILES = readdirSync(LUA, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.lua') && dirname(path) !== 'lib')
  .map((path) => join(dirname(path), basename(path, '.lua')))
  .toSorted();

const textOf = (file: string): string => readFileSync(join(LUA, `${file}.lua`), 'utf8');
/** The script as Redis runs it, without its comments. */
const codeOf = (file: string): string =>
  readScript(file)
    .replace(/--\[\[[\s\S]*?\]\]/, '')
    .replaceAll(/--.*$/gm, '');
const wordsIn = (text: string, pattern: RegExp): string[] =>
  [...new Set(Array.from(text.matchAll(pattern), ([, word = '']) => word))].toSorted();

/**
 * Words that a script answers. Replies are written in the return statement, or in a `reply` or
 * `word` that it returns.
 */
const answeredBy = (file: string): string[] => {
  const statements = codeOf(file)
    .split('\n')
    .filter((line) => /\breturn\b|\b(?:reply|word)\b.* = /.test(line))
    .map((line) => line.replace(/^.*?(?=\breturn\b)/, ''))
    .join('\n');
  const told = statements.replaceAll(/[=~]= '\w+'|redis\.call\('\w+'/g, '');
  return wordsIn(told, /'([A-Z][A-Z_]+)'/g);
};

/** A booking's state can be an answer too: it is read from Redis, not written in the script. */
const BOOKING_STATES = ['OFFERED', 'BOOKED', 'CANCELLED', 'LAPSED'];

function headerOf(file: string) {
  const [, head = ''] = present(/^#!lua\n--\[\[ ([\s\S]*?)\n\]\]/.exec(textOf(file)), 'a header');
  const named = (list: string): { number: string; name: string }[] =>
    Array.from(
      head.matchAll(new RegExp(`^ {2}${list}\\[(\\d+|\\.)\\] +(\\w+)`, 'gm')),
      (match) => ({
        number: String(match[1]),
        name: String(match[2]),
      }),
    );
  const reply = head.slice(head.indexOf('\n  REPLY ')).replaceAll(/\([\s\S]*?\)/g, '');
  const args = named('ARGV');
  return {
    title: head.slice(0, head.indexOf(':')),
    keys: named('KEYS'),
    args: args.filter(({ number }) => number !== '.'),
    rest: args.at(-1)?.number === '.',
    words: wordsIn(reply.replace('REPLY', ''), /\b([A-Z][A-Z_]+)\b/g),
  };
}

const numbered = (names: readonly string[]) =>
  names.map((name, index) => ({ number: String(index + 1), name }));

/** The highest number of KEYS or ARGV that a script reads. */
const used = (file: string, list: string): number =>
  Math.max(
    0,
    ...Array.from(codeOf(file).matchAll(new RegExp(`${list}\\[(\\d+)\\]`, 'g')), ([, number]) =>
      Number(number),
    ),
  );

describe('the scripts', () => {
  it('are bound, each once, and nothing else is', () => {
    expect(boundScripts.map(({ file }) => file).toSorted()).toEqual(FILES);
  });
});

describe.each(boundScripts)('$file', ({ file, keys, args, rest }) => {
  const header = headerOf(file);

  it('is headed by its own name', () => {
    expect(header.title).toBe(file);
  });

  it('takes the keys and arguments of its header, in that order', () => {
    expect(header.keys).toEqual(numbered(keys));
    expect(header.args).toEqual(numbered(args));
    expect(header.rest).toBe(rest ?? false);
  });

  it('uses what it takes, and nothing else', () => {
    expect(used(file, 'KEYS')).toBe(keys.length);
    expect(used(file, 'ARGV')).toBe(args.length);
  });

  it('answers the words of its header', () => {
    const answered = answeredBy(file);
    expect(answered.filter((word) => !header.words.includes(word))).toEqual([]);
    expect(
      header.words.filter((word) => !answered.includes(word) && !BOOKING_STATES.includes(word)),
    ).toEqual([]);
  });
});

// The view answers states, many in a row: test/rounds/enter.redis.test.ts.
const ONE_WORD = boundScripts.filter(({ file }) => file !== 'rounds/view');

describe.each(ONE_WORD)('the binding of $file', ({ file, reply }) => {
  it('knows the words of the header and no other', () => {
    for (const word of headerOf(file).words) expect(() => reply([word, 0, 0, 0])).not.toThrow();
    expect(() => reply(['ANOTHER_WORD'])).toThrow(`${file}.lua answered ANOTHER_WORD`);
  });
});

describe('the keys', () => {
  const builders = Object.entries(keys).filter(([name]) => name !== 'limitPrefix');

  it.each(builders)('%s has a hash tag, from its first parameter', (_name, build) => {
    const key = (build as (...parts: unknown[]) => string)('first', 'second');
    expect(key).toMatch(/^fs:v1:\{(?:[a-z]+:first|[a-z]+)\}:[a-z]/);
  });

  it('are distinct', () => {
    const built = builders.map(([, build]) =>
      (build as (...parts: unknown[]) => string)('first', 'second'),
    );
    expect(new Set(built).size).toBe(built.length);
  });
});
