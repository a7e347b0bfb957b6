/**
 * What one person can check with documents of their own (docs/draw.md): a receipt, a proof, a
 * signed seal; against the files of the release where they are at hand.
 */
import type { z } from 'zod';
import { present } from '../../lib/assert.ts';
import { jcs } from '../../lib/jcs.ts';
import { DrawnManifest, manifestHash } from '../../releases/manifest.ts';
import { manifestProblem } from '../draw/pools.ts';
import { pathProblem, Proof } from '../proofs.ts';
import { receiptKeyProblem } from '../receipt-key.ts';
import {
  entryProblem,
  leafProblem,
  receiptTerms,
  sealSignatureProblem,
  ShownReceipt,
  signatureProblem,
  SignedSeal,
} from '../receipts.ts';
import type { Replayed } from '../draw/replay.ts';
import { recomputedResultFile, ResultFile } from '../results/results.ts';
import { type Sighting, type Watch, watchEntry } from '../sightings.ts';
import {
  type AcceptedChain,
  type TranscriptFile,
  verifyChain,
  type VerifyOptions,
} from './verify.ts';

/** A file that is one JSON document. */
export type OwnFile = { readonly name: string; readonly text: string };

export type OwnFiles = {
  readonly receipt?: OwnFile | undefined;
  readonly proof?: OwnFile | undefined;
  /** What `GET …/rounds/{n}` answered. */
  readonly seal?: OwnFile | undefined;
  /** The release's, for a receipt without the files of its rounds. */
  readonly manifest?: OwnFile | undefined;
  /** Result files, of any rounds. */
  readonly results?: readonly OwnFile[] | undefined;
};

/** Without the files of the rounds, or before the round that counts, nobody can tell: null. */
export type OwnAccepted = Omit<AcceptedChain, 'accepted' | 'manifestHash' | 'digest' | 'trust'> & {
  readonly accepted: true | null;
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
  readonly receipt: Read<ShownReceipt> | undefined;
  readonly proof: Read<Proof> | undefined;
  readonly seal: Read<SignedSeal> | undefined;
  readonly manifest: Read<DrawnManifest> | undefined;
  readonly results: readonly Read<ResultFile>[];
};

const AGAINST_OPERATOR =
  'this is evidence against the operator: keep it, the seals and the transcripts, and show them to ' +
  'whoever oversees the operator (docs/draw.md)';
const EVIDENCE = `if its owner neither edited nor withdrew it after that, ${AGAINST_OPERATOR}`;

const refused = ({ name }: Pick<OwnFile, 'name'>, reason: string): OwnRefused => ({
  accepted: false,
  file: name,
  line: null,
  reason,
});

const isRefused = (value: object | undefined): value is OwnRefused =>
  value !== undefined && 'accepted' in value && value.accepted === false;

/** Text editors put it before what they save. */
const BYTE_ORDER_MARK = /^\uFEFF/;
/** A string, which is kept, or white space outside of strings. */
const STRING_OR_SPACE = /("(?:[^"\\]|\\.)*")|[ \t\r\n]+/g;

const isSpaced = (text: string, json: unknown): boolean => {
  try {
    return text.replaceAll(STRING_OR_SPACE, '$1') === jcs(json);
  } catch {
    return false; // half of a surrogate pair
  }
};

/** A document: canonical JSON, but for white space between its parts. */
function read<T>(
  file: OwnFile | undefined,
  schema: z.ZodType<T>,
): Read<T> | OwnRefused | undefined {
  if (!file) return undefined;
  const text = file.text.replace(BYTE_ORDER_MARK, '');
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return refused(file, 'it is not JSON');
  }
  const result = schema.safeParse(json);
  if (!result.success) {
    const issue = present(result.error.issues[0], 'issue');
    return refused(file, [...issue.path.map(String), issue.message].join(': '));
  }
  return isSpaced(text, json)
    ? { ...file, value: result.data }
    : refused(file, 'it is not canonical JSON, apart from white space: save it as it was given');
}

const Terms = DrawnManifest.superRefine((manifest, context) => {
  const message = manifestProblem(manifest) ?? receiptKeyProblem(manifest.receipt_key);
  if (message !== undefined) context.addIssue({ code: 'custom', message });
});

