/**
 * What one person can check of an entry of their own, with a receipt, a proof, or both
 * (docs/draw.md): against the files of the release where they are at hand.
 */
import type { z } from 'zod';
import { present } from '../lib/assert.ts';
import { LotteryManifest, manifestHash } from '../releases/manifest.ts';
import { pathProblem, Proof } from './proofs.ts';
import { receiptKeyProblem } from './receipt-key.ts';
import {
  leafProblem,
  Receipt,
  receiptTerms,
  type ReceiptTerms,
  signatureProblem,
} from './receipts.ts';
import { type Sighting, type Watch, watchEntry } from './sightings.ts';
import {
  type AcceptedChain,
  type TranscriptFile,
  verifyChain,
  type VerifyOptions,
} from './verify.ts';

/** A file that is one JSON document; it need not be canonical. */
export type OwnFile = { readonly name: string; readonly text: string };

export type OwnFiles = {
  readonly receipt?: OwnFile | undefined;
  readonly proof?: OwnFile | undefined;
  /** The release's, for a receipt without the files of its rounds. */
  readonly manifest?: OwnFile | undefined;
};

export type OwnAccepted = Omit<AcceptedChain, 'manifestHash' | 'digest' | 'trust'> & {
  /** Null where it is not known: there were no files of rounds. */
  readonly manifestHash: string | null;
  readonly digest: string | null;
  readonly trust: string | null;
  /** Where the files have the entry of the receipt or the proof. */
  readonly entry?: Sighting & { readonly id: string };
};

export type OwnRefused = {
  readonly accepted: false;
  readonly file: string;
  /** From 1; null where the file is no list of lines. */
  readonly line: number | null;
  readonly reason: string;
};

type Read<T> = OwnFile & { readonly value: T };
type Own = {
  readonly receipt: Read<Receipt> | undefined;
  readonly proof: Read<Proof> | undefined;
  readonly manifest: Read<ReceiptTerms> | undefined;
};

const EVIDENCE =
  'if its owner neither edited nor withdrew it after that, this is evidence against the ' +
  'operator: keep the receipt, the seals and the transcripts, and show them to whoever oversees ' +
  'the operator (docs/draw.md)';

const refused = ({ name }: Pick<OwnFile, 'name'>, reason: string): OwnRefused => ({
  accepted: false,
  file: name,
  line: null,
  reason,
});

const isRefused = (value: object | undefined): value is OwnRefused =>
  value !== undefined && 'accepted' in value && value.accepted === false;

function read<T>(
  file: OwnFile | undefined,
  schema: z.ZodType<T>,
): Read<T> | OwnRefused | undefined {
  if (!file) return undefined;
  let json: unknown;
  try {
    json = JSON.parse(file.text);
  } catch {
    return refused(file, 'it is not JSON');
  }
  const result = schema.safeParse(json);
  if (result.success) return { ...file, value: result.data };
  const issue = present(result.error.issues[0], 'issue');
  return refused(file, [...issue.path.map(String), issue.message].join(': '));
}

const Terms = LotteryManifest.transform((manifest, context) => {
  const message = receiptKeyProblem(manifest.receipt_key);
  if (message !== undefined) context.addIssue({ code: 'custom', message });
  return receiptTerms(manifest, manifestHash(manifest));
});

function readOwn(files: OwnFiles): Own | OwnRefused {
  const receipt = read(files.receipt, Receipt);
  if (isRefused(receipt)) return receipt;
  const proof = read(files.proof, Proof);
  if (isRefused(proof)) return proof;
  const manifest = read(files.manifest, Terms);
  return isRefused(manifest) ? manifest : { receipt, proof, manifest };
}

/** What is wrong with the documents in themselves and with one another. */
function ownProblem({ receipt, proof, manifest }: Own): OwnRefused | undefined {
  const leaf = receipt && leafProblem(receipt.value);
  if (receipt && leaf !== undefined) return refused(receipt, leaf);
  const signature = receipt && manifest && signatureProblem(receipt.value, manifest.value);
  if (receipt && signature !== undefined) return refused(receipt, signature);
  const path = proof && pathProblem(proof.value);
  if (proof && path !== undefined) return refused(proof, path);
  if (!receipt || !proof) return undefined;
  const { release, entry, leaf: onReceipt } = receipt.value;
  if (proof.value.release !== release) return refused(proof, 'it is of another release');
  if (proof.value.entry !== entry.entry) return refused(proof, 'it is of another entry');
  return proof.value.leaf === onReceipt
    ? undefined
    : refused(proof, 'it is not of the leaf on the receipt: the entry was edited, or changed');
}

