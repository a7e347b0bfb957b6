/** Transcripts for the page's verifier: as it takes them, and rounds that no engine would publish. */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { bls12_381 } from '@noble/curves/bls12-381.js';
import { hex, sha256, tag, u32, u64 } from '../../src/lib/hash.ts';
import { jcs } from '../../src/lib/jcs.ts';
import { createSecrets } from '../../src/lib/secrets.ts';
import { createHashChain } from '../../src/rounds/beacon/beacon.ts';
import { receiptKeyOf } from '../../src/rounds/receipts.ts';

export type Source = {
  readonly name: string;
  readonly size: number;
  readonly stream: () => ReadableStream<Uint8Array>;
};
export type Report = {
  readonly accepted: boolean;
  readonly file: string;
  readonly line: number;
  readonly reason: string;
  readonly digest: string;
  readonly notChecked: readonly string[];
};
export type ReceiptReport = {
  readonly verdict: 'accepted' | 'refused' | 'open';
  readonly findings: readonly { readonly ok: boolean | null; readonly text: string }[];
  readonly standing: Record<string, unknown> | null;
};
type DrawModule = {
  readonly verifyDraw: (
    files: readonly Source[],
    options?: { digest?: string; onProgress?: (progress: { entries: number }) => void },
  ) => Promise<{ report: Report; ledger: object | undefined }>;
};
type ReceiptModule = {
  readonly checkReceipt: (
    texts: { receipt: string; proof?: string; seal?: string },
    ledger: object | undefined,
  ) => ReceiptReport;
};

/** The page is JavaScript with types of its own, for a browser: what Node sees of it stands here. */
const load = (name: string): Promise<unknown> =>
  import(new URL(`../../verify/page/${name}`, import.meta.url).href);
export const { verifyDraw } = (await load('draw.js')) as DrawModule;
export const { checkReceipt } = (await load('receipt.js')) as ReceiptModule;

export function source(name: string, bytes: Uint8Array | string): Source {
  const blob = new Blob([bytes as Uint8Array<ArrayBuffer>]);
  return { name, size: blob.size, stream: () => blob.stream() };
}

/** The transcripts of the worked example in docs/draw.md. */
export const EXAMPLE: readonly string[] = Array.from(
  readFileSync(new URL('../../docs/draw.md', import.meta.url), 'utf8').matchAll(
    /```ndjson\n(.*?)```/gs,
  ),
  ([, text = '']) => text,
);

/** The transcripts of a sample that is handed out. */
export const sample = (name: string): Buffer[] =>
  [0, 1, 2].map((round) =>
    gunzipSync(
      readFileSync(
        new URL(`../../verify/samples/${name}/round-${round}.ndjson.gz`, import.meta.url),
      ),
    ),
  );

const SECRET = sha256(Buffer.from('the secret of a network of one'));
const { shortSignatures } = bls12_381;
const DOMAIN = 'BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_';
/** Terms of a network whose key is made up. */
export const NETWORK = {
  chain: hex(sha256(Buffer.from('a network of one'))),
  genesis_time: 1_600_000_000,
  kind: 'drand',
  period_s: 30,
  public_key: shortSignatures.getPublicKey(SECRET).toHex(),
  seal_margin_s: 10,
};
const CHAIN = createHashChain(SECRET, 3);

/**
 * Round 0 of a release that nobody entered: its beacon is a drand network of one unless `members`
 * of the manifest say so.
 */
export function emptyRound(members: Record<string, unknown> = {}): string {
  const manifest = {
    beacon: NETWORK as object,
    closes_at: '2021-04-10T14:40:00.000Z',
    confirm_within_s: 900,
    dereserve_after_round: null,
    limits: { group_size: 4, preferences: 5 },
    mode: 'lottery',
    receipt_key: receiptKeyOf(createSecrets('the secret of a release of nobody')),
    release: 'nobody',
    rules: 'fairslot/v1',
    slots: [{ pools: [{ pool: 'open', seats: 2 }], slot: 'north' }],
    ...members,
  };
  const isChain = 'length' in manifest.beacon;
  const round = 1 + Math.ceil((Date.UTC(2021, 3, 10, 14, 40) / 1000 + 10 - 1_600_000_000) / 30);
  const message = shortSignatures.hash(sha256(u64(round)), DOMAIN);
  const signature = shortSignatures.sign(message, SECRET).toHex();
  const plan = isChain ? { kind: 'hash-chain', step: 1 } : { kind: 'drand', round };
  const value = isChain ? { ...plan, preimage: hex(CHAIN.preimage(1)) } : { ...plan, signature };
  const beaconBytes = isChain
    ? [CHAIN.preimage(1)]
    : [Buffer.from(NETWORK.chain, 'hex'), u64(round), Buffer.from(signature, 'hex')];
  const trust = isChain
    ? 'the operator: the values of a hash chain were fixed before the release opened, ' +
      'but the operator knew them while entries came in'
    : 'whoever runs the drand chain that the manifest names: no file tells whether that is ' +
      'a network of many, or the operator alone, who then knew every value in advance';
  const since = { cancelled: [], closed: [], expired: [], lost: [], withdrawn: [] };
  const manifestHash = sha256(Buffer.from(jcs(manifest)));
  const root = sha256(Buffer.alloc(0));
  const seal = {
    beacon: plan,
    count: 0,
    manifest_hash: hex(manifestHash),
    previous: '0'.repeat(64),
    release: manifest.release,
    root: hex(root),
    round: 0,
    cut_at: manifest.closes_at,
    sealed_at: manifest.closes_at,
    since_hash: hex(sha256(Buffer.from(jcs(since)))),
  };
  const seed = hex(
    sha256(
      Buffer.concat([tag('seed'), manifestHash, u32(0), Buffer.alloc(32), root, ...beaconBytes]),
    ),
  );
  const seats = manifest.slots.flatMap(({ slot, pools }) =>
    pools.map(({ pool, seats }) => [slot, pool, seats, seats]),
  );
  const body = [
    { kind: 'manifest', manifest },
    { kind: 'since', since },
    { kind: 'seal', seal },
    { kind: 'beacon', beacon: value, seed, trust },
    { kind: 'seats', seats },
  ]
    .map((line) => `${jcs(line)}\n`)
    .join('');
  const transcript_sha256 = hex(sha256(Buffer.from(body)));
  const record = {
    beacon: value,
    release: manifest.release,
    round: 0,
    seal,
    seed,
    since,
    transcript_sha256,
    trust,
  };
  const digest = hex(sha256(Buffer.from(jcs(record))));
  return `${body}${jcs({ digest, kind: 'digest', transcript_sha256 })}\n`;
}

/** Terms of the hash chain that `emptyRound` knows the values of. */
export const CHAIN_TERMS = { anchor: CHAIN.anchor, kind: 'hash-chain', length: 3 };
