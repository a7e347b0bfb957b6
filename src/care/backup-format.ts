/**
 * The file that a backup is: gzip of lines, docs/adr/0025. Each line is eight hex digits, a space
 * and JSON. The digits are the CRC-32 of all lines up to this one, so that the first line that was
 * altered is known; the last line holds their SHA-256 and its MAC, so that nobody without
 * FAIRSLOT_SECRET can alter a backup, and none is restored that another secret has encrypted. Pure.
 */
import { createHash, type Hash } from 'node:crypto';
import { isUtf8 } from 'node:buffer';
import { isDeepStrictEqual } from 'node:util';
import { crc32 } from 'node:zlib';
import { z } from 'zod';
import { parseJson } from '../lib/json.ts';
import { equalSecrets, markOf, type Secrets } from '../lib/secrets.ts';
import { tagKindOf } from '../redis/keys.ts';
import { KEY_TYPES, type Part } from '../redis/keyspace.ts';

/** Raised by whoever changes what a line says. */
export const BACKUP_VERSION = 2;
/** Of a line: 64 elements of 1 MiB as base64, or a manifest with every character escaped. */
export const BACKUP_LINE_BYTES_MAX = 128 * 2 ** 20;

const Head = z.strictObject({
  fairslot_backup: z.int(),
  taken_at: z.iso.datetime(),
  redis: z.array(z.string()),
  /** Keyed hash of a constant: tells which FAIRSLOT_SECRET it was taken with, and nothing else. */
  secret: z.string(),
});
export type BackupHead = z.output<typeof Head>;

/** UTF-8, or a list of one text in base64. */
const Element = z.union([z.string(), z.tuple([z.base64()])]);
const PartLine = z.strictObject({
  key: z.string().min(1),
  type: z.enum(KEY_TYPES),
  first: z.literal(true).optional(),
  expires_at_ms: z.int().positive().optional(),
  elements: z.array(Element),
  stream: z.tuple([z.string(), z.string(), z.string()]).optional(),
});

const Tail = z.strictObject({
  end: z.strictObject({
    keys: z.int(),
    /** Keys by what their tag begins with: `r` of releases, `p` of people, `m` of accounts, …. */
    keys_by_tag: z.record(z.string(), z.int()),
    lines: z.int(),
    sha256: z.string(),
    mac: z.string(),
  }),
});
export type BackupTail = z.output<typeof Tail>['end'];
export type BackupSums = Omit<BackupTail, 'mac'>;

const macOf = (secrets: Secrets, sha256: string): string =>
  secrets.mac('backup', `sha256:${sha256}`).toString('base64url');

/** What both ends reckon as they go along. */
function reckoning() {
  const hash: Hash = createHash('sha256');
  const byTag: Record<string, number> = {};
  let crc = 0;
  let lines = 0;
  let keys = 0;
  return {
    /** The digits before a line's JSON. */
    crcWith: (text: string): string => crc32(text, crc).toString(16).padStart(8, '0'),
    add: (text: string): void => {
      crc = crc32(text, crc);
      hash.update(text).update('\n');
      lines += 1;
    },
    count: (key: string): void => {
      keys += 1;
      const kind = tagKindOf(key);
      byTag[kind] = (byTag[kind] ?? 0) + 1;
    },
    sums: () => ({ keys, keys_by_tag: byTag, lines, sha256: hash.copy().digest('hex') }),
  };
}

const lineOf = ({ key, type, first, expiresAtMs, elements, stream }: Part): string =>
  JSON.stringify({
    key,
    type,
    ...(first && { first }),
    ...(expiresAtMs !== undefined && { expires_at_ms: expiresAtMs }),
    elements: elements.map((one) =>
      isUtf8(one) ? one.toString('utf8') : [one.toString('base64')],
    ),
    ...(stream && { stream }),
  } satisfies z.input<typeof PartLine>);

