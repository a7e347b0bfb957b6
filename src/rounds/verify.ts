/**
 * Checks the published files of a release, from round 0 on, with nothing taken on trust but what
 * the beacon's kind leaves open; needs no server, no key and no network.
 */
import { BEACON_TRUST } from './beacon.ts';
import type { Ledger } from './ledger.ts';
import { isMismatch, type Replayed, replay } from './replay.ts';

/** Bytes of a transcript, gzip or plain, and what to call it in the report. */
export type TranscriptFile = { readonly name: string; readonly bytes: AsyncIterable<Uint8Array> };

export type VerifyOptions = {
  /** In hex: what the digest of the last file must be. */
  readonly digest?: string | undefined;
};

export type VerifyReport =
  | {
      readonly accepted: true;
      readonly release: string;
      readonly manifestHash: string;
      readonly rounds: readonly VerifiedRound[];
      /** Digest of the last round: whoever has the same one has seen the same history. */
      readonly digest: string;
      readonly checked: readonly string[];
      readonly trust: string;
    }
  | {
      readonly accepted: false;
      readonly file: string;
      /** From 1. */
      readonly line: number;
      readonly reason: string;
    };

export type VerifiedRound = Omit<Replayed, 'ledger' | 'lines'> & { readonly file: string };

/** What `replay` recomputes, for people. */
const CHECKED = [
  'every line is canonical JSON, and no line is missing, added or out of order',
  'the manifest, and its hash in every seal',
  'what happened between rounds fits who waited and who held which seat',
  'each seal continues the chain, and its Merkle root is that of the entries in the file',
  'each beacon value is the one that the seal named before it was known, and gives the seed',
  'each entry has its leaf, its rank key and its place in the draw order',
  'each seat went to the first entry in that order that asked for it and is eligible',
  'the seats before and after, the SHA-256 of each transcript, and each digest',
] as const;

/** `files` in the order of their rounds, from round 0 on. */
export async function verifyChain(
  files: readonly TranscriptFile[],
  options: VerifyOptions = {},
): Promise<VerifyReport> {
  const rounds: VerifiedRound[] = [];
  let ledger: Ledger | undefined;
  let last = { file: '', line: 1 };
  for (const { name: file, bytes } of files) {
    const replayed = await replay(ledger, bytes);
    if (isMismatch(replayed)) return { accepted: false, file, ...replayed };
    const { lines, ledger: after, ...round } = replayed;
    rounds.push({ file, ...round });
    ledger = after;
    last = { file, line: lines };
  }
  const digest = rounds.at(-1)?.digest;
  if (!ledger || digest === undefined)
    return { accepted: false, ...last, reason: 'there is no file to verify' };
  if (options.digest !== undefined && options.digest !== digest)
    return { accepted: false, ...last, reason: `digest is not ${options.digest}` };
  const { manifest, manifestHash } = ledger;
  return {
    accepted: true,
    release: manifest.release,
    manifestHash,
    rounds,
    digest,
    checked: CHECKED,
    trust: BEACON_TRUST[manifest.beacon.kind],
  };
}
