/** docs/draw.md is enough to write a verifier from; its worked example must be the engine's own. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { sha256 } from '../../src/lib/hash.ts';
import { verifyChain } from '../../src/rounds/verify/verify.ts';
import { file } from './files.ts';
import { CHAIN, createLedger, idOf, lottery, playRound, wants } from './release.ts';

const page = readFileSync(new URL('../../docs/draw.md', import.meta.url), 'utf8');
const transcripts = [...page.matchAll(/```ndjson\n(.*?)```/gs)].map(([, text = '']) => text);

test('the transcripts on the page verify', async () => {
  const report = await verifyChain(transcripts.map((text, round) => file(`${round}`, text)));
  expect(report).toMatchObject({ accepted: true, rounds: [{ entries: 5 }, { entries: 2 }] });
});

test('the story on the page gives these transcripts and hashes', async () => {
  const ledger = createLedger(
    lottery({ 'hall-0900': { senior: 1, open: 1 }, 'hall-1100': { open: 2 } }),
  );
  const first = await playRound(ledger, [
    wants('Asha', [0, 1], { categories: ['senior'] }),
    wants('Babu', [0]),
    wants('Chitra', [1, 0], { size: 2 }),
    wants('Dev', [0, 1]),
    wants('Esha', [1]),
  ]);
  const second = await playRound(ledger, [wants('Farah', [0, 1]), wants('Gita', [0])], {
    cancelled: [idOf('Babu'), idOf('Esha')],
    expired: [idOf('Dev')],
  });
  expect(transcripts).toEqual([first.bytes.toString(), second.bytes.toString()]);

  const asha = first.bytes
    .toString()
    .split('\n')
    .find((line) => line.includes(idOf('Asha')))!;
  const { key, leaf } = JSON.parse(asha) as Record<'key' | 'leaf', string>;
  expect(CHAIN.preimage(100).equals(sha256(Buffer.from('the secret of a test')))).toBe(true);
  const table = page.slice(page.indexOf('| s_0'), page.indexOf('\nRound 0.'));
  expect(table.match(/[0-9a-f]{64}/g)).toEqual([
    CHAIN.anchor,
    first.seal.manifest_hash,
    leaf,
    first.seal.root,
    CHAIN.preimage(1).toString('hex'),
    first.record.seed,
    key,
    first.digest,
    second.digest,
  ]);
});
