/**
 * Gzip on several threads, whose bytes depend on nothing but what is compressed: blocks are
 * deflated each on its own and put behind one another in a single member (RFC 1951, 1952), since
 * not every reader takes a file of several. What is flushed ends with a whole byte, so that the
 * next can follow.
 */
import { promisify } from 'node:util';
import { constants, crc32, deflateRaw, type ZlibOptions } from 'node:zlib';

const deflate = promisify<Buffer, ZlibOptions, Buffer>(deflateRaw);

/**
 * The least effort: half of a transcript is hashes, which do not shrink. What does is the same a
 * few lines before, and a window of 4 KiB reaches that far: a larger one takes half as long again
 * and saves nothing, for it names what is near at greater length.
 */
const EFFORT = { level: constants.Z_BEST_SPEED, windowBits: 12 };

/** No name, no time, nothing said of the system (RFC 1952, section 2.3). */
const HEADER = Buffer.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff);
/** The last block, and empty: what came before could all be flushed alike. */
const LAST_BLOCK = Buffer.of(0x03, 0x00);

/** The least room for what comes out that zlib takes. */
const ROOM_BYTES_MIN = 64;

/** Blocks that are being compressed, or wait to be taken: as many as Node has threads for it. */
const BLOCKS_AHEAD = 4;

/** CRC-32 and length of all that was compressed, both least significant byte first. */
function trailer(crc: number, length: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32LE(crc);
  bytes.writeUInt32LE(length % 2 ** 32, 4);
  return bytes;
}

/**
 * The gzip of these blocks, piece by piece. A block should have some hundreds of KiB: it begins
 * with an empty window, and what waits is in memory.
 */
export async function* gzipBlocks(blocks: Iterable<Buffer>): AsyncGenerator<Buffer, void> {
  const options = { ...EFFORT, finishFlush: constants.Z_SYNC_FLUSH };
  const ahead: Promise<Buffer>[] = [];
  let crc = 0;
  let length = 0;
  yield HEADER;
  for (const block of blocks) {
    crc = crc32(block, crc);
    length += block.length;
    const chunkSize = Math.max(ROOM_BYTES_MIN, block.length);
    const deflated = deflate(block, { ...options, chunkSize });
    deflated.catch(() => undefined); // it is heard of when its turn comes, if it does
    ahead.push(deflated);
    const first = ahead.length < BLOCKS_AHEAD ? undefined : ahead.shift();
    if (first) yield await first;
  }
  for (const deflated of ahead) yield await deflated;
  yield Buffer.concat([LAST_BLOCK, trailer(crc, length)]);
}
