import { beforeAll, describe, expect, test } from 'vitest';
import { present } from '../../src/lib/assert.ts';
import { jcs } from '../../src/lib/jcs.ts';
import { manifestHash } from '../../src/releases/manifest.ts';
import { entryDocument, type EntryRow } from '../../src/rounds/draw/entry-table.ts';
import {
  chunkOf,
  idsOf,
  keptTree,
  type Proof,
  proofIn,
  subtreeOf,
  treeChunks,
} from '../../src/rounds/proofs.ts';
import { createReceipts, type Receipt, receiptTerms } from '../../src/rounds/receipts.ts';
import type { ResultFile } from '../../src/rounds/results/results.ts';
import { type OwnFile, verifyOwn } from '../../src/rounds/verify/verify-own.ts';
import { idBytes } from '../../src/rounds/draw/ledger.ts';
import { file, linesOf } from './files.ts';
import {
  createLedger,
  idOf,
  lottery,
  playRound,
  RECEIPT_SECRET,
  sealedAt,
  wants,
} from './release.ts';

const MANIFEST = lottery({ hall: { open: 1 }, annex: { open: 1 } });
const TERMS = receiptTerms(MANIFEST, manifestHash(MANIFEST));
const { receipt: sign, seal: signSeal } = present(
  createReceipts([RECEIPT_SECRET]).signerFor(TERMS),
  'a signer',
);
/** Half a minute before a round is sealed. */
const before = (round: number): number => Date.parse(sealedAt(round)) - 30_000;
const receiptOf = (row: EntryRow, round = 0): Receipt =>
  sign(entryDocument(MANIFEST, row), before(round));

/** Everybody wants the hall; it has one seat. */
const NAMES = ['asha', 'babu', 'chitra', 'dev', 'esha'];
const ROWS = NAMES.map((name) => wants(name, [0]));
type Round = Awaited<ReturnType<typeof playRound>>;
let rounds: Round[];
let winner: EntryRow;
let next: EntryRow;
let waiter: EntryRow;

beforeAll(async () => {
  const ledger = createLedger(MANIFEST);
  const first = await playRound(ledger, ROWS);
  const named = (entry: string | undefined): EntryRow =>
    present(
      ROWS.find((row) => row.entry === entry),
      'a row',
    );
  winner = named(first.drawn.offers[0]?.entry);
  // The winner cancels, and enters again at once for the annex; the hall goes to who waits.
  const second = await playRound(ledger, [wants(nameOf(winner), [1])], {
    cancelled: [winner.entry],
  });
  next = named(second.drawn.offers[0]?.entry);
  waiter = present(
    ROWS.find((row) => row !== winner && row !== next),
    'a row',
  );
  const third = await playRound(ledger, [], { withdrawn: [waiter.entry], expired: [next.entry] });
  rounds = [first, second, third];
});
const nameOf = ({ entry }: EntryRow): string =>
  present(
    NAMES.find((name) => idOf(name) === entry),
    'a name',
  );

function proofOf(round: number, entry: string): Proof {
  const { table, seal } = present(rounds[round], 'a round');
  const { roots } = keptTree(table);
  const chunk = present(new Map(treeChunks(table)).get(chunkOf(idsOf(roots), entry)), 'a chunk');
  return present(proofIn(seal, subtreeOf(roots), subtreeOf(chunk), entry), 'a proof');
}

const files = (count = 3) =>
  rounds.slice(0, count).map(({ bytes }, round) => file(`round ${round}`, bytes));

type Documents = { receipt?: object; proof?: object; seal?: object; manifest?: object };
const verify = (documents: Documents, count = 3) => {
  const own: Partial<Record<keyof Documents, OwnFile>> = {};
  for (const [name, value] of Object.entries(documents) as [keyof Documents, object][])
    own[name] = { name: `${name}.json`, text: JSON.stringify(JSON.parse(jcs(value)), null, 2) };
  return verifyOwn(files(count), own);
};