/** Makes the lines of a backup, one after another, each with its line feed. */
export function backupWriter(secrets: Secrets) {
  const reckoned = reckoning();
  const line = (json: string): string => {
    const text = `${reckoned.crcWith(json)} ${json}\n`;
    reckoned.add(json);
    return text;
  };
  return {
    head: (about: { readonly takenAt: string; readonly redis: readonly string[] }): string =>
      line(
        JSON.stringify({
          fairslot_backup: BACKUP_VERSION,
          taken_at: about.takenAt,
          redis: [...about.redis],
          secret: markOf(secrets),
        } satisfies BackupHead),
      ),
    part: (part: Part): string => {
      if (part.first) reckoned.count(part.key);
      return line(lineOf(part));
    },
    tail: (): { readonly line: string; readonly sums: BackupSums } => {
      const sums = reckoned.sums();
      const end: BackupTail = { ...sums, mac: macOf(secrets, sums.sha256) };
      return { line: line(JSON.stringify({ end })), sums };
    },
  };
}

/** What a line turns out to be; a problem is for a person to read. */
export type BackupLine =
  | { readonly head: BackupHead }
  | { readonly part: Part }
  | { readonly tail: BackupTail }
  | { readonly problem: string };

/** Reads the lines of a backup in their order, each without its line feed. */
export function backupReader(secrets: Secrets) {
  const reckoned = reckoning();
  let isFirst = true;
  let isOver = false;

  const read = (line: string): BackupLine => {
    const json = line.slice(9);
    if (isOver) return { problem: 'there is something behind the last line of the backup' };
    if (line !== `${reckoned.crcWith(json)} ${json}`)
      return {
        problem: isFirst
          ? 'this is no backup of fairslot, or its first line was altered'
          : 'this line was altered, or one is missing before it',
      };
    const document: unknown = parseJson(json);
    const read = isFirst ? headOf(document, secrets) : bodyOf(document);
    isFirst = false;
    if ('tail' in read) {
      isOver = true;
      const problem = problemOf(read.tail);
      if (problem !== undefined) return { problem };
    } else if ('part' in read && read.part.first) reckoned.count(read.part.key);
    reckoned.add(json);
    return read;
  };

  const problemOf = ({ mac, ...tail }: BackupTail): string | undefined => {
    const sums = reckoned.sums();
    if (tail.keys !== sums.keys || tail.lines !== sums.lines || tail.sha256 !== sums.sha256)
      return 'the lines before this one are not those that were backed up';
    // No other sum covers the tail itself.
    if (!isDeepStrictEqual(tail.keys_by_tag, sums.keys_by_tag))
      return 'the keys before this line are not of the kinds that it says';
    if (!equalSecrets(mac, macOf(secrets, sums.sha256)))
      return 'whoever wrote this did not have FAIRSLOT_SECRET';
    return undefined;
  };

  return { read, isOver: (): boolean => isOver };
}

function headOf(document: unknown, secrets: Secrets): BackupLine {
  const version = z.looseObject({ fairslot_backup: z.int() }).safeParse(document);
  if (version.success && version.data.fairslot_backup !== BACKUP_VERSION)
    return {
      problem:
        `this backup has version ${version.data.fairslot_backup} of the format, and this program ` +
        `reads version ${BACKUP_VERSION}: restore it with the fairslot that took it`,
    };
  const head = Head.safeParse(document);
  if (!head.success) return { problem: 'this is no backup of fairslot' };
  if (!equalSecrets(head.data.secret, markOf(secrets)))
    return {
      problem:
        'it was taken with another FAIRSLOT_SECRET: with this one nobody could read what it has',
    };
  return { head: head.data };
}

function bodyOf(document: unknown): BackupLine {
  const tail = Tail.safeParse(document);
  if (tail.success) return { tail: tail.data.end };
  const line = PartLine.safeParse(document);
  if (!line.success)
    return { problem: `this line has an unknown form: ${z.prettifyError(line.error)}` };
  const { expires_at_ms: expiresAtMs, elements, stream, first, key, type } = line.data;
  return {
    part: {
      key,
      type,
      first: first === true,
      expiresAtMs,
      elements: elements.map((one) =>
        typeof one === 'string' ? Buffer.from(one, 'utf8') : Buffer.from(one[0], 'base64'),
      ),
      ...(stream && { stream }),
    },
  };
}
