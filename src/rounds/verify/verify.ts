/**
 * Checks the published files of a release, from round 0 on, with nothing taken on trust but what
 * the beacon's kind leaves open; needs no server, no key and no network.
 */
import { z } from 'zod';
import { isQuicknet, trustOf } from '../beacon/beacon.ts';
import type { Ledger } from '../draw/ledger.ts';
import { readLines } from '../draw/lines.ts';
import { isMismatch, type Replayed, replay } from '../draw/replay.ts';

/** Bytes of a transcript, gzip or plain, and what to call it in the report. */
export type TranscriptFile = {
  readonly name: string;
  /** Its bytes from the first on, as often as it is asked. */
  readonly open: () => AsyncIterable<Uint8Array>;
};

export type VerifyOptions = {
  /** In hex: what the digest of the last file must be. */
  readonly digest?: string | undefined;
  /** Sees each round once it is accepted. Ledgers change: take what is of interest at once. */
  readonly onRound?: (replayed: Replayed) => void;
};

export type AcceptedChain = {
  readonly accepted: true;
  readonly release: string;
  readonly manifestHash: string;
  readonly rounds: readonly VerifiedRound[];
  /** Digest of the last round: whoever has the same one has seen the same history. */
  readonly digest: string;
  readonly checked: readonly string[];
  readonly notChecked: readonly string[];
  readonly trust: string;
};

export type VerifyReport =
  | AcceptedChain
  | {
      readonly accepted: false;
      readonly file: string;
      /** From 1. */
      readonly line: number;
      readonly reason: string;
    };

export type VerifiedRound = Omit<Replayed, 'ledger' | 'lines' | 'seal'> & {
  readonly file: string;
};

/** What `replay` recomputes, for people. */
const CHECKED = [
  'every line is canonical JSON, and no line is missing, added or out of order',
  'the manifest, and its hash in every seal',
  'what happened between rounds fits who waited and who held which seat',
  'no list was fixed before the value of the round before it, and no offer expired before its time',
  'each seal continues the chain, and its Merkle root is that of the entries in the file',
  'each beacon value is the one that the seal names, and gives the seed',
  'each entry has its leaf, its rank key and its place in the draw order',
  'each seat went to the first entry in that order that asked for it and is eligible',
  'the seats before and after, the SHA-256 of each transcript, and each digest',
] as const;

/** The manifest comes first in round 0, then `since`, then the seal. */
const SEALED_BY_LINE = 3;
const SealRound = z.object({ kind: z.literal('seal'), seal: z.object({ round: z.int().min(0) }) });

/** What happened can be long, and stands before the seal: it is not wanted yet. */
const WHILE_NAMING = { longest: 2 ** 29, skip: 16_384 };

/** The round that a file's seal names; undefined where nothing readable does. */
async function roundOf({ open }: TranscriptFile): Promise<number | undefined> {
  for await (const line of readLines(open(), WHILE_NAMING)) {
    if (isMismatch(line)) return undefined;
    if (line.text.startsWith('{"kind":"seal"')) {
      const read = SealRound.safeParse(jsonOf(line.text));
      return read.success ? read.data.seal.round : undefined;
    }
    if (line.number >= SEALED_BY_LINE) return undefined;
  }
  return undefined;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * In the order of the rounds that their seals name. One that names none goes where a round is
 * missing, so that it is the one that is refused.
 */
async function inOrderOfRounds(files: readonly TranscriptFile[]): Promise<TranscriptFile[]> {
  if (files.length < 2) return [...files];
  const named: { readonly file: TranscriptFile; readonly round: number }[] = [];
  const unnamed: TranscriptFile[] = [];
  for (const file of files) {
    const round = await roundOf(file);
    if (round === undefined) unnamed.push(file);
    else named.push({ file, round });
  }
  const places: TranscriptFile[] = [];
  for (const { file, round } of named.toSorted((a, b) => a.round - b.round)) {
    if (round > places.length) places.push(...unnamed.splice(0, round - places.length));
    places.push(file);
  }
  return [...places, ...unnamed];
}

/** `files`: those of all rounds from round 0 on, in any order. */
export async function verifyChain(
  files: readonly TranscriptFile[],
  { digest: expected, onRound }: VerifyOptions = {},
): Promise<VerifyReport> {
  const rounds: VerifiedRound[] = [];
  let ledger: Ledger | undefined;
  let last = { file: '', line: 1 };
  for (const transcript of await inOrderOfRounds(files)) {
    const { name: file, open } = transcript;
    const replayed = await replay(ledger, open());
    if (isMismatch(replayed)) {
      const { line, reason } = replayed;
      const named = line <= SEALED_BY_LINE ? await roundOf(transcript) : undefined;
      const isGap = named !== undefined && named > rounds.length;
      const gap = isGap ? `round ${rounds.length} is not among the files: ` : '';
      return { accepted: false, file, line, reason: `${gap}${reason}` };
    }
    onRound?.(replayed);
    const { lines, ledger: after, seal: _, ...round } = replayed;
    rounds.push({ file, ...round });
    ledger = after;
    last = { file, line: lines };
  }
  const digest = rounds.at(-1)?.digest;
  if (!ledger || digest === undefined)
    return { accepted: false, ...last, reason: 'there is no file to verify' };
  if (expected !== undefined && expected !== digest)
    return { accepted: false, ...last, reason: `digest is not ${expected}` };
  const { manifest, manifestHash } = ledger;
  const { beacon } = manifest;
  return {
    accepted: true,
    release: manifest.release,
    manifestHash,
    rounds,
    digest,
    checked: CHECKED,
    notChecked: [
      ...(beacon.kind === 'drand' && !isQuicknet(beacon)
        ? [`whose network the drand chain ${beacon.chain} is`]
        : []),
      ...(beacon.kind === 'drand'
        ? [
            'that the seals are older than their values: compare them with some that were fetched in time, --seal',
          ]
        : []),
      ...(expected === undefined ? ['the digest: compare it with one from elsewhere'] : []),
    ],
    trust: trustOf(beacon),
  };
}