function readOwn(files: OwnFiles): Own | OwnRefused {
  const receipt = read(files.receipt, ShownReceipt);
  if (isRefused(receipt)) return receipt;
  const proof = read(files.proof, Proof);
  if (isRefused(proof)) return proof;
  const seal = read(files.seal, SignedSeal);
  if (isRefused(seal)) return seal;
  const manifest = read(files.manifest, Terms);
  if (isRefused(manifest)) return manifest;
  const results: Read<ResultFile>[] = [];
  for (const file of files.results ?? []) {
    const result = read(file, ResultFile);
    if (isRefused(result)) return result;
    if (result) results.push(result);
  }
  return { receipt, proof, seal, manifest, results };
}

/** What is wrong with the documents in themselves and with one another. */
function ownProblem({ receipt, proof }: Own): OwnRefused | undefined {
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

/** The same, by the manifest: what is signed and yet wrong speaks against who signed it. */
function signedProblem(
  { receipt, seal }: Own,
  manifest: DrawnManifest | undefined,
): OwnRefused | undefined {
  if (!manifest) {
    const leaf = receipt && leafProblem(receipt.value);
    return receipt && leaf !== undefined ? refused(receipt, leaf) : undefined;
  }
  const terms = receiptTerms(manifest, manifestHash(manifest));
  if (receipt) {
    const problem = signatureProblem(receipt.value, terms);
    if (problem !== undefined) return refused(receipt, problem);
    const unfit = leafProblem(receipt.value) ?? entryProblem(receipt.value, manifest);
    if (unfit !== undefined)
      return refused(
        receipt,
        `it is signed, and no round can hold it: ${unfit}; ${AGAINST_OPERATOR}`,
      );
  }
  const problem = seal && sealSignatureProblem(seal.value, terms);
  return seal && problem !== undefined ? refused(seal, problem) : undefined;
}

/** Where the entry of a receipt is, if that can be told yet, or why it is not where it must be. */
function sought(
  receipt: Read<ShownReceipt>,
  { sightings, seals }: Watch,
): Sighting | OwnRefused | undefined {
  const { leaf, issued_at: issuedAt } = receipt.value;
  const next = seals.find(({ cut_at: cutAt }) => cutAt >= issuedAt);
  if (!next) return undefined;
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

/** Where the entry of a proof is, or what the rounds say against it. */
function proved(
  proof: Read<Proof>,
  release: string,
  { sightings, seals }: Watch,
): Sighting | OwnRefused {
  const { round, root, count, leaf } = proof.value;
  const seal = seals[round];
  if (proof.value.release !== release) return refused(proof, 'it is of another release');
  if (!seal) return refused(proof, `it is of round ${round}, which is not among the files`);
  if (seal.root !== root || seal.count !== count)
    return refused(proof, `its root and count are not those of the seal of round ${round}`);
  const found = sightings.find((sighting) => sighting.round === round);
  return found?.leaf === leaf
    ? found
    : refused(proof, `the entry is not in round ${round} with this leaf`);
}

/** Why a signed seal is not the one of the files. */
function sealProblem(shown: Read<SignedSeal>, { seals }: Watch): OwnRefused | undefined {
  const { seal } = shown.value;
  const held = seals[seal.round];
  if (!held) return refused(shown, `it is of round ${seal.round}, which is not among the files`);
  return jcs(held) === jcs(seal)
    ? undefined
    : refused(shown, `the files hold another seal of round ${seal.round}; ${AGAINST_OPERATOR}`);
}

/** Holds result files against the rounds as these go by. */
function watchResults(results: readonly Read<ResultFile>[]) {
  const unseen = new Set(results);
  let wrong: OwnRefused | undefined;
  const see = ({ ledger, round, digest, entries }: Replayed): void => {
    const { release } = ledger.manifest;
    for (const result of unseen) {
      if (result.value.round !== round) continue;
      unseen.delete(result);
      const head = { digest, release, round };
      const right = recomputedResultFile(ledger, head, entries, result.value.prefix);
      if (jcs(right) !== jcs(result.value))
        wrong ??= refused(result, `it does not say what round ${round} of ${release} gave`);
    }
  };
  const problem = (): OwnRefused | undefined => {
    const [other] = unseen;
    return (
      wrong ??
      (other && refused(other, `it is of round ${other.value.round}, which is not among the files`))
    );
  };
  return { see, problem };
}

/** What the rounds say against the documents, or where the entry is. */
function againstRounds(own: Own, watch: Watch): Sighting | OwnRefused | undefined {
  const { receipt, proof, seal, manifest } = own;
  const known = present(watch.manifest(), 'a round');
  const hash = manifestHash(known);
  if (manifest && manifestHash(manifest.value) !== hash)
    return refused(manifest, `this is not the manifest of the rounds, ${hash}`);
  const signed = signedProblem(own, known) ?? (seal && sealProblem(seal, watch));
  if (signed) return signed;
  const byProof = proof && proved(proof, known.release, watch);
  return receipt && !isRefused(byProof) ? sought(receipt, watch) : byProof;
}

/** What was checked of the documents, and what could not be, in words. */
function checksOf(
  { receipt, proof, seal, manifest, results }: Own,
  withRounds: boolean,
  entry: Sighting | undefined,
) {
  const checked: string[] = [];
  const notChecked: string[] = [];
  const note = (holds: boolean, yes: string, no: string) =>
    (holds ? checked : notChecked).push(holds ? yes : no);
  const signable = withRounds || manifest !== undefined;
  const NEEDED = 'its key stands in the manifest; give the transcripts, or --manifest';
  if (receipt) {
    checked.push("the receipt's leaf is that of its entry");
    note(
      signable,
      "the receipt is signed with the key in the release's manifest",
      `the receipt's signature: ${NEEDED}`,
    );
    note(
      entry !== undefined,
      `the receipt's entry is in round ${entry?.round}, just as it says`,
      withRounds
        ? 'that a round has the entry of the receipt: no list here was fixed after it was issued; fetch a later round'
        : 'that a round has the entry of the receipt: give the transcripts',
    );
  }
  if (proof) {
    const { round, root } = proof.value;
    checked.push(`the proof leads from its leaf to the root ${root}`);
    note(
      withRounds,
      `the seal of round ${round} names that root, and the entry is in that round`,
      `that the seal of round ${round} names that root: give the transcripts`,
    );
  }
  if (seal) {
    const what = `the seal of round ${seal.value.seal.round}`;
    note(signable, `the operator signed ${what}`, `the signature of ${what}: ${NEEDED}`);
    note(withRounds, `the files hold ${what}`, `that the files hold ${what}: give the transcripts`);
  }
  if (results.length > 0)
    note(
      withRounds,
      `each result file says what its round gave: ${results.length} of them`,
      'what the result files say: give the transcripts',
    );
  return { checked, notChecked };
}

type VerifyOwnOptions = Pick<VerifyOptions, 'digest'> & {
  /** Called for each round that is accepted. */
  readonly onVerified?: (() => void) | undefined;
};

/** `transcripts`: none, or those of all rounds from round 0 on, in any order. */
export async function verifyOwn(
  transcripts: readonly TranscriptFile[],
  files: OwnFiles,
  { digest, onVerified }: VerifyOwnOptions = {},
): Promise<OwnAccepted | OwnRefused> {
  const own = readOwn(files);
  if (isRefused(own)) return own;
  const { receipt, proof, seal, manifest, results } = own;
  const problem = ownProblem(own);
  if (problem) return problem;
  const shown = receipt?.value ?? proof?.value ?? seal?.value.seal ?? results[0]?.value;
  if (transcripts.length === 0 && shown)
    return (
      signedProblem(own, manifest?.value) ?? {
        accepted: null,
        release: shown.release,
        manifestHash: receipt?.value.manifest_hash ?? null,
        rounds: [],
        digest: null,
        trust: null,
        ...checksOf(own, false, undefined),
      }
    );
  const id = receipt?.value.entry.entry ?? proof?.value.entry;
  const watch = watchEntry(id ?? '');
  const ofResults = watchResults(results);
  const onRound = (replayed: Replayed): void => {
    watch.see(replayed);
    ofResults.see(replayed);
    onVerified?.();
  };
  const chain = await verifyChain(transcripts, { digest, onRound });
  if (!chain.accepted) return chain;
  const found = ofResults.problem() ?? againstRounds(own, watch);
  if (isRefused(found)) return found;
  const { checked, notChecked } = checksOf(own, true, found);
  return {
    ...chain,
    accepted: receipt && !found ? null : true,
    checked: [...chain.checked, ...checked],
    notChecked: [...chain.notChecked, ...notChecked],
    ...(found && id !== undefined && { entry: { id, ...found } }),
  };
}