describe('a receipt with all files', () => {
  test('is found with its place in the order, its seat, and what came of it', async () => {
    const report = await verify({ receipt: receiptOf(winner) });
    const place =
      1 +
      rounds[0]!.drawn.order.findIndex(
        (row) =>
          rounds[0]!.table.ids.toString('base64url', row * 16, row * 16 + 16) === winner.entry,
      );
    expect(report).toMatchObject({
      accepted: true,
      release: MANIFEST.release,
      digest: rounds[2]!.digest,
      entry: {
        id: winner.entry,
        round: 0,
        place,
        of: 5,
        standings: [
          { round: 0, state: 'holds', slot: 'hall', pool: 'open' },
          { round: 1, state: 'gone', slot: null, pool: null },
        ],
      },
    });
    expect(report).toHaveProperty(
      'checked',
      expect.arrayContaining([expect.stringContaining('signed')]),
    );
    expect(report).toHaveProperty('notChecked', [expect.stringContaining('digest')]);
  });

  test('tells of waiting, of a later offer, and of its end', async () => {
    expect(await verify({ receipt: receiptOf(next) })).toMatchObject({
      entry: {
        standings: [
          { round: 0, state: 'waits' },
          { round: 1, state: 'holds', slot: 'hall', pool: 'open' },
          { round: 2, state: 'gone' },
        ],
      },
    });
    expect(await verify({ receipt: receiptOf(waiter) })).toMatchObject({
      entry: { standings: [{ state: 'waits' }, { round: 2, state: 'gone' }] },
    });
  });

  test('of who entered again is found in the round after it', async () => {
    const again = wants(nameOf(winner), [1]);
    expect(await verify({ receipt: receiptOf(again, 1) })).toMatchObject({
      entry: { round: 1, place: 1, of: 1, standings: [{ state: 'holds', slot: 'annex' }] },
    });
  });

  test('is evidence where the entry is not in the first round after it', async () => {
    const nobody = receiptOf(wants('farah', [0]));
    expect(await verify({ receipt: nobody })).toEqual({
      accepted: false,
      file: 'receipt.json',
      line: null,
      reason: expect.stringMatching(/not in round 0, the first .* evidence/),
    });
    // Once was not enough: the receipt is of a second entry, after the first was gone.
    expect(await verify({ receipt: receiptOf(waiter, 1) })).toMatchObject({ accepted: false });
  });

  test('is evidence where the entry has another leaf', async () => {
    const edited = receiptOf(wants(nameOf(waiter), [1, 0]));
    expect(await verify({ receipt: edited })).toMatchObject({
      accepted: false,
      reason: expect.stringMatching(/^in round 0 the entry has another leaf; .*edited/),
    });
  });

  test('says to which round its entry was put off', async () => {
    const early = receiptOf(wants(nameOf(winner), [1]), 0);
    expect(await verify({ receipt: early })).toMatchObject({
      reason: expect.stringMatching(/^in round 0 the entry has another leaf/),
    });
    const ledger = createLedger(MANIFEST);
    const rows = [[wants('gita', [0])], [], [wants('hari', [0])]];
    const played: Round[] = [];
    for (const each of rows) played.push(await playRound(ledger, each));
    const receipt = { name: 'receipt.json', text: jcs(receiptOf(wants('hari', [0]))) };
    const transcripts = played.map(({ bytes }, round) => file(`round ${round}`, bytes));
    expect(await verifyOwn(transcripts, { receipt })).toMatchObject({
      accepted: false,
      reason: expect.stringMatching(/not in round 0, .* but put off to round 2; .*evidence/),
    });
  });

  test('is no evidence as long as no list was fixed after it', async () => {
    const late = sign(entryDocument(MANIFEST, wants('farah', [0])), before(3));
    const report = await verify({ receipt: late });
    expect(report).toMatchObject({ accepted: null });
    expect(report).toHaveProperty(
      'notChecked',
      expect.arrayContaining([expect.stringContaining('fetch a later round')]),
    );
  });

  test('is refused when it is forged, of another release, or no receipt', async () => {
    const receipt = receiptOf(winner);
    const refused = async (document: object, reason: RegExp) =>
      expect(await verify({ receipt: document })).toMatchObject({
        accepted: false,
        file: 'receipt.json',
        reason: expect.stringMatching(reason),
      });
    await refused({ ...receipt, issued_at: '2021-04-10T14:39:00.000Z' }, /^the signature is not/);
    await refused({ ...receipt, release: 'mumbai' }, /^it is for another release/);
    await refused({ ...receipt, leaf: '0'.repeat(64) }, /^the signature is not/);
    await refused({ ...receipt, kid: 'another' }, /^its key is not/);
    await refused({ ...receipt, manifest_hash: '0'.repeat(64) }, /^manifest_hash is not/);
    await refused({ ...receipt, more: 1 }, /more/);
    await refused([], /expected object/);
  });

  test('is not looked for in files that are refused', async () => {
    const report = await verifyOwn([file('damaged', 'nothing\n')], {
      receipt: { name: 'receipt.json', text: jcs(receiptOf(winner)) },
    });
    expect(report).toMatchObject({ accepted: false, file: 'damaged', line: 1 });
  });
});

