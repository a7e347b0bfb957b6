/**
 * What an operator, or whoever hands files on, could try: transcripts of a sample, each changed in
 * one way that every verifier must refuse. A careful forger recomputes the digest line, so that
 * only the rule that was broken can tell.
 */
import { gzipSync } from 'node:zlib';
import { ED25519_TORSION_SUBGROUP, ed25519 } from '@noble/curves/ed25519.js';
import { hex, sha256 } from '../../src/lib/hash.ts';
import { jcs } from '../../src/lib/jcs.ts';
import { leafHash } from '../../src/lib/merkle.ts';
import { kidOf, type ReceiptKey } from '../../src/rounds/receipt-key.ts';
import { CHAIN_TERMS, emptyRound, NETWORK } from './page-files.ts';
import type { ResultFile } from '../../src/rounds/results/results.ts';
import { type Sample, SEALED_LATE } from './samples.ts';

export type NamedFile = {
  readonly name: string;
  readonly bytes: Buffer;
  /** It is no transcript. */
  readonly isResult?: true;
};

export type Forgery = {
  readonly name: string;
  readonly files: readonly NamedFile[];
  /** By how many lines verifiers may differ in where they see it: docs/draw.md, To verify. */
  readonly within: number;
};

/** A result file that every verifier must refuse beside the transcripts of its release. */
export type ResultForgery = {
  readonly name: string;
  readonly file: NamedFile;
  /** What the two verifiers of verify/ must say of it. */
  readonly says: RegExp;
};

type Json = Record<string, unknown>;
type Entry = {
  cats: string[];
  entry: string;
  key: string;
  leaf: string;
  pool: string | null;
  prefs: string[];
  size: number;
  slot: string | null;
};
type Since = Record<'cancelled' | 'closed' | 'expired' | 'withdrawn', string[]> & {
  lost: [string, string, number][];
};

/** Two lines that contradict one another: a verifier may take either for the wrong one. */
const ONE_OF_TWO = new Set(['another root', 'entries in another order']);

const linesOf = (bytes: Buffer): string[] => bytes.toString().split('\n').slice(0, -1);
const textOf = (lines: readonly string[]): Buffer =>
  Buffer.from(lines.map((line) => `${line}\n`).join(''));
const isA = (kind: string) => (line: string) => line.includes(`"kind":"${kind}"`);

/** Changes the documents of one kind; `which`: the first unless said. */
const change =
  <T>(kind: string, mutate: (document: T) => void, which = 0) =>
  (lines: readonly string[]): string[] => {
    const at = lines.flatMap((line, number) => (isA(kind)(line) ? [number] : []))[which];
    if (at === undefined) throw new Error(`there is no line ${kind} number ${which}`);
    const document = JSON.parse(lines[at]!) as Json;
    const inner = document[kind]; // an entry's own `entry` is its id
    mutate((typeof inner === 'object' ? inner : document) as T);
    return lines.with(at, jcs(document));
  };

/** Takes lines away, or puts others in their place. */
const replace =
  (from: number, many: number, ...by: readonly string[]) =>
  (lines: readonly string[]): string[] =>
    lines.toSpliced(from, many, ...by);

/** Recomputes the digest line over whatever the lines say. */
function reclose(lines: readonly string[]): string[] {
  const open = lines.filter((line) => !isA('digest')(line));
  const document = (kind: string): Json => JSON.parse(open.find(isA(kind))!) as Json;
  const transcript_sha256 = hex(sha256(textOf(open)));
  const { beacon, seed, trust } = document('beacon');
  const seal = document('seal')['seal'] as Json;
  const { release, round } = seal;
  const { since } = document('since');
  const record = { beacon, release, round, seal, seed, since, transcript_sha256, trust };
  const digest = hex(sha256(Buffer.from(jcs(record))));
  return [...open, jcs({ digest, kind: 'digest', transcript_sha256 })];
}

/** The same, and the seal has the hash of what happened. */
function resealSince(lines: readonly string[]): string[] {
  const { since } = JSON.parse(lines.find(isA('since'))!) as Json;
  const since_hash = hex(sha256(Buffer.from(jcs(since))));
  return reclose(change<Json>('seal', (seal) => Object.assign(seal, { since_hash }))(lines));
}

/** The seal tells of other times; `happened`: and the round of other things before it. */
const timed =
  (times: { cut_at?: string; sealed_at?: string }, happened: Partial<Since> = {}) =>
  (lines: readonly string[]): string[] => {
    const sealed = change<Json>('seal', (seal) => Object.assign(seal, times))(lines);
    return resealSince(change<Since>('since', (since) => Object.assign(since, happened))(sealed));
  };

const releaf = (entry: Entry): void => {
  const { cats, entry: id, prefs, size } = entry;
  entry.leaf = hex(leafHash(Buffer.from(jcs({ cats, entry: id, prefs, size }))));
};
const entryWhere = (lines: readonly string[], test: (entry: Entry) => boolean): number =>
  lines.filter(isA('entry')).findIndex((line) => test(JSON.parse(line) as Entry));

