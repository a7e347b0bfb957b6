import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { gzipBlocks } from '../../src/rounds/draw/gzip-blocks.ts';
import { findPython } from '../support/python.ts';

/** Half of it hashes, like a transcript. */
const textOf = (lines: number): Buffer =>
  Buffer.from(
    Array.from({ length: lines }, (_, i) => {
      const hash = createHash('sha256').update(String(i)).digest('hex');
      return `{"entry":"${i}","key":"${hash}","pool":"open","slot":"hall-${i % 9}"}\n`;
    }).join(''),
  );

const blocksOf = (bytes: Buffer, length: number): Buffer[] =>
  Array.from({ length: Math.ceil(bytes.length / length) }, (_, i) =>
    bytes.subarray(i * length, (i + 1) * length),
  );

const gzipped = async (blocks: Iterable<Buffer>): Promise<Buffer> => {
  const pieces: Buffer[] = [];
  for await (const piece of gzipBlocks(blocks)) pieces.push(piece);
  return Buffer.concat(pieces);
};

const text = textOf(9_000);

test.each([
  ['nothing', []],
  ['a block of one byte, and one of none', [Buffer.of(7), Buffer.alloc(0)]],
  ['one block', [text]],
  ['more blocks than threads, and a short one at the end', blocksOf(text, 60_001)],
])('%s: Node, a browser and Python read one member, and all of it', async (_, blocks) => {
  const whole = Buffer.concat(blocks);
  const packed = await gzipped(blocks);
  expect(gunzipSync(packed).equals(whole)).toBe(true);
  // As the page /verify reads it: unlike gunzip, it takes a single member only.
  const stream = new Blob([new Uint8Array(packed)]).stream();
  const read = await new Response(stream.pipeThrough(new DecompressionStream('gzip'))).bytes();
  expect(Buffer.from(read).equals(whole)).toBe(true);
  const python =
    'import sys,zlib;d=zlib.decompressobj(31);t=d.decompress(sys.stdin.buffer.read());' +
    'assert d.eof and not d.unused_data;sys.stdout.buffer.write(t)';
  const { stdout, stderr } = spawnSync(findPython(), ['-c', python], {
    input: packed,
    maxBuffer: 2 ** 24,
  });
  expect(String(stderr)).toBe('');
  expect(stdout.equals(whole)).toBe(true);
});

test('the bytes do not depend on which thread is done first', async () => {
  const blocks = blocksOf(text, 30_011);
  const first = await gzipped(blocks);
  const again = await Promise.all(Array.from({ length: 8 }, () => gzipped(blocks)));
  for (const one of again) expect(one.equals(first)).toBe(true);
});

test('it is about as small as in one piece', async () => {
  const packed = await gzipped(blocksOf(text, 256 * 1024));
  expect(packed.length).toBeLessThan(text.length * 0.6);
});

test('what fails while blocks are made is heard of, and nothing is left over', async () => {
  const failing = function* (): Generator<Buffer> {
    yield* blocksOf(text, 30_011);
    throw new Error('no more lines');
  };
  await expect(gzipped(failing())).rejects.toThrow('no more lines');
});