/** Why the entry of a receipt is not where it must be, or where it is. */
function sought(receipt: Read<Receipt>, { sightings, seals }: Watch): Sighting | OwnRefused {
  const { leaf, issued_at: issuedAt } = receipt.value;
  const next = seals.find(({ cut_at: cutAt }) => cutAt >= issuedAt);
  if (!next)
    return refused(receipt, 'no list here was fixed after it was issued: fetch a later round');
  const { round } = next;
  const found = sightings.find((sighting) => sighting.round === round);
  if (found?.leaf === leaf) return found;
  const later = sightings.find((sighting) => sighting.round > round);
  const what = found
    ? `in round ${round} the entry has another leaf`
    : `the entry is not in round ${round}, the first whose list was fixed after that` +
      (later ? `, but put off to round ${later.round}` : '');
  return refused(receipt, `${what}; ${EVIDENCE}`);
}

/** What the rounds say against the documents, or where the entry is. */
function againstRounds(
  { receipt, proof, manifest }: Own,
  watch: Watch,
): Sighting | OwnRefused | undefined {
  const terms = present(watch.terms(), 'a round');
  if (manifest && manifest.value.manifestHash !== terms.manifestHash)
    return refused(manifest, `this is not the manifest of the rounds, ${terms.manifestHash}`);
  const signature = receipt && signatureProblem(receipt.value, terms);
  if (receipt && signature !== undefined) return refused(receipt, signature);
  if (proof) {
    const { release, round, root, count } = proof.value;
    const seal = watch.seals[round];
    if (release !== terms.release) return refused(proof, 'it is of another release');
    if (!seal) return refused(proof, `it is of round ${round}, which is not among the files`);
    if (seal.root !== root || seal.count !== count)
      return refused(proof, `its root and count are not those of the seal of round ${round}`);
  }
  if (receipt) return sought(receipt, watch);
  return watch.sightings.find(({ round }) => round === proof?.value.round);
}

/** What was checked of the documents, and what could not be, in words. */
function checksOf({ receipt, proof, manifest }: Own, entry: Sighting | undefined) {
  const checked: string[] = [];
  const notChecked: string[] = [];
  if (receipt) {
    checked.push("the receipt's leaf is that of its entry");
    if (entry || manifest)
      checked.push("the receipt is signed with the key in the release's manifest");
    else
      notChecked.push(
        "the receipt's signature: its key stands in the manifest; give the transcripts, or --manifest",
      );
    if (entry) checked.push(`the receipt's entry is in round ${entry.round}, just as it says`);
    else notChecked.push('that a round has the entry of the receipt: give the transcripts');
  }
  if (proof) {
    const { round, root } = proof.value;
    checked.push(`the proof leads from its leaf to the root ${root}`);
    if (entry) checked.push(`the seal of round ${round} names that root`);
    else notChecked.push(`that the seal of round ${round} names that root: compare them`);
  }
  return { checked, notChecked };
}

/** `transcripts`: none, or those of all rounds from round 0 on, in any order. */
export async function verifyOwn(
  transcripts: readonly TranscriptFile[],
  files: OwnFiles,
  { digest }: Pick<VerifyOptions, 'digest'> = {},
): Promise<OwnAccepted | OwnRefused> {
  const own = readOwn(files);
  if (isRefused(own)) return own;
  const problem = ownProblem(own);
  if (problem) return problem;
  const id = own.receipt?.value.entry.entry ?? own.proof?.value.entry;
  const { receipt, proof } = own;
  if (transcripts.length === 0 && id !== undefined)
    return {
      accepted: true,
      release: present(receipt ?? proof, 'a document').value.release,
      manifestHash: receipt?.value.manifest_hash ?? null,
      rounds: [],
      digest: null,
      trust: null,
      ...checksOf(own, undefined),
    };
  const watch = watchEntry(id ?? '');
  const chain = await verifyChain(transcripts, { digest, onRound: watch.see });
  if (!chain.accepted) return chain;
  const found = againstRounds(own, watch);
  if (isRefused(found)) return found;
  const { checked, notChecked } = checksOf(own, found);
  return {
    ...chain,
    checked: [...chain.checked, ...checked],
    notChecked: [...chain.notChecked, ...notChecked],
    ...(found && id !== undefined && { entry: { id, ...found } }),
  };
}
