/** Takes a backup of a running engine: one instant of all that Redis holds, in one file. */
import { createWriteStream } from 'node:fs';
import { rename, rm, stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { present } from '../lib/assert.ts';
import { isoFromMs, monotonicMs } from '../lib/clock.ts';
import type { Secrets } from '../lib/secrets.ts';
import { type Redis, redisNowMs, type RedisNode } from '../redis/client.ts';
import { holdingWrites } from '../redis/hold.ts';
import { keys } from '../redis/keys.ts';
import { type Part, partsOf, versionOf } from '../redis/keyspace.ts';
import { type BackupSums, backupWriter } from './backup-format.ts';

export type BackupParts = {
  readonly redis: Redis;
  readonly secrets: Secrets;
  readonly file: string;
  /** For how long writes are held at most; a backup that takes longer is given up. */
  readonly holdAtMostMs: number;
  /** Called for each key that was read. `total`: about as many. */
  readonly onKey?: ((total: number) => void) | undefined;
};

export type BackupDone = BackupSums & {
  readonly taken_at: string;
  readonly bytes: number;
  /** For how long nothing could be written. */
  readonly held_ms: number;
};

/** Fast: writes wait for it. */
const GZIP = { level: 1 };
const PIECE_LENGTH = 256 * 1024;

/**
 * The list of releases comes last: until it is restored, no worker leads any, and nobody sees one.
 */
async function* inOrder(nodes: readonly RedisNode[]): AsyncGenerator<Part, void> {
  const last: Part[] = [];
  for (const node of nodes)
    for await (const part of partsOf(node)) {
      if (part.key === keys.releases()) last.push(part);
      else yield part;
    }
  yield* last;
}

/** The lines of a backup; what they sum up to is what the generator returns. */
async function* linesOf(
  nodes: readonly RedisNode[],
  takenAt: string,
  { secrets, onKey = () => undefined }: BackupParts,
): AsyncGenerator<string, BackupSums> {
  const writer = backupWriter(secrets);
  const [versions, sizes] = await Promise.all([
    Promise.all(nodes.map(versionOf)),
    Promise.all(nodes.map((node) => node.dbsize())),
  ]);
  const total = sizes.reduce((sum, size) => sum + size, 0);
  yield writer.head({ takenAt, redis: versions });
  for await (const part of inOrder(nodes)) {
    yield writer.part(part);
    if (part.first) onKey(total);
  }
  const { line, sums } = writer.tail();
  yield line;
  return sums;
}

/**
 * The file appears under its name once it is whole. Rejects with HoldLost, and leaves no file, when
 * writes could not be held to the end.
 */
export async function backUp(parts: BackupParts): Promise<BackupDone> {
  const { redis, file, holdAtMostMs } = parts;
  const arriving = `${file}.part`;
  const beganMs = monotonicMs();
  try {
    const taken = await holdingWrites(redis, holdAtMostMs, async (nodes, assertHeld) => {
      const takenAt = isoFromMs(await redisNowMs(redis));
      let sums: BackupSums | undefined;
      /** Many lines together: gzip takes each piece to another thread and back. */
      const whileHeld = async function* (): AsyncGenerator<string, void> {
        const lines = linesOf(nodes, takenAt, parts);
        let piece = '';
        let next = await lines.next();
        for (; !next.done; next = await lines.next()) {
          piece += next.value;
          if (piece.length < PIECE_LENGTH) continue;
          assertHeld();
          yield piece;
          piece = '';
        }
        sums = next.value;
        yield piece;
      };
      const target = createWriteStream(arriving, { mode: 0o600, flush: true });
      await pipeline(Readable.from(whileHeld()), createGzip(GZIP), target);
      return { ...present(sums, 'sums'), taken_at: takenAt };
    });
    const heldMs = Math.round(monotonicMs() - beganMs);
    const { size } = await stat(arriving);
    await rename(arriving, file);
    return { ...taken, bytes: size, held_ms: heldMs };
  } finally {
    await rm(arriving, { force: true });
  }
}