describe('a receipt without files', () => {
  test('says what could not be checked, and that the manifest would help', async () => {
    const receipt = receiptOf(winner);
    const alone = await verify({ receipt }, 0);
    expect(alone).toMatchObject({ accepted: null, rounds: [], digest: null, trust: null });
    expect(alone).toHaveProperty('notChecked', [
      expect.stringContaining('--manifest'),
      expect.stringContaining('give the transcripts'),
    ]);
    const signed = await verify({ receipt, manifest: MANIFEST }, 0);
    expect(signed).toHaveProperty('checked', [
      expect.anything(),
      expect.stringContaining('signed'),
    ]);
    const forged = { ...receipt, issued_at: '2021-04-10T14:39:00.000Z' };
    expect(await verify({ receipt: forged }, 0)).toMatchObject({ accepted: null });
    expect(await verify({ receipt: forged, manifest: MANIFEST }, 0)).toMatchObject({
      accepted: false,
      reason: expect.stringContaining('signature'),
    });
  });

  test('needs the manifest of the files where there are any', async () => {
    const manifest = { ...MANIFEST, title: 'Another' };
    expect(await verify({ manifest })).toMatchObject({ accepted: false, file: 'manifest.json' });
    expect(await verify({ manifest: MANIFEST })).toMatchObject({ accepted: true });
    expect(await verify({ manifest: {} })).toMatchObject({ accepted: false });
  });
});

describe('a proof', () => {
  test('is held against the seal of its round', async () => {
    const proof = proofOf(0, waiter.entry);
    const report = await verify({ proof, receipt: receiptOf(waiter) });
    expect(report).toMatchObject({ accepted: true, entry: { id: waiter.entry, round: 0 } });
    expect(await verify({ proof })).toMatchObject({ entry: { id: waiter.entry, round: 0 } });
    const refused = async (change: Partial<Proof>, reason: RegExp, count = 3) =>
      expect(await verify({ proof: { ...proof, ...change } }, count)).toMatchObject({
        accepted: false,
        file: 'proof.json',
        reason: expect.stringMatching(reason),
      });
    await refused({ index: (proof.index + 1) % 5 }, /do not lead to the root|has no such path/);
    await refused({ round: 1 }, /^its root and count are not those of the seal of round 1/);
    await refused({ round: 9 }, /^it is of round 9, which is not among the files/);
    await refused({ release: 'mumbai' }, /^it is of another release/);
    await refused({ count: 9_000_000 }, /^count/);
  });

  test('of another entry, leaf or release than the receipt is refused', async () => {
    const proof = proofOf(0, waiter.entry);
    expect(await verify({ proof, receipt: receiptOf(next) }, 0)).toMatchObject({
      reason: 'it is of another entry',
    });
    const edited = receiptOf(wants(nameOf(waiter), [1]));
    expect(await verify({ proof, receipt: edited }, 0)).toMatchObject({
      reason: expect.stringContaining('the entry was edited, or changed'),
    });
    expect(
      await verify({ proof: { ...proof, release: 'mumbai' }, receipt: receiptOf(waiter) }, 0),
    ).toMatchObject({ reason: 'it is of another release' });
  });

  test('alone leads to a root that is to be compared with the seal', async () => {
    const report = await verify({ proof: proofOf(0, waiter.entry) }, 0);
    expect(report).toMatchObject({ accepted: null, release: MANIFEST.release });
    expect(report).toHaveProperty('notChecked', [expect.stringContaining('names that root')]);
  });
});

