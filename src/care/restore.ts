/** Puts a backup back: into one Redis or a cluster, whichever it was taken from. */
import { createReadStream } from 'node:fs';
import type { Problem } from '../command-line.ts';
import { markOf, type Secrets } from '../lib/secrets.ts';
import { mastersOf, type Redis, redisNowMs } from '../redis/client.ts';
import { keys } from '../redis/keys.ts';
import { holdsKeys, type Part, removeKeys, writePart } from '../redis/keyspace.ts';
import { readLinesTogether } from '../rounds/draw/lines.ts';
import {
  BACKUP_LINE_BYTES_MAX,
  type BackupHead,
  type BackupLine,
  backupReader,
  type BackupSums,
} from './backup-format.ts';

export type RestoreParts = {
  readonly redis: Redis;
  readonly secrets: Secrets;
  readonly file: string;
  /** Removes what the engine has in there before. */
  readonly replace: boolean;
  /** Called for each key that was checked, then for each that was written. */
  readonly onKey?: ((phase: 'checking' | 'restoring') => void) | undefined;
};

export type Checked = BackupSums & { readonly taken_at: string };
export type Restored = Checked & {
  /** Keys whose lifetime is over since. */
  readonly expired: number;
};

/** Parts of different keys that are written at once. */
const PARTS_AT_ONCE = 128;

/** What the lines of a file say, one after another; a problem is the last of them. */
async function* documentsOf(
  file: string,
  secrets: Secrets,
): AsyncGenerator<Iterable<BackupLine>, void> {
  const reader = backupReader(secrets);
  let number = 0;
  const problemAt = (line: number, problem: string): BackupLine => ({
    problem: `line ${line}: ${problem}`,
  });
  const options = { longest: BACKUP_LINE_BYTES_MAX };
  for await (const lines of readLinesTogether(createReadStream(file), options)) {
    const found: BackupLine[] = [];
    for (const line of lines) {
      if ('reason' in line) {
        found.push(problemAt(line.line, line.reason));
        break;
      }
      number = line.number;
      const document = reader.read(line.text);
      const isProblem = 'problem' in document;
      found.push(isProblem ? problemAt(number, document.problem) : document);
      if (isProblem) break;
    }
    yield found;
    if (found.some((one) => 'problem' in one)) return;
  }
  if (!reader.isOver()) yield [problemAt(number + 1, 'the backup ends here, before its end')];
}

/** Reads the whole file, and writes nothing. */
export async function checkBackup({
  secrets,
  file,
  onKey,
}: Omit<RestoreParts, 'redis' | 'replace'>): Promise<Checked | Problem> {
  let head: BackupHead | undefined;
  let sums: BackupSums | undefined;
  for await (const documents of documentsOf(file, secrets))
    for (const one of documents) {
      if ('problem' in one) return one;
      if ('head' in one) head = one.head;
      else if ('tail' in one) sums = one.tail;
      else if (one.part.first) onKey?.('checking');
    }
  if (!head || !sums) return { problem: 'this is no backup of fairslot' };
  const { keys, keys_by_tag, lines, sha256 } = sums;
  return { taken_at: head.taken_at, keys, keys_by_tag, lines, sha256 };
}

/**
 * Writes the parts in batches; those of one key are never in the same. How many keys were left out
 * since their lifetime is over.
 */
async function writeAll({ redis, secrets, file, onKey }: RestoreParts): Promise<number> {
  const nowMs = await redisNowMs(redis);
  let expired = 0;
  let batch = new Map<string, Part>();
  /** Of lists, of which this batch or the last one has a part: those of a key follow each other. */
  let lengths = new Map<string, number>();
  const flush = async (): Promise<void> => {
    const written = Array.from(batch, async ([key, part]) => {
      const before = part.first ? 0 : (lengths.get(key) ?? 0);
      return [key, await writePart(redis, part, before)] as const;
    });
    lengths = new Map(await Promise.all(written));
    batch = new Map();
  };
  for await (const documents of documentsOf(file, secrets))
    for (const one of documents) {
      if ('problem' in one)
        throw new Error(`the file changed while it was restored: ${one.problem}`);
      if (!('part' in one)) continue;
      const { part } = one;
      if (part.first) onKey?.('restoring');
      if ((part.expiresAtMs ?? Infinity) <= nowMs) {
        if (part.first) expired += 1;
        continue;
      }
      // The list of releases is the last key: nobody sees a release before all of it is there.
      if (batch.has(part.key) || batch.size >= PARTS_AT_ONCE || part.key === keys.releases())
        await flush();
      batch.set(part.key, part);
    }
  await flush();
  return expired;
}

/**
 * Restores a file that was found whole. A Redis that holds anything of the engine is refused unless
 * `replace`. If it rejects half-way, what is there is no state of an engine: restore again, with
 * `replace`.
 */
export async function restore(parts: RestoreParts): Promise<Restored | Problem> {
  const checked = await checkBackup(parts);
  if ('problem' in checked)
    return { problem: `${parts.file}: ${checked.problem}. Nothing was changed.` };
  const nodes = await mastersOf(parts.redis);
  const held = await Promise.all(nodes.map(holdsKeys));
  if (held.includes(true) && !parts.replace)
    return {
      problem:
        'This Redis holds data of an engine. Nothing was changed. With --replace, that data is ' +
        'deleted first.',
    };
  await Promise.all(nodes.map(removeKeys));
  // A backup of before there was a mark has none; it is of this secret, or it had not been read.
  await parts.redis.set(keys.secretMark(), markOf(parts.secrets));
  return { ...checked, expired: await writeAll(parts) };
}
