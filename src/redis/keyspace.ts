/**
 * The keys of a Redis, read and written in parts of bounded size: what a backup is made of. By
 * elements and not by DUMP, which is one reply however large a key is (an evening of millions has
 * one of more than a gigabyte), and which only the same or a later Redis takes back.
 */
import type { Redis, RedisNode } from './client.ts';
import { EVERY_KEY } from './keys.ts';

export const KEY_TYPES = ['string', 'hash', 'list', 'set', 'zset', 'stream'] as const;
export type KeyType = (typeof KEY_TYPES)[number];

export type Part = {
  readonly key: string;
  readonly type: KeyType;
  /** The first of this key: what was there of it before goes. */
  readonly first: boolean;
  /** Milliseconds since the epoch; undefined for a key that does not expire. */
  readonly expiresAtMs: number | undefined;
  /**
   * As the commands that write them take them: a string's value; field, value; elements; members;
   * score, member; of a stream: id, number of what follows, field, value, ….
   */
  readonly elements: readonly Buffer[];
  /** Of a stream: last id, entries ever added, highest id ever deleted. */
  readonly stream?: [last: string, added: string, deleted: string] | undefined;
};

/** Keys read at once, and elements of each: some megabytes where each is 48 KiB. */
const KEYS_AT_ONCE = 128;
const ELEMENTS_AT_ONCE = 64;

type Piece = {
  readonly elements: readonly Buffer[];
  /** Where to go on; undefined at the end. */
  readonly next: string | undefined;
};
type Reader = (node: RedisNode, key: string, from: string | undefined) => Promise<Piece>;

const COUNT = ['COUNT', ELEMENTS_AT_ONCE] as const;
const scanned = ([cursor, elements]: [Buffer, Buffer[]]): Piece => ({
  elements,
  next: cursor.toString() === '0' ? undefined : cursor.toString(),
});
/** ZSCAN answers member, score; ZADD takes score, member. */
const swapped = (flat: readonly Buffer[]): Buffer[] =>
  flat.flatMap((member, index) => (index % 2 === 0 ? [flat[index + 1] as Buffer, member] : []));

const READERS: Readonly<Record<KeyType, Reader>> = {
  string: async (node, key) => {
    const value = await node.getBuffer(key);
    return { elements: value === null ? [] : [value], next: undefined };
  },
  hash: async (node, key, from = '0') => scanned(await node.hscanBuffer(key, from, ...COUNT)),
  set: async (node, key, from = '0') => scanned(await node.sscanBuffer(key, from, ...COUNT)),
  zset: async (node, key, from = '0') => {
    const { elements, next } = scanned(await node.zscanBuffer(key, from, ...COUNT));
    return { elements: swapped(elements), next };
  },
  list: async (node, key, from = '0') => {
    const end = Number(from) + ELEMENTS_AT_ONCE;
    const elements = await node.lrangeBuffer(key, Number(from), end - 1);
    return { elements, next: elements.length < ELEMENTS_AT_ONCE ? undefined : String(end) };
  },
  stream: async (node, key, from = '-') => {
    const lines = await node.xrangeBuffer(key, from, '+', ...COUNT);
    const elements = lines.flatMap(([id, fields]) => [
      id,
      Buffer.from(String(fields.length)),
      ...fields,
    ]);
    const last = lines.at(-1)?.[0].toString();
    return { elements, next: lines.length < ELEMENTS_AT_ONCE ? undefined : `(${last}` };
  },
};

async function streamOf(node: RedisNode, key: string): Promise<[string, string, string]> {
  const flat = (await node.call('XINFO', 'STREAM', key)) as (string | number)[];
  const field = (name: string): string => String(flat[flat.indexOf(name) + 1]);
  return [field('last-generated-id'), field('entries-added'), field('max-deleted-entry-id')];
}

const isKeyType = (type: string): type is KeyType => KEY_TYPES.includes(type as KeyType);

/** A part that was read, and where its key goes on. */
type Read = { readonly part: Part; readonly next: string | undefined };

async function read(
  node: RedisNode,
  { key, type, expiresAtMs }: Pick<Part, 'key' | 'type' | 'expiresAtMs'>,
  from: string | undefined,
): Promise<Read> {
  const { elements, next } = await READERS[type](node, key, from);
  const stream = type === 'stream' && next === undefined ? await streamOf(node, key) : undefined;
  const first = from === undefined;
  return { part: { key, type, first, expiresAtMs, elements, ...(stream && { stream }) }, next };
}