/** Changes the first entry that passes. */
const changeEntry =
  (test: (entry: Entry) => boolean, mutate: (entry: Entry) => void) =>
  (lines: readonly string[]): string[] =>
    change('entry', mutate, entryWhere(lines, test))(lines);
const anyEntry = (): boolean => true;
const flipped = (hash: string): string => (hash.startsWith('0') ? '1' : '0') + hash.slice(1);

/** The manifest pins another key, whose id is right. */
const repin =
  (mutate: (x: Buffer) => Buffer | string) =>
  (lines: readonly string[]): string[] =>
    change<{ receipt_key: ReceiptKey }>('manifest', ({ receipt_key: key }) => {
      const other = mutate(Buffer.from(key.x, 'base64url'));
      key.x = typeof other === 'string' ? other : other.toString('base64url');
      key.kid = kidOf(key.x);
    })(lines);
const { Point } = ed25519;
/** Of order 8. */
const TORSION = Point.fromHex(ED25519_TORSION_SUBGROUP[1]!);
const BASE64URL = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
/** A letter that differs in its lowest bit, which no byte has. */
const spelledAnew = (letter: string): string => BASE64URL[BASE64URL.indexOf(letter) ^ 1]!;

type LineChange = (lines: readonly string[]) => readonly string[];

/** Changes of a round's lines, by number of the round. */
const LINE_CHANGES: Readonly<Record<string, readonly [round: number, change: LineChange]>> = {
  'the digest line is missing': [0, (lines) => lines.slice(0, -1)],
  'the digest line is there twice': [0, (lines) => [...lines, lines.at(-1)!]],
  'an empty line follows': [2, (lines) => [...lines, '']],
  'an empty line in the middle': [0, replace(4, 0, '')],
  'a line is no JSON': [0, replace(5, 1, 'hello')],
  'a line is null': [1, replace(2, 1, 'null')],
  'a line is a list': [1, replace(2, 1, '[]')],
  'a line is nested a hundred thousand deep': [0, replace(0, 1, '['.repeat(100_000))],
  'white space within a line': [0, (lines) => lines.with(6, lines[6]!.replace(':', ': '))],
  'carriage returns': [0, (lines) => lines.map((line) => `${line}\r`)],
  'a byte order mark': [0, (lines) => lines.with(0, `\uFEFF${lines[0]}`)],
  'a member twice': [0, (lines) => lines.with(6, lines[6]!.replace('{', '{"cats":[],'))],
  'a member too many': [0, change<Json>('entry', (entry) => (entry['name'] = 'Asha Kale'))],
  'a member too few': [0, change<Json>('entry', (entry) => delete entry['leaf'])],
  'a size of 1.0': [0, (lines) => lines.map((line) => line.replace('"size":1,', '"size":1.0,'))],
  'a size in a string': [0, change<Json>('entry', (entry) => (entry['size'] = '1'))],
  'a letter as an escape': [
    0,
    (lines) => lines.with(0, lines[0]!.replace('Kothrud', '\\u004bothrud')),
  ],
  'half a surrogate pair': [
    0,
    (lines) => lines.with(0, lines[0]!.replace('Kothrud', '\\ud800othrud')),
  ],
  'members in another order': [
    0,
    (lines) => lines.with(6, lines[6]!.replace('{"cats":[],', '{').replace(/}$/, ',"cats":[]}')),
  ],
  'lines in another order': [0, (lines) => [lines[0]!, lines[2]!, lines[1]!, ...lines.slice(3)]],
  'a manifest in a later file': [1, (lines) => ['{"kind":"manifest","manifest":{}}', ...lines]],

  'another version of the rules': [
    0,
    change<Json>('manifest', (m) => (m['rules'] = 'fairslot/v2')),
  ],
  'another title': [0, change<Json>('manifest', (m) => (m['title'] = 'Vaccination in Mumbai'))],
  'a seat more': [
    0,
    change<{ slots: { pools: { seats: number }[] }[] }>('manifest', ({ slots }) => {
      slots[0]!.pools[0]!.seats += 1;
    }),
  ],
  'pools in another order': [
    0,
    change<{ slots: { pools: unknown[] }[] }>('manifest', ({ slots }) => {
      slots[0]!.pools.push(slots[0]!.pools.shift());
    }),
  ],
  'the id of a receipt key that it is not the thumbprint of': [
    0,
    change<{ receipt_key: ReceiptKey }>('manifest', ({ receipt_key: key }) => {
      key.kid = kidOf(key.kid);
    }),
  ],
  'a receipt key under which anybody can sign': [0, repin(() => Buffer.from(Point.ZERO.toBytes()))],
  'a receipt key that is not of prime order': [
    0,
    repin((x) => Buffer.from(Point.fromBytes(x).add(TORSION).toBytes())),
  ],
  'a receipt key that is no point': [0, repin(() => Buffer.of(2, ...Buffer.alloc(31)))],
  'a receipt key beyond the field': [
    0,
    repin(() => Buffer.from('ee'.padEnd(62, 'f') + '7f', 'hex')),
  ],
  'a second spelling of a receipt key': [
    0,
    repin((x) => x.toString('base64url').replace(/.$/, (last) => spelledAnew(last))),
  ],
  'a receipt key with padding': [0, repin((x) => `${x.toString('base64url')}=`)],
  'the same slot twice': [
    0,
    change<{ slots: unknown[] }>('manifest', ({ slots }) => slots.push(slots[0])),
  ],
  'reserves kept for longer': [
    0,
    change<Json>('manifest', (m) => (m['dereserve_after_round'] = 7)),
  ],

  'a seat given back that nobody held': [
    1,
    (lines) =>
      resealSince(
        change<Since>('since', ({ cancelled, withdrawn }) =>
          cancelled.push(...withdrawn.splice(0)),
        )(lines),
      ),
  ],
  'an offer that lapsed is not told of': [
    1,
    (lines) => resealSince(change<Since>('since', ({ expired }) => expired.pop())(lines)),
  ],
  'a withdrawal is not told of': [
    1,
    (lines) => resealSince(change<Since>('since', ({ withdrawn }) => withdrawn.pop())(lines)),
  ],
  'somebody who waits is taken off the list': [
    1,
    (lines) => {
      const { entry } = JSON.parse(lines.find(isA('offer'))!) as Entry;
      return resealSince(
        change<Since>('since', (since) => {
          since.withdrawn = [...since.withdrawn, entry].toSorted((a, b) =>
            Buffer.compare(Buffer.from(a, 'base64url'), Buffer.from(b, 'base64url')),
          );
        })(lines),
      );
    },
  ],
  'events in another order': [
    1,
    (lines) =>
      resealSince(change<Since>('since', ({ expired }) => expired.unshift(expired.pop()!))(lines)),
  ],
  'an event told twice': [
    1,
    (lines) =>
      resealSince(change<Since>('since', ({ expired }) => expired.push(expired.at(-1)!))(lines)),
  ],
  'a slot closed that is none': [
    2,
    (lines) =>
      resealSince(change<Since>('since', ({ closed }) => closed.push('pashan-0900'))(lines)),
  ],
  'a slot closed twice': [
    2,
    (lines) => resealSince(change<Since>('since', ({ closed }) => closed.push(closed[0]!))(lines)),
  ],
  'a closing is not told of': [
    2,
    (lines) => resealSince(change<Since>('since', ({ closed }) => closed.pop())(lines)),
  ],
  'more seats lost than there are': [
    1,
    (lines) => resealSince(change<Since>('since', ({ lost }) => (lost[0]![2] = 5))(lines)),
  ],
  'seats lost twice in one pool': [
    1,
    (lines) =>
      resealSince(
        change<Since>('since', ({ lost }) => lost.unshift(['kothrud-1100', 'open', 1]))(lines),
      ),
  ],
  'no seats lost': [
    1,
    (lines) => resealSince(change<Since>('since', ({ lost }) => (lost[0]![2] = 0))(lines)),
  ],
  'a seat lost that was not': [
    1,
    (lines) => resealSince(change<Since>('since', ({ lost }) => (lost[1]![2] += 1))(lines)),
  ],

  'another root': [0, change<{ root: string }>('seal', (s) => (s.root = flipped(s.root)))],
  'one entry more in the seal': [0, change<{ count: number }>('seal', (s) => (s.count += 1))],
  'one entry less in the seal': [0, change<{ count: number }>('seal', (s) => (s.count -= 1))],
  'eight million entries in the seal': [
    0,
    change<{ count: number }>('seal', (s) => (s.count = 8_000_000)),
  ],
  'another history': [
    1,
    change<{ previous: string }>('seal', (s) => (s.previous = flipped(s.previous))),
  ],
  'another hash of what happened': [
    1,
    change<{ since_hash: string }>('seal', (s) => (s.since_hash = flipped(s.since_hash))),
  ],
  'another number of the round': [1, change<{ round: number }>('seal', (s) => (s.round = 2))],
  'another release': [1, change<Json>('seal', (s) => (s['release'] = 'sample-other'))],
  'a list fixed before closing time': [0, timed({ cut_at: '2023-08-23T15:59:19.999Z' })],
  'sealed before the list was fixed': [0, timed({ cut_at: '2023-08-23T15:59:23.001Z' })],
  'a list fixed when the round before was sealed': [
    1,
    timed({ cut_at: '2023-08-23T15:59:23.000Z' }, { expired: [] }),
  ],
  'sealed before the round before': [
    1,
    timed({ cut_at: '2023-08-23T15:59:22.500Z', sealed_at: '2023-08-23T15:59:22.900Z' }),
  ],
  'an offer that expires a millisecond early': [1, timed({ cut_at: '2023-08-23T15:59:24.999Z' })],
  'an offer to somebody who had waited that expires a millisecond early': [
    2,
    timed({ cut_at: '2023-08-23T15:59:27.999Z' }),
  ],
  'no time to confirm': [0, change<Json>('manifest', (m) => (m['confirm_within_s'] = 0))],
  'sealed at no time': [0, change<Json>('seal', (s) => (s['sealed_at'] = 'at eight'))],
  'a list fixed at no time': [0, timed({ cut_at: '2023-02-29T15:59:20.000Z' })],
  'a list fixed before there were computers': [0, timed({ cut_at: '1969-12-31T23:59:59.999Z' })],
  'no time at which the list was fixed': [0, change<Json>('seal', (s) => delete s['cut_at'])],

  'another seed': [
    0,
    (lines) =>
      reclose(
        lines.map((line) => {
          if (!isA('beacon')(line)) return line;
          const document = JSON.parse(line) as { seed: string };
          return jcs({ ...document, seed: flipped(document.seed) });
        }),
      ),
  ],
  'more trust claimed than there is': [
    0,
    (lines) =>
      reclose(
        lines.map((line) =>
          isA('beacon')(line) ? line.replace(/"trust":"[^"]*"/, '"trust":"nobody"') : line,
        ),
      ),
  ],

  'an offer is missing': [1, (lines) => reclose(lines.toSpliced(lines.findIndex(isA('offer')), 1))],
  'an offer of another seat': [
    1,
    (lines) =>
      reclose(
        change<Entry>(
          'offer',
          (offer) =>
            (offer.slot = offer.slot === 'yerawada-0900' ? 'kothrud-0900' : 'yerawada-0900'),
        )(lines),
      ),
  ],
  'an offer to somebody else': [
    1,
    (lines) => {
      const { entry } = JSON.parse(lines.find(isA('entry'))!) as Entry;
      return reclose(change<Entry>('offer', (offer) => (offer.entry = entry))(lines));
    },
  ],
  'offers in another order': [
    1,
    (lines) => {
      const at = lines.findIndex(isA('offer'));
      return reclose(lines.toSpliced(at, 2, lines[at + 1]!, lines[at]!));
    },
  ],
  'an offer twice': [
    1,
    (lines) => {
      const at = lines.findIndex(isA('offer'));
      return reclose(lines.toSpliced(at, 0, lines[at]!));
    },
  ],

  'an entry is missing': [0, (lines) => reclose(lines.toSpliced(lines.findIndex(isA('entry')), 1))],
  'an entry twice': [
    0,
    (lines) => {
      const at = lines.findIndex(isA('entry'));
      return reclose(lines.toSpliced(at, 0, lines[at]!));
    },
  ],
  'an entry of another round': [
    1,
    (lines) =>
      reclose(lines.toSpliced(lines.findIndex(isA('seats')), 0, lines.findLast(isA('entry'))!)),
  ],
  'entries in another order': [
    0,
    (lines) => {
      const at = lines.findIndex(isA('entry'));
      return reclose(lines.toSpliced(at, 2, lines[at + 1]!, lines[at]!));
    },
  ],
  'another rank key': [
    0,
    (lines) => reclose(changeEntry(anyEntry, (entry) => (entry.key = flipped(entry.key)))(lines)),
  ],
  'other preferences': [
    0,
    (lines) =>
      reclose(
        changeEntry(
          ({ prefs }) => prefs.length > 1,
          (entry) => entry.prefs.push(entry.prefs.shift()!),
        )(lines),
      ),
  ],
  'other preferences, and their leaf': [
    0,
    (lines) =>
      reclose(
        changeEntry(
          ({ prefs, slot }) => prefs.length > 1 && slot === null,
          (entry) => {
            entry.prefs.push(entry.prefs.shift()!);
            releaf(entry);
          },
        )(lines),
      ),
  ],
  'a category that nobody attested, and its leaf': [
    0,
    (lines) =>
      reclose(
        changeEntry(
          ({ cats, slot }) => cats.length === 0 && slot === null,
          (entry) => {
            entry.cats = ['elder'];
            releaf(entry);
          },
        )(lines),
      ),
  ],
  'a category that is none': [
    0,
    (lines) =>
      reclose(
        changeEntry(anyEntry, (entry) => {
          entry.cats = ['friends'];
          releaf(entry);
        })(lines),
      ),
  ],
  'a preference for a slot that is none': [
    0,
    (lines) =>
      reclose(
        changeEntry(anyEntry, (entry) => {
          entry.prefs = ['pashan-0900'];
          releaf(entry);
        })(lines),
      ),
  ],
  'the same preference twice': [
    0,
    (lines) =>
      reclose(
        changeEntry(anyEntry, (entry) => {
          entry.prefs = ['kothrud-0900', 'kothrud-0900'];
          releaf(entry);
        })(lines),
      ),
  ],
  'more preferences than allowed': [
    0,
    (lines) =>
      reclose(
        changeEntry(anyEntry, (entry) => {
          entry.prefs = [
            'kothrud-0900',
            'kothrud-1100',
            'yerawada-0900',
            'yerawada-1100',
            'a',
            'b',
          ];
          releaf(entry);
        })(lines),
      ),
  ],
  'no preference': [
    0,
    (lines) =>
      reclose(
        changeEntry(anyEntry, (entry) => {
          entry.prefs = [];
          releaf(entry);
        })(lines),
      ),
  ],
  'a group of five': [
    0,
    (lines) =>
      reclose(
        changeEntry(anyEntry, (entry) => {
          entry.size = 5;
          releaf(entry);
        })(lines),
      ),
  ],
  'a group of nobody': [
    0,
    (lines) =>
      reclose(
        changeEntry(anyEntry, (entry) => {
          entry.size = 0;
          releaf(entry);
        })(lines),
      ),
  ],
  'a second spelling of an entry id': [
    0,
    (lines) =>
      reclose(
        changeEntry(anyEntry, (entry) => {
          const next: Record<string, string> = { A: 'B', Q: 'R', g: 'h', w: 'x' };
          entry.entry = entry.entry.slice(0, -1) + next[entry.entry.at(-1)!]!;
          releaf(entry);
        })(lines),
      ),
  ],
  'a seat for somebody who waits': [
    0,
    (lines) =>
      reclose(
        changeEntry(
          ({ slot }) => slot === null,
          (entry) => {
            entry.slot = entry.prefs[0]!;
            entry.pool = 'open';
          },
        )(lines),
      ),
  ],
  'no seat for somebody who has one': [
    0,
    (lines) =>
      reclose(
        changeEntry(
          ({ slot }) => slot !== null,
          (entry) => {
            entry.slot = entry.pool = null;
          },
        )(lines),
      ),
  ],
  'a seat of another pool': [
    0,
    (lines) =>
      reclose(
        changeEntry(
          ({ pool }) => pool === 'open',
          (entry) => {
            entry.slot = 'kothrud-0900';
            entry.pool = 'elder';
          },
        )(lines),
      ),
  ],
  'a slot without a pool': [
    0,
    (lines) =>
      reclose(
        changeEntry(
          ({ slot }) => slot !== null,
          (entry) => (entry.pool = null),
        )(lines),
      ),
  ],

  'a seat left over that was not': [
    0,
    (lines) =>
      reclose(change<(string | number)[][]>('seats', (seats) => (seats[2]![3] = 1))(lines)),
  ],
  'other seats before': [
    1,
    (lines) =>
      reclose(
        change<[string, string, number, number][]>('seats', (seats) => (seats[0]![2] += 1))(lines),
      ),
  ],
  'a pool left out of the seats': [
    0,
    (lines) => reclose(change<unknown[]>('seats', (seats) => seats.pop())(lines)),
  ],
  'a pool in the seats where nothing changed': [
    1,
    (lines) =>
      reclose(
        change<unknown[]>('seats', (seats) => seats.push(['yerawada-1100', 'x', 0, 0]))(lines),
      ),
  ],
  'another hash of the transcript': [
    0,
    (lines) =>
      lines.map((line) => line.replace(/"transcript_sha256":"./, '"transcript_sha256":"g')),
  ],
  'another digest': [0, (lines) => lines.map((line) => line.replace(/"digest":"./, '"digest":"g'))],
};

const DRAND_CHANGES: typeof LINE_CHANGES = {
  'another key for quicknet': [
    0,
    change<{ beacon: { public_key: string } }>('manifest', ({ beacon }) => {
      beacon.public_key = flipped(beacon.public_key);
    }),
  ],
  'a drand round that was known before the seal': [
    0,
    (lines) =>
      reclose(
        change<{ beacon: { round: number } }>('seal', ({ beacon }) => (beacon.round = 999))(lines),
      ),
  ],
  'a later drand round': [
    0,
    (lines) =>
      reclose(
        change<{ beacon: { round: number } }>('seal', ({ beacon }) => (beacon.round = 1001))(lines),
      ),
  ],
  'a seal that says it was earlier': [
    1,
    (lines) =>
      reclose(change<Json>('seal', (s) => (s['sealed_at'] = '2023-08-23T15:59:23.001Z'))(lines)),
  ],
  'the value of another drand round': [
    0,
    (lines) =>
      reclose(
        lines.map((line) =>
          isA('beacon')(line) ? line.replace('"round":1000', '"round":1001') : line,
        ),
      ),
  ],
  'another signature': [
    0,
    (lines) =>
      reclose(
        lines.map((line) =>
          isA('beacon')(line) ? line.replace('"signature":"b4', '"signature":"b5') : line,
        ),
      ),
  ],
  'a signature that is too short': [
    0,
    (lines) =>
      reclose(
        lines.map((line) =>
          isA('beacon')(line) ? line.replace('"signature":"b4', '"signature":"') : line,
        ),
      ),
  ],
  'a value of a hash chain': [
    0,
    change<Json>('beacon', (beacon) => {
      for (const name of Object.keys(beacon)) delete beacon[name];
      Object.assign(beacon, { kind: 'hash-chain', preimage: '0'.repeat(64), step: 1 });
    }),
  ],
};

const CHAIN_CHANGES: typeof LINE_CHANGES = {
  'another preimage': [
    0,
    (lines) =>
      reclose(
        change<{ preimage: string }>('beacon', (b) => (b.preimage = flipped(b.preimage)))(lines),
      ),
  ],
  'a later step of the chain': [
    0,
    (lines) =>
      reclose(
        change<{ beacon: { step: number } }>('seal', ({ beacon }) => (beacon.step = 2))(lines),
      ),
  ],
  'another anchor': [
    0,
    change<{ beacon: { anchor: string } }>(
      'manifest',
      ({ beacon }) => (beacon.anchor = flipped(beacon.anchor)),
    ),
  ],
};

/** Changes of a file's bytes; `packed` is its gzip. */
const BYTE_CHANGES: Readonly<Record<string, (plain: Buffer, packed: Buffer) => Buffer>> = {
  'an empty file': () => Buffer.alloc(0),
  'one byte': () => Buffer.from('{'),
  'no text': () => Buffer.of(0xff, 0xfe, 0x0a),
  'no UTF-8 in a line': (plain) => {
    const bytes = Buffer.from(plain);
    bytes[bytes.indexOf('Kothrud')] = 0xff;
    return bytes;
  },
  'the last line feed is missing': (plain) => plain.subarray(0, -1),
  'the file ends in the middle of a line': (plain) => plain.subarray(0, plain.length - 500),
  'the gzip ends too early': (_plain, packed) => packed.subarray(0, packed.length >> 1),
  'the gzip lacks its last byte': (_plain, packed) => packed.subarray(0, -1),
  'a checksum of the gzip is wrong': (_plain, packed) => {
    const bytes = Buffer.from(packed);
    bytes[bytes.length - 8]! ^= 1;
    return bytes;
  },
  'something follows the gzip': (_plain, packed) => Buffer.concat([packed, Buffer.from('more')]),
  'a second gzip follows': (_plain, packed) => Buffer.concat([packed, gzipSync('')]),
  'the gzip has two members': (plain) =>
    Buffer.concat([gzipSync(plain.subarray(0, 3_000)), gzipSync(plain.subarray(3_000))]),
  'gzip within gzip': (_plain, packed) => gzipSync(packed),
  'a bomb of lists': () =>
    gzipSync(`{"kind":"manifest","manifest":[${'{},'.repeat(5_000_000)}{}]}\n`),
  'a bomb of nested lists': () => gzipSync(`${'['.repeat(15_000_000)}\n`),
  'a bomb of one long line': () => gzipSync(Buffer.alloc(48 << 20)),
  'a bomb of many lines': () => gzipSync(Buffer.alloc(16 << 20, '\n')),
};

/** A whole round 0 that only breaks the bounds of a manifest, or says more of its beacon than it may. */
function unfitRounds(): Forgery[] {
  const slot = (more: object) => ({ slots: [{ pools: [{ pool: 'open', seats: 2 }], ...more }] });
  const pool = (more: object) =>
    slot({ slot: 'north', pools: [{ pool: 'open', seats: 2, ...more }] });
  const nine = Array.from({ length: 9 }, (_, at) => ({ pool: `p${at}`, seats: 1 }));
  const network = (more: object) => ({ beacon: { ...NETWORK, ...more } });
  const manifests: Readonly<Record<string, Record<string, unknown>>> = {
    'with half a number for people': { note: [{ half: 0.5 }] },
    'with a number for people that is not exact': { note: 2 ** 53 },
    'that books at once': { mode: 'immediate' },
    'of no mode': { mode: undefined },
    'without a name': { release: '' },
    'with a short name': { release: 'ab' },
    'with a long name': { release: 'a'.repeat(41) },
    'with a dot in its name': { release: 'pune.2021' },
    'without slots': { slots: [] },
    'of a slot without an id': slot({ slot: '' }),
    'of a slot with capitals and spaces': slot({ slot: 'Yerawada 11:00' }),
    'of a slot with a long id': slot({ slot: 'a'.repeat(65) }),
    'of a slot without pools': slot({ slot: 'north', pools: [] }),
    'of a slot with nine pools': slot({ slot: 'north', pools: nine }),
    'of a pool that is not ASCII': pool({ pool: 'ältere' }),
    'of a pool with a long name': pool({ pool: 'a'.repeat(25) }),
    'of a pool with too many seats': pool({ seats: 1_000_001 }),
    'of a pool with half a seat': pool({ seats: 0.5 }),
    'for groups of eight': { limits: { group_size: 8, preferences: 5 } },
    'for eleven preferences': { limits: { group_size: 4, preferences: 11 } },
    'for no preferences': { limits: { group_size: 4, preferences: 0 } },
    'with reserves for longer than there are rounds': { dereserve_after_round: 20_001 },
    'that closes before there were calendars': { closes_at: '0000-01-01T00:00:00.000Z' },
    'that closes before there were computers': { closes_at: '1969-12-31T23:59:59.999Z' },
    'that closes on no day': { closes_at: '2021-02-29T14:40:00.000Z' },
    'with more than a week to confirm': { confirm_within_s: 604_801 },
    'with a longer chain than rounds': { beacon: { ...CHAIN_TERMS, length: 20_001 } },
    'with a chain of no steps': { beacon: { ...CHAIN_TERMS, length: 0 } },
    'with a network of the far future': network({ genesis_time: 100_000_000_001 }),
    'with a network that is slow': network({ period_s: 3_601 }),
    'without a margin': network({ seal_margin_s: 0 }),
    'with a margin of more than an hour': network({ seal_margin_s: 3_601 }),
  };
  const lines = linesOf(Buffer.from(emptyRound()));
  const known =
    'the drand network: nobody can know or choose a value before its time ' +
    'unless most members of the network work together';
  const trusting = lines.map((line) => line.replace(/"trust":"[^"]*"/, `"trust":"${known}"`));
  return [
    ...Object.entries(manifests).map(([what, members]) => ({
      name: `a manifest ${what}`,
      files: [named(0, Buffer.from(emptyRound(members)))],
      within: 0,
    })),
    {
      name: 'a network of its own called the drand network',
      files: [named(0, textOf(reclose(trusting)))],
      within: 0,
    },
  ];
}

const named = (round: number, bytes: Buffer): NamedFile => ({
  name: `round-${round}.ndjson`,
  bytes,
});

/** Every forgery of a sample: at least one file differs from what was published. */
export function forgeriesOf({ name, files }: Sample): Forgery[] {
  const plain = files.map((bytes, round) => named(round, bytes));
  const [first, second, third] = plain as [NamedFile, NamedFile, NamedFile];
  const lineChanges = { ...LINE_CHANGES, ...(name === 'drand' ? DRAND_CHANGES : CHAIN_CHANGES) };
  return [
    ...Object.entries(lineChanges).map(([what, [round, changeLines]]) => ({
      name: what,
      files: plain.with(round, named(round, textOf(changeLines(linesOf(files[round]!))))),
      within: ONE_OF_TWO.has(what) ? 1 : 0,
    })),
    ...Object.entries(BYTE_CHANGES).map(([what, changeBytes]) => ({
      name: what,
      files: [named(0, changeBytes(first.bytes, gzipSync(first.bytes)))],
      within: what.includes('gzip') ? Infinity : 0,
    })),
    ...Object.entries({
      'round 0 is missing': [second, third],
      'round 1 is missing': [first, third],
      'round 1 is there twice': [first, second, { ...second, name: 'again.ndjson' }],
      'round 0 is there twice': [first, { ...first, name: 'again.ndjson' }],
      'something else in the place of round 0': [third, second, named(0, Buffer.from('hello\n'))],
      'something else in the place of round 1': [third, named(1, Buffer.from('hello\n')), first],
      'something else beside all rounds': [named(9, Buffer.from('hello\n')), first, second, third],
    }).map(([what, chain]) => ({ name: what, files: chain, within: 0 })),
    ...(name === 'drand' ? sealedLate() : []),
    ...unfitRounds(),
  ];
}

/** Whole releases of which nothing but the times of their seals tells. */
const sealedLate = (): Forgery[] =>
  Object.entries(SEALED_LATE).map(([what, { files }]) => ({
    name: what,
    files: files.map((bytes, round) => named(round, bytes)),
    within: 0,
  }));

const idBytes = (entry: string): Buffer => Buffer.from(entry, 'base64url');
const bitsOf = (entry: string): string =>
  Array.from(idBytes(entry), (byte) => byte.toString(2).padStart(8, '0')).join('');
const byId = (one: string, other: string): number => Buffer.compare(idBytes(one), idBytes(other));

/** The result files of a round, read off its transcript: docs/draw.md, Result files. */
export function resultFilesOf(transcript: Buffer, prefixLength: number): ResultFile[] {
  const lines = linesOf(transcript).map((line) => JSON.parse(line) as Json);
  const { release, round } = lines.find(({ kind }) => kind === 'seal')!['seal'] as ResultFile;
  const digest = lines.at(-1)!['digest'] as string;
  const named = (lines as Entry[])
    .filter((line) => isA('entry')(jcs(line)) || isA('offer')(jcs(line)))
    .toSorted((one, other) => byId(one.entry, other.entry));
  return Array.from({ length: 2 ** prefixLength }, (_, file) => {
    const prefix = file.toString(2).padStart(prefixLength, '0');
    const mine = named.filter(({ entry }) => bitsOf(entry).startsWith(prefix));
    const offered = mine.flatMap(({ entry, pool, slot }) =>
      slot === null || pool === null ? [] : [{ entry, pool, slot }],
    );
    const waiting = mine.filter(({ slot }) => slot === null).map(({ entry }) => entry);
    return { digest, offered, prefix, release, round, waiting };
  });
}

export const resultNamed = (name: string, content: object | string): NamedFile => ({
  name,
  bytes: Buffer.from(typeof content === 'string' ? content : jcs(content)),
  isResult: true,
});

/** Of the half of round 1 whose entries begin with 0: some got seats, some wait. */
export function resultForgeriesOf({ files }: Sample): ResultForgery[] {
  const [, right, last] = files.map((bytes) => resultFilesOf(bytes, 1)) as [
    ResultFile[],
    [ResultFile, ResultFile],
    ResultFile[],
  ];
  const [file, otherHalf] = right;
  const { offered, waiting, ...head } = file;
  const [seated, waits] = [offered[0]!, waiting[0]!];
  const text = jcs(file);
  const withIds = (...ids: readonly string[]) => ({
    ...file,
    waiting: [...waiting, ...ids].toSorted(byId),
  });
  const halfOf = (prefix: string, bits: string) => ({
    ...head,
    prefix,
    offered: offered.filter(({ entry }) => bitsOf(entry).startsWith(bits)),
    waiting: waiting.filter((entry) => bitsOf(entry).startsWith(bits)),
  });
  const stillWaits = resultFilesOf(files[0]!, 1)[0]!.waiting.find(
    (entry) => !files[1]!.includes(entry),
  )!;
  const names = (...words: readonly string[]) => new RegExp(words.join('.*'), 's');
  const withSeat = [...offered, { ...seated, entry: waits }].toSorted((one, other) =>
    byId(one.entry, other.entry),
  );
  const forged: Readonly<Record<string, readonly [RegExp, object | string]>> = {
    'of another release': [
      /of (?:the )?release "?sample-other/,
      { ...file, release: 'sample-other' },
    ],
    'of a round that is not given': [/of round 7/, { ...file, round: 7 }],
    'of no round': [/round/, { ...file, round: '1' }],
    'of the round before': [/digest is not that of round 0/, { ...file, round: 0 }],
    'under another digest': [
      /digest is not that of round 1/,
      { ...file, digest: flipped(file.digest) },
    ],
    'of what another round gave, under the name of this': [
      names(`(?:${last[0]!.waiting.join('|')}|${last[0]!.offered.map((o) => o.entry).join('|')})`),
      { ...last[0]!, digest: file.digest, round: 1 },
    ],
    'of the other half': [
      names(otherHalf.offered[0]!.entry, 'not begin with 0'),
      { ...otherHalf, prefix: '0' },
    ],
    'of a half, called a quarter': [/not begin with 00/, { ...file, prefix: '00' }],
    'of a quarter, called a half': [/missing|leaves out/, halfOf('0', '00')],
    'of a quarter under the name of the next': [/not begin with 01/, halfOf('01', '00')],
    'of nobody': [/missing|leaves out/, { ...head, offered: [], waiting: [] }],
    'under no prefix': [/prefix/, { ...file, prefix: '' }],
    'under a prefix of other digits': [/prefix/, { ...file, prefix: '02' }],
    'under a prefix with a line feed': [/prefix/, { ...file, prefix: '0\n' }],
    'under a prefix of more bits than are cut by': [/prefix/, { ...file, prefix: '0'.repeat(25) }],
    'that ends too early': [/not JSON/, text.slice(0, -100)],
    'that lacks its last character': [/not JSON/, text.slice(0, -1)],
    'with something behind it': [/not JSON/, `${text}${text}`],
    'without who is the last to wait': [
      names(waiting.at(-1)!, 'waits'),
      { ...file, waiting: waiting.slice(0, -1) },
    ],
    'without somebody who got a seat': [
      names(seated.entry, 'gets seats of', seated.slot, seated.pool),
      { ...file, offered: offered.slice(1) },
    ],
    'with somebody who never entered': [names('A{22}'), withIds('A'.repeat(22))],
    'with somebody of an earlier round who waits on': [names(stillWaits), withIds(stillWaits)],
    'with a seat in another slot': [
      names(seated.entry, seated.slot),
      {
        ...file,
        offered: offered.with(0, {
          ...seated,
          slot: seated.slot === 'yerawada-0900' ? 'kothrud-1100' : 'yerawada-0900',
          pool: 'open',
        }),
      },
    ],
    'with a seat of a pool that the slot does not have': [
      /friends/,
      { ...file, offered: offered.with(0, { ...seated, pool: 'friends' }) },
    ],
    'with a seat of no pool': [/null/, { ...file, offered: [{ ...seated, pool: null }] }],
    'with a seat for somebody who waits': [
      names(waits, 'waits'),
      { ...file, offered: withSeat, waiting: waiting.slice(1) },
    ],
    'with somebody waiting who got a seat': [
      names(seated.entry, 'waits'),
      { ...withIds(seated.entry), offered: offered.slice(1) },
    ],
    'with somebody who got a seat in both lists': [names(seated.entry), withIds(seated.entry)],
    'with somebody who waits in both lists': [names(waits, 'both'), { ...file, offered: withSeat }],
    'with somebody twice': [/ascend/, withIds(waits)],
    'in another order': [/ascend/, { ...file, waiting: waiting.toReversed() }],
    'with a second spelling of an entry id': [
      /id/,
      { ...file, waiting: waiting.with(0, waits.slice(0, -1) + spelledAnew(waits.at(-1)!)) },
    ],
    'with a number for an entry': [/id/, { ...file, waiting: [7, ...waiting] }],
    'with a member too many': [/member|not a result file/, { ...file, name: 'Asha Kale' }],
    'with a member too few': [/member|not a result file/, { ...head, offered }],
    'with a member too many of an offer': [
      /member|an offer is not/,
      { ...file, offered: offered.with(0, { ...seated, size: 1 } as typeof seated) },
    ],
    'with a list that is none': [/list/, { ...file, waiting: waits }],
    'with a member twice': [/not canonical/, text.replace('{', `{"digest":"${file.digest}",`)],
    'with its members in another order': [
      /not canonical/,
      text.replace(/^{("digest":"\w+"),(.*)}$/, '{$2,$1}'),
    ],
    'with a round of 1.0': [/not canonical|whole/, text.replace('"round":1', '"round":1.0')],
    'that is a page of an error': [/not JSON/, '<!doctype html><title>404</title>\n'],
  };
  return Object.entries(forged).map(([name, [says, content]]) => ({
    name,
    file: resultNamed('result', content),
    says,
  }));
}