describe('a signed seal', () => {
  test('without files has its signature checked by the manifest, and settles nothing', async () => {
    const { seal } = rounds[1]!;
    const signed = { seal, signature: signSeal(seal) };
    expect(await verify({ seal: signed }, 0)).toMatchObject({ accepted: null, checked: [] });
    expect(await verify({ seal: signed, manifest: MANIFEST }, 0)).toMatchObject({
      accepted: null,
      checked: ['the operator signed the seal of round 1'],
    });
    const forged = { seal: { ...seal, root: '0'.repeat(64) }, signature: signed.signature };
    expect(await verify({ seal: forged, manifest: MANIFEST }, 0)).toMatchObject({
      accepted: false,
      file: 'seal.json',
      reason: expect.stringContaining('signature'),
    });
  });

  test('of another list than that of the files is evidence', async () => {
    const { seal } = rounds[1]!;
    const other = { ...seal, root: '0'.repeat(64) };
    expect(await verify({ seal: { seal, signature: signSeal(seal) } })).toMatchObject({
      accepted: true,
    });
    expect(await verify({ seal: { seal: other, signature: signSeal(other) } })).toMatchObject({
      accepted: false,
      reason: expect.stringMatching(/^the files hold another seal of round 1; .*evidence/),
    });
  });
});

describe('result files', () => {
  /** All of a round's, read off its transcript by hand; with one bit there are two. */
  const filesOf = (round: number): ResultFile[] => {
    const { bytes, digest } = present(rounds[round], 'a round');
    type Line = { kind: string; entry: string; slot: string | null; pool: string | null };
    const lines = linesOf(bytes)
      .map((line) => JSON.parse(line) as Line)
      .filter(({ kind }) => kind === 'entry' || kind === 'offer')
      .toSorted((a, b) => Buffer.compare(idBytes(a.entry), idBytes(b.entry)));
    return ['0', '1'].map((prefix) => {
      const mine = lines.filter(({ entry }) => String(idBytes(entry)[0]! >> 7) === prefix);
      return {
        digest,
        offered: mine.flatMap(({ entry, slot, pool }) =>
          slot === null || pool === null ? [] : [{ entry, pool, slot }],
        ),
        prefix,
        release: MANIFEST.release,
        round,
        waiting: mine.filter(({ slot }) => slot === null).map(({ entry }) => entry),
      };
    });
  };
  const check = (results: readonly object[], count = 3) =>
    verifyOwn(files(count), {
      results: results.map((value, index) => ({ name: `file ${index}`, text: jcs(value) })),
    });

  test('of all rounds are what the rounds gave', async () => {
    const all = [0, 1, 2].flatMap(filesOf);
    expect(await check(all)).toMatchObject({
      accepted: true,
      checked: expect.arrayContaining([expect.stringMatching(/^each result file .*: 6 of them$/)]),
    });
  });

  test('that differ in anything are refused', async () => {
    const file = filesOf(0).find(({ offered }) => offered.length > 0);
    const { offered, waiting, ...rest } = present(file, 'a file');
    const id = present(offered[0], 'an offer').entry;
    const wrong = [
      { ...rest, offered: [], waiting: [...waiting, id] },
      { ...rest, offered: [], waiting },
      { ...rest, offered: [{ ...offered[0], slot: 'annex' }], waiting },
      { ...rest, offered, waiting: [...waiting, idOf('nobody')] },
      { ...rest, offered, waiting, digest: '0'.repeat(64) },
      { ...rest, offered, waiting, release: 'another' },
    ];
    for (const [number, one] of wrong.entries())
      expect(await check([...filesOf(1), one]), `${number}`).toMatchObject({
        accepted: false,
        file: 'file 2',
        reason: expect.stringContaining('does not say what round 0'),
      });
    expect(await check([{ ...rest, offered, waiting, more: 1 }])).toMatchObject({
      accepted: false,
    });
  });

  test('cannot be checked without their round', async () => {
    const [file] = filesOf(2);
    expect(await check([file!], 2)).toMatchObject({
      accepted: false,
      reason: 'it is of round 2, which is not among the files',
    });
    expect(await check([file!], 0)).toMatchObject({
      accepted: null,
      notChecked: [expect.stringContaining('give the transcripts')],
    });
  });
});