/** The first part of each of these keys, without those that are gone. */
async function begin(node: RedisNode, names: readonly string[]): Promise<Read[]> {
  const asked = node.pipeline();
  for (const key of names) asked.type(key).pexpiretime(key);
  const replies = valuesOf(await asked.exec());
  const begun = names.map(async (key, index) => {
    const [type, expiresAtMs] = replies.slice(2 * index, 2 * index + 2) as [string, number];
    if (type === 'none') return undefined;
    if (!isKeyType(type)) throw new Error(`${key} is of the type ${type}, which nothing here is`);
    const about = { key, type, expiresAtMs: expiresAtMs < 0 ? undefined : expiresAtMs };
    return read(node, about, undefined);
  });
  return (await Promise.all(begun)).filter((one) => one !== undefined);
}

/** The replies of a pipeline; throws the first error among them. */
function valuesOf(replies: [error: Error | null, result: unknown][] | null): unknown[] {
  return (replies ?? []).map(([error, value]) => {
    if (error) throw error;
    return value;
  });
}

/**
 * All parts of all keys of one node, those of a key behind one another. Of keys that nobody writes
 * meanwhile each is there whole; one may come twice, and tell of an element twice.
 */
export async function* partsOf(node: RedisNode): AsyncGenerator<Part, void> {
  let cursor = '0';
  do {
    const [next, names] = await node.scan(cursor, 'MATCH', EVERY_KEY, 'COUNT', KEYS_AT_ONCE);
    cursor = next;
    for (const one of await begin(node, names))
      for (let at: Read | undefined = one; at; ) {
        yield at.part;
        at = at.next === undefined ? undefined : await read(node, at.part, at.next);
      }
  } while (cursor !== '0');
}

const WRITERS: Readonly<Record<Exclude<KeyType, 'stream'>, string>> = {
  string: 'set',
  hash: 'hset',
  list: 'rpush',
  set: 'sadd',
  zset: 'zadd',
};

type Command = readonly [name: string, ...(string | Buffer)[]];

function streamCommands({ key, elements, stream }: Part): Command[] {
  const commands: Command[] = [];
  for (let at = 0; at < elements.length; ) {
    const end = at + 2 + Number(elements[at + 1]);
    commands.push(['xadd', key, elements[at] as Buffer, ...elements.slice(at + 2, end)]);
    at = end;
  }
  if (!stream) return commands;
  const [last, added, deleted] = stream;
  return [...commands, ['xsetid', key, last, 'ENTRIESADDED', added, 'MAXDELETEDID', deleted]];
}

function commandsOf(part: Part): Command[] {
  const { key, type, first, expiresAtMs, elements } = part;
  const writes: Command[] = type === 'stream' ? streamCommands(part) : [];
  if (type !== 'stream' && elements.length > 0) writes.push([WRITERS[type], key, ...elements]);
  return [
    ...(first ? [['del', key] as const] : []),
    ...writes,
    ...(expiresAtMs === undefined ? [] : [['pexpireat', key, String(expiresAtMs)] as const]),
  ];
}

/**
 * Writes a part behind those of its key that were written before; of a list, after `before` elements.
 * Gives how many it has then. Throws where they are more: a part that is sent again, after a
 * connection that was lost, stands there twice; for all other types that changes nothing.
 */
export async function writePart(redis: Redis, part: Part, before = 0): Promise<number> {
  const commands = commandsOf(part);
  const replies = valuesOf(await redis.pipeline(commands.map((command) => [...command])).exec());
  if (part.type !== 'list') return 0;
  const length = before + part.elements.length;
  const found = Number(replies[commands.findIndex(([name]) => name === 'rpush')] ?? before);
  if (found !== length) throw new Error(`${part.key} was written twice: ${found} for ${length}`);
  return length;
}

/** Whether a node has any key of the engine. */
export async function holdsKeys(node: RedisNode): Promise<boolean> {
  let cursor = '0';
  do {
    const [next, names] = await node.scan(cursor, 'MATCH', EVERY_KEY, 'COUNT', KEYS_AT_ONCE);
    if (names.length > 0) return true;
    cursor = next;
  } while (cursor !== '0');
  return false;
}

/** Removes every key of the engine from one node. */
export async function removeKeys(node: RedisNode): Promise<void> {
  let cursor = '0';
  do {
    const [next, names] = await node.scan(cursor, 'MATCH', EVERY_KEY, 'COUNT', KEYS_AT_ONCE);
    cursor = next;
    await Promise.all(names.map((key) => node.unlink(key)));
  } while (cursor !== '0');
}

/** The version of a server, such as 7.0.15. */
export const versionOf = async (node: RedisNode): Promise<string> =>
  /^redis_version:(\S+)/m.exec(await node.info('server'))?.[1] ?? '';
