import { gunzipSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { hex } from '../../src/lib/hash.ts';
import { jcs } from '../../src/lib/jcs.ts';
import { ENTRIES_MAX, entryAt, leafOf } from '../../src/rounds/draw/entry-table.ts';
import { NOTHING_SINCE, type Since } from '../../src/rounds/draw/ledger.ts';
import { replay } from '../../src/rounds/draw/replay.ts';
import { seedOf } from '../../src/rounds/draw/seal.ts';
import { verifyChain } from '../../src/rounds/verify/verify.ts';
import { file, linesOf, withLine } from './files.ts';
import { createLedger, idOf, lottery, playRound, wants } from './release.ts';
import { playBoth } from './scenario.ts';

type Round = Awaited<ReturnType<typeof playRound>>;

const LOTTERY = lottery({ north: { senior: 1, open: 1 }, south: { open: 1 } });

/**
 * Three rounds in which everything happens that can: seats come back, a slot closes, people leave
 * and return.
 */
async function threeRounds(): Promise<Round[]> {
  const ledger = createLedger(LOTTERY);
  const first = await playRound(ledger, [
    ...['a', 'b', 'c', 'd'].map((name) => wants(name, [0, 1])),
    wants('senior', [0], { categories: ['senior'] }),
  ]);
  const winners = first.drawn.offers.map(({ entry }) => entry);
  const leaver = [...first.drawn.order]
    .map((row) => entryAt(first.table, row))
    .find((entry) => !winners.includes(entry))!;
  const [cancelled = '', expired = ''] = winners;
  const second = await playRound(ledger, [wants('late', [0], { size: 2 })], {
    cancelled: [cancelled],
    expired: [expired],
    withdrawn: [leaver],
    closed: ['south'],
  });
  const third = await playRound(ledger, [wants('last', [0])], { withdrawn: [idOf('late')] });
  return [first, second, third];
}

let rounds: Round[];
beforeAll(async () => {
  rounds = await threeRounds();
});
const bytes = (round: number): Buffer => rounds[round]!.bytes;
const upTo = (round: number) =>
  Array.from({ length: round }, (_, past) => file(`round-${past}`, bytes(past)));
/** Verifies the chain up to `round`, with other bytes for that one. */
const verifyWith = (round: number, changed: Buffer) =>
  verifyChain([...upTo(round), file('changed', changed)]);

describe('a chain of files', () => {
  test('is accepted, plain or compressed, in whatever pieces it arrives', async () => {
    const compressed = gzipSync(bytes(1));
    const report = await verifyChain([
      file('round-0', ...Array.from(bytes(0), (byte) => Buffer.of(byte))),
      file('round-1', compressed.subarray(0, 1), compressed.subarray(1)),
      file('round-2', bytes(2)),
    ]);
    expect(report).toEqual({
      accepted: true,
      release: 'pune-2021-04-10',
      manifestHash: rounds[0]!.seal.manifest_hash,
      rounds: rounds.map(({ digest, seal, drawn }, round) => ({
        file: `round-${round}`,
        round,
        digest,
        entries: seal.count,
        served: drawn.offers.length,
      })),
      digest: rounds[2]!.digest,
      checked: expect.any(Array),
      notChecked: [expect.stringContaining('digest')],
      trust: expect.stringMatching(/^the operator: /),
    });
  });

  test('is accepted for any release, and leaves the ledger that drew it', async () => {
    await fc.assert(
      fc.asyncProperty(fc.gen(), async (pick) => {
        const { files, ledger } = await playBoth(pick, () => undefined);
        const report = await verifyChain(files.map((bytes, round) => file(`${round}`, bytes)));
        expect(report).toMatchObject({ accepted: true });
        const rebuilt = createLedger(ledger.manifest);
        for (const bytes of files) await replay(rebuilt, file('', bytes).open());
        expect(rebuilt).toEqual(ledger);
      }),
      { numRuns: 200 },
    );
  });

  test('must begin with round 0 and go on in order', async () => {
    expect(await verifyChain([])).toMatchObject({
      accepted: false,
      reason: 'there is no file to verify',
    });
    const [first, second, third] = [0, 1, 2].map((round) => () => file(`${round}`, bytes(round)));
    expect(await verifyChain([second!()])).toMatchObject({
      accepted: false,
      file: '1',
      line: 1,
      reason: expect.stringMatching(/^round 0 is not among the files: /),
    });
    expect(await verifyChain([first!(), third!()])).toMatchObject({
      accepted: false,
      file: '2',
      reason: expect.stringMatching(/^round 1 is not among the files: /),
    });
    expect(await verifyChain([first!(), first!()])).toMatchObject({ file: '0', line: 1 });
  });

  test('may be given in any order: the seals tell it', async () => {
    const [first, second, third] = [0, 1, 2].map((round) => file(`${round}`, bytes(round)));
    const report = await verifyChain([third!, first!, second!]);
    expect(report).toEqual(await verifyChain([first!, second!, third!]));
    expect(report.accepted).toBe(true);
    const damaged = file('damaged', Buffer.from('no transcript'));
    expect(await verifyChain([damaged, third!, second!, first!])).toMatchObject({
      accepted: false,
      file: 'damaged',
    });
  });

  test('must end with the digest that was asked for', async () => {
    const [, { digest: other }, { digest }] = rounds as [Round, Round, Round];
    expect(await verifyChain(upTo(3), { digest })).toMatchObject({ accepted: true });
    expect(await verifyChain(upTo(3), { digest: other })).toEqual({
      accepted: false,
      file: 'round-2',
      line: linesOf(bytes(2)).length,
      reason: `digest is not ${other}`,
    });
  });

  test('that an operator rewrote from the start has another digest', async () => {
    const forged = await playRound(createLedger(lottery({ north: { open: 9 } })), []);
    const report = await verifyChain([file('forged', forged.bytes)], { digest: rounds[0]!.digest });
    expect(report).toMatchObject({ accepted: false, reason: expect.stringContaining('digest') });
  });
});

describe('a change of one byte', () => {
  test.each([0, 1])(
    'anywhere in round %i is refused',
    async (round) => {
      const content = bytes(round);
      const mistakes: unknown[] = [];
      let line = 1;
      for (const [at, byte] of content.entries()) {
        // A first manifest and a seal may read well, and be refuted by a hash further down only.
        const late = line === (round === 0 ? 3 : 2) || (line === 1 && round === 0);
        const others = at % 4 === 0 || byte === 0x0a ? [byte ^ 1, 0x0a, 0x30] : [byte ^ 1];
        for (const other of others) {
          if (other === byte) continue;
          const changed = Buffer.from(content);
          changed[at] = other;
          const report = await verifyWith(round, changed);
          const named =
            !report.accepted &&
            report.file === 'changed' &&
            (report.line === line || (late && report.line > line));
          if (!named) mistakes.push({ at, line, other, report });
        }
        if (byte === 0x0a) line += 1;
      }
      expect(mistakes).toEqual([]);
    },
    60_000,
  );
});

async function refusedSince(change: Partial<Since>, reason: string): Promise<void> {
  const line = jcs({ kind: 'since', since: { ...NOTHING_SINCE, ...change } });
  expect(await verifyWith(1, withLine(bytes(1), 1, line))).toMatchObject({
    line: 1,
    reason: expect.stringContaining(reason),
  });
}

describe('a file that was changed with care', () => {
  type Entry = Record<'key' | 'leaf' | 'entry', string> & { prefs: string[]; slot: string | null };
  const entry = (line: string): Entry => JSON.parse(line) as Entry;
  const FIRST_ENTRY = 5;

  test('is refused at an entry whose preferences are not those of its leaf', async () => {
    const line = entry(linesOf(bytes(0))[FIRST_ENTRY]!);
    line.prefs = ['south'];
    const report = await verifyWith(0, withLine(bytes(0), FIRST_ENTRY + 1, jcs(line)));
    expect(report).toMatchObject({
      line: FIRST_ENTRY + 1,
      reason: expect.stringMatching(/^leaf must be /),
    });
  });

  test('is refused at the seal when the leaf was changed as well', async () => {
    const line = entry(linesOf(bytes(0))[FIRST_ENTRY]!);
    line.prefs = ['south'];
    line.leaf = hex(leafOf({ cats: [], entry: line.entry, prefs: line.prefs, size: 1 }));
    const report = await verifyWith(0, withLine(bytes(0), FIRST_ENTRY + 1, jcs(line)));
    expect(report).toMatchObject({ line: 3, reason: expect.stringMatching(/^root must be /) });
  });

  test('is refused at an entry that stands before one with a lower key', async () => {
    const [first, second] = linesOf(bytes(0)).slice(4);
    const swapped = withLine(withLine(bytes(0), 5, second!), 6, first!);
    expect(await verifyWith(0, swapped)).toMatchObject({
      line: 6,
      reason: 'the entry is out of order: keys ascend',
    });
    expect(await verifyWith(0, withLine(bytes(0), 5, first!, first!))).toMatchObject({ line: 6 });
  });

  test('is refused at an entry that got what the draw does not give it', async () => {
    const lines = linesOf(bytes(0));
    const at = lines.findIndex(
      (line) => line.includes('"slot":null') && !line.includes('"size":2'),
    );
    const line = { ...entry(lines[at]!), pool: 'open', slot: 'north' };
    expect(await verifyWith(0, withLine(bytes(0), at + 1, jcs(line)))).toMatchObject({
      line: at + 1,
      reason: 'the draw gives this entry no seat',
    });
    const winner = lines.findIndex((line) => line.endsWith('"slot":"north"}'));
    const robbed = { ...entry(lines[winner]!), pool: null, slot: null };
    expect(await verifyWith(0, withLine(bytes(0), winner + 1, jcs(robbed)))).toMatchObject({
      line: winner + 1,
      reason: expect.stringMatching(/^the draw gives this entry north /),
    });
  });

  test('is refused when an entry is missing or one too many', async () => {
    const count = rounds[0]!.seal.count;
    expect(await verifyWith(0, withLine(bytes(0), 5))).toMatchObject({
      line: 4 + count,
      reason: expect.stringContaining(`entry ${count} of ${count}`),
    });
    const late = linesOf(bytes(1)).find((line) => line.includes(idOf('late')))!;
    expect(await verifyWith(0, withLine(bytes(0), 4, linesOf(bytes(0))[3]!, late))).toMatchObject({
      line: 5,
    });
  });

  test('is refused at an offer that is missing, or goes to another', async () => {
    const offers = linesOf(bytes(1)).filter((line) => line.includes('"kind":"offer"'));
    expect(offers.length).toBeGreaterThan(0);
    expect(await verifyWith(1, withLine(bytes(1), 4))).toMatchObject({
      line: 4,
      reason: `the line must be ${offers[0]}`,
    });
    const other = offers[0]!.replace(/"entry":"[^"]*"/, `"entry":"${idOf('late')}"`);
    expect(await verifyWith(1, withLine(bytes(1), 4, other))).toMatchObject({ line: 4 });
  });

  test('is refused where it tells of events that cannot have happened', async () => {
    const [winner] = rounds[0]!.drawn.offers.map(({ entry }) => entry);
    await refusedSince({ expired: [idOf('nobody')] }, 'holds no seat');
    await refusedSince({ cancelled: [winner!], expired: [winner!] }, 'holds no seat');
    await refusedSince({ withdrawn: [winner!] }, 'does not wait');
    await refusedSince({ closed: ['west'] }, 'slot west is not open');
    await refusedSince({ closed: ['south', 'north'] }, 'not in their order');
    await refusedSince({ lost: [['north', 'open', 1000]] }, 'has no 1000 seats open to lose');
    await refusedSince({ lost: [['north', 'gold', 1]] }, 'to lose');
    await refusedSince(
      {
        lost: [
          ['north', 'open', 1],
          ['north', 'open', 1],
        ],
      },
      'twice',
    );
    await refusedSince({ closed: ['north'], lost: [['north', 'open', 1]] }, 'to lose');
    await refusedSince({ expired: ['AAAAAAAAAAAAAAAAAAAAAB'] }, 'since: expired: 0: ');
  });

  test('is refused where somebody is in twice', async () => {
    const ledger = createLedger(lottery({ north: { open: 1 } }));
    const first = await playRound(ledger, [wants('a', [0])]);
    const other = createLedger(lottery({ north: { open: 1 } }));
    await playRound(other, []);
    Object.assign(other, { previousDigest: first.digest });
    const second = await playRound(other, [wants('a', [0])]);
    expect(await verifyChain([file('0', first.bytes), file('1', second.bytes)])).toMatchObject({
      file: '1',
      line: 4,
      reason: 'the entry waits or holds a seat already',
    });
  });

  test('is refused where it is not canonical, though it says the same', async () => {
    for (const [at, line] of linesOf(bytes(0)).entries())
      for (const same of [` ${line}`, line.replace(':', ': '), line.replace('}', ',"kind":"x"}')])
        expect(await verifyWith(0, withLine(bytes(0), at + 1, same))).toMatchObject({
          accepted: false,
          line: at + 1,
        });
  });
});

async function* endless(): AsyncGenerator<Buffer> {
  for (;;) yield Buffer.alloc(1 << 20, '[');
}

async function* failing(): AsyncGenerator<Buffer> {
  yield bytes(0).subarray(0, 20);
  throw new Error('the disk is gone');
}

/** `line`: null for any, where it depends on how much was read ahead. */
const refused = async (content: Buffer, line: number | null, reason: RegExp) =>
  expect(await verifyChain([file('hostile', content)])).toEqual({
    accepted: false,
    file: 'hostile',
    line: line ?? expect.any(Number),
    reason: expect.stringMatching(reason),
  });

describe('a hostile file', () => {
  test('is refused when it is empty, or no text, or no JSON', async () => {
    await refused(Buffer.alloc(0), 1, /^the file ends before its digest/);
    await refused(Buffer.from('{'), 1, /does not end with a line feed/);
    await refused(Buffer.from('hello\n'), 1, /^the line is not JSON/);
    await refused(Buffer.of(0xff, 0xfe, 0x0a), 1, /not UTF-8/);
    await refused(Buffer.concat([Buffer.from('\uFEFF'), bytes(0)]), 1, /not JSON/);
    await refused(Buffer.from('null\n'), 1, /expected object/);
    await refused(Buffer.from(`${'['.repeat(100_000)}\n`), 1, /not JSON/);
    await refused(Buffer.from('{"__proto__":{},"kind":"manifest"}\n'), 1, /./);
  });

  test('is refused when it goes on after its digest', async () => {
    const lines = linesOf(bytes(0)).length;
    await refused(Buffer.concat([bytes(0), Buffer.from('\n')]), lines + 1, /something after/);
    await refused(Buffer.concat([bytes(0), Buffer.from('x')]), lines + 1, /line feed/);
  });

  test('is refused when its gzip is cut short, damaged, or followed by anything', async () => {
    const compressed = gzipSync(bytes(0));
    for (const length of [2, 10, 100, compressed.length - 1])
      await refused(compressed.subarray(0, length), null, /unexpected end of file/);
    await refused(Buffer.concat([compressed, compressed]), null, /junk/);
    await refused(Buffer.concat([compressed, Buffer.of(0)]), null, /junk/);
    for (let at = 0; at < compressed.length; at++) {
      const damaged = Buffer.from(compressed);
      damaged[at]! ^= 0x10;
      const report = await verifyChain([file('damaged', damaged)]);
      // The header's time and system are no part of the content, nor are bits that pad a byte.
      if (report.accepted) expect(gunzipSync(damaged).equals(bytes(0))).toBe(true);
    }
  });

  test('is refused before a line or a list gets too long to hold', async () => {
    expect(await verifyChain([{ name: 'endless', open: endless }])).toMatchObject({
      line: 1,
      reason: expect.stringContaining('longer than 16777216'),
    });
    const bomb = gzipSync(Buffer.alloc(64 << 20, ' '));
    await refused(bomb, 1, /longer than 16777216/);
    const [manifest, since] = linesOf(bytes(0));
    const long = `{"kind":"since","since":{"cancelled":[${'"a",'.repeat(5_000_000)}`;
    await refused(Buffer.from(`${manifest}\n${long}\n`), 2, /longer than/);
    const full = `{"kind":"since","since":[${'{},'.repeat(1_000_001)}{}]}`;
    await refused(Buffer.from(`${manifest}\n${full}\n`), 2, /more than 1000000 lists/);
    const seal = { ...rounds[0]!.seal, count: 9_000_000 };
    const sealed = `${manifest}\n${since}\n${jcs({ kind: 'seal', seal })}\n`;
    await refused(Buffer.from(sealed), 3, /^seal: count/);
  });

  test('takes no memory for entries that it only announces', async () => {
    const [manifest, since, , beacon] = linesOf(bytes(0));
    const seal = { ...rounds[0]!.seal, count: ENTRIES_MAX };
    const opening = [manifest, since, jcs({ kind: 'seal', seal })].join('\n');
    const seed = hex(seedOf(LOTTERY.beacon, seal, rounds[0]!.record.beacon));
    const sealed = `${opening}\n${beacon!.replace(/"seed":"[^"]*"/, `"seed":"${seed}"`)}\n`;
    const before = process.memoryUsage().arrayBuffers;
    let taken = Infinity;
    const open = async function* () {
      yield Buffer.from(sealed);
      taken = process.memoryUsage().arrayBuffers - before; // it waits for the first entry
    };
    expect(await verifyChain([{ name: 'boast', open }])).toMatchObject({
      accepted: false,
      line: 5,
      reason: 'the file ends before its digest',
    });
    expect(taken).toBeLessThan(4 * 2 ** 20);
  });

  test('is refused when its source fails', async () => {
    expect(await verifyChain([{ name: 'failing', open: failing }])).toEqual({
      accepted: false,
      file: 'failing',
      line: 1,
      reason: 'the file cannot be read: the disk is gone',
    });
  });

  test('is refused when its manifest cannot be drawn', async () => {
    const manifest = lottery({ north: { open: 1 }, south: { open: 1 } });
    const [slot] = manifest.slots;
    const line = (slots: unknown) =>
      Buffer.from(`${jcs({ kind: 'manifest', manifest: { ...manifest, slots } })}\n`);
    await refused(line([slot, slot]), 1, /two slots have the same id/);
    const pools = [...slot!.pools, ...slot!.pools];
    await refused(line([{ ...slot, pools }]), 1, /two pools of the same name/);
    await refused(line([]), 1, /^manifest: slots/);
    const title = jcs({ kind: 'manifest', manifest }).replace('Puné', '\\ud800');
    await refused(Buffer.from(`${title}\n`), 1, /not canonical/);
  });

  test('is refused when the chain of its beacon has come to its end', async () => {
    const manifest = lottery({ north: { open: 1 } });
    const short = { ...manifest, beacon: { ...manifest.beacon, length: 1 } };
    const ledger = createLedger(short);
    const files = [await playRound(ledger, []), await playRound(ledger, [])];
    expect(await verifyChain(files.map(({ bytes }, i) => file(`${i}`, bytes)))).toMatchObject({
      file: '1',
      line: 3,
      reason: 'the chain ends at step 1',
    });
  });
});
