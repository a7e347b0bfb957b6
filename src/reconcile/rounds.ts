/** Whether what is kept of the published rounds hangs together. It never changes any more. */
import { hex, sha256 } from '../lib/hash.ts';
import { parseJson } from '../lib/json.ts';
import { jcs } from '../lib/jcs.ts';
import type { Ledger } from '../rounds/draw/ledger.ts';
import { readLines } from '../rounds/draw/lines.ts';
import type { RoundStore } from '../rounds/store.ts';
import { verifyChain } from '../rounds/verify/verify.ts';
import type { Found } from './findings.ts';
import type { Context } from './rules.ts';
import type { Pace, ReconcileStore } from './store.ts';

export type RoundParts = {
  readonly store: Pick<ReconcileStore, 'round' | 'chunks'>;
  readonly rounds: Pick<RoundStore, 'transcript'>;
  /** Called between two rounds. */
  readonly pace: Pace;
};

/** What happened can be long. */
const LONGEST = { longest: 2 ** 29 };
/** The manifest comes first in round 0, then `since`, then the seal. */
const SEALED_BY_LINE = 3;

type Head = { readonly since: unknown; readonly seal: unknown };

/** What a transcript says of what happened and of its seal, from its first lines alone. */
async function headOf(transcript: AsyncIterable<Uint8Array>): Promise<Head | undefined> {
  let since: unknown;
  for await (const line of readLines(transcript, LONGEST)) {
    if ('reason' in line) return undefined;
    const read = parseJson(line.text) as { kind?: string; since?: unknown; seal?: unknown };
    if (read?.kind === 'since') ({ since } = read);
    if (read?.kind === 'seal') return { since, seal: read.seal };
    if (line.number >= SEALED_BY_LINE) return undefined;
  }
  return undefined;
}

const digestOf = (document: unknown): string => hex(sha256(Buffer.from(jcs(document))));

/** All published rounds: their records, digests and chain, and that transcripts are there. */
export async function checkRounds(parts: RoundParts, context: Context): Promise<Found[]> {
  const all: Found[] = [];
  let previous = '0'.repeat(64);
  for (let round = 0; round <= context.reading.instant.published; round++) {
    const { found, digest } = await checkRound(parts, context, round, previous);
    all.push(...found);
    previous = digest;
    await parts.pace();
  }
  return all;
}

async function checkRound(
  { store, rounds }: RoundParts,
  { reading, manifestHash }: Context,
  round: number,
  previous: string,
): Promise<{ found: Found[]; digest: string }> {
  const { release } = reading.manifest;
  const where = `round ${round}`;
  const kept = await store.round(release, round);
  const digest = kept.digest ?? '';
  const missing = Object.entries(kept).flatMap(([name, value]) => (value === null ? [name] : []));
  const chunks = new Set(await store.chunks(release, round));
  const hasAll =
    chunks.size > 0 &&
    Array.from(chunks.keys(), (_name, at) => String(at)).every((name) => chunks.has(name));
  if (!hasAll) missing.push('transcript');
  const found: Found[] = [];
  if (missing.length > 0) {
    const expected = 'all of a published round';
    found.push({ kind: 'round-incomplete', where, expected, found: `no ${missing.join(', ')}` });
    return { found, digest };
  }
  const differs = (expected: string, what: string): void =>
    void found.push({ kind: 'round-digest', where, expected, found: what });
  const audited = reading.told.digests.get(round);
  if (audited !== undefined && audited !== digest) differs(`digest ${audited}`, digest);
  const head = await headOf(rounds.transcript(release, round));
  if (!head) {
    differs('a transcript that begins with what happened and the seal', 'something else');
    return { found, digest };
  }
  const record = parseJson(kept.record ?? '') as { seal?: object } | undefined;
  const recomputed = digestOf({ ...record, since: head.since });
  if (recomputed !== digest) differs(`digest ${recomputed}, recomputed`, digest);
  const seal = head.seal as { previous?: string; manifest_hash?: string; since_hash?: string };
  if (jcs(record?.seal ?? null) !== kept.seal || jcs(seal) !== kept.seal)
    differs('one seal in record, transcript and by itself', 'several');
  if (seal.previous !== previous) differs(`previous ${previous}`, String(seal.previous));
  if (seal.manifest_hash !== manifestHash)
    differs(`manifest ${manifestHash}`, String(seal.manifest_hash));
  if (seal.since_hash !== digestOf(head.since)) differs('the hash of what happened', 'another');
  return { found, digest };
}

/** Recomputes all published rounds from their transcripts; the ledger is what they lead to. */
export async function verifyRounds(
  { store, rounds }: RoundParts,
  { reading }: Context,
): Promise<{ found: Found[]; ledger: Ledger | undefined }> {
  const { release } = reading.manifest;
  const { published } = reading.instant;
  const numbers = Array.from({ length: published + 1 }, (_round, number) => number);
  const { digest } = await store.round(release, published);
  let ledger: Ledger | undefined;
  const report = await verifyChain(
    numbers.map((round) => ({
      name: `round ${round}`,
      open: () => rounds.transcript(release, round),
    })),
    { digest: digest ?? undefined, onRound: (replayed) => (ledger = replayed.ledger) },
  );
  if (report.accepted) return { found: [], ledger };
  const { file: where, line, reason } = report;
  const expected = 'a transcript that can be recomputed';
  const found = `line ${line}: ${reason}`;
  return { found: [{ kind: 'transcript-differs', where, expected, found }], ledger: undefined };
}
