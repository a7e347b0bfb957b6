/** `fairslot draw verify`: the verifier for a terminal or a pipe. */
import { createReadStream } from 'node:fs';
import { text } from 'node:stream/consumers';
import type { Phase } from '../../progress.ts';
import type { Standing } from '../sightings.ts';
import {
  type OwnAccepted,
  type OwnFile,
  type OwnFiles,
  type OwnRefused,
  verifyOwn,
} from './verify-own.ts';

type Output = { readonly write: (text: string) => unknown };

export type VerifyCommand = {
  /** Paths of transcripts, in any order. */
  readonly files: readonly string[];
  readonly digest?: string | undefined;
  /** Paths of a receipt, of a proof, of a signed seal, and of the release's manifest. */
  readonly receipt?: string | undefined;
  readonly proof?: string | undefined;
  readonly seal?: string | undefined;
  readonly manifest?: string | undefined;
  /** Paths of result files. */
  readonly result?: readonly string[] | undefined;
  readonly json: boolean;
};

/** As much as a line of a transcript: a manifest is the longest of these documents. */
const OWN_FILE_BYTES_MAX = 16 * 2 ** 20;

/**
 * A file may have been made by anyone: what it says must not reach the terminal as control
 * characters.
 */
const printable = (line: string): string => line.replaceAll(/[^\x20-\x7e]/g, '?').slice(0, 600);

const STATES = {
  holds: 'gets a seat',
  waits: 'waits',
  displaced: 'has lost its seat, and comes first in the next draw',
  gone: 'is gone: cancelled, not confirmed in time, or withdrawn',
} as const;

const standingLine = ({ round, state, slot, pool }: Standing): string =>
  `  round ${round}: ${STATES[state]}${slot === null ? '' : `: ${slot}, pool ${pool}`}`;

function entryLines({ entry }: OwnAccepted): string[] {
  if (!entry) return [];
  const { id, round, place, of, standings } = entry;
  return [
    `entry ${id}: new in round ${round}, place ${place} of ${of} in its order`,
    ...standings.map(standingLine),
  ];
}

function headLines({ accepted, release, rounds, manifestHash, digest }: OwnAccepted): string[] {
  const verdict = accepted ? 'ACCEPTED' : 'INCOMPLETE';
  if (digest === null) return [`${verdict} release ${printable(release)}: no files to tell by`];
  return [
    `${verdict} release ${release}, rounds 0 to ${rounds.length - 1}`,
    `manifest ${manifestHash}`,
    `digest   ${digest}`,
  ];
}

function describe(report: OwnAccepted | OwnRefused): string {
  if (report.accepted === false) {
    const { file, line, reason } = report;
    if (file === '') return `REFUSED: ${printable(reason)}\n`;
    const where = line === null ? '' : ` line ${line}`;
    return `REFUSED ${printable(file)}${where}: ${printable(reason)}\n`;
  }
  const listed = (heading: string, items: readonly string[]): string[] =>
    items.length === 0 ? [] : [heading, ...items.map((item) => `- ${item}`)];
  return [
    ...report.rounds.map(
      ({ round, entries, served, digest }) =>
        `round ${round}: ${entries} new entries, ${served} entries got seats, digest ${digest}`,
    ),
    ...entryLines(report),
    ...headLines(report),
    ...listed('Checked:', report.checked),
    ...listed('Not checked here:', report.notChecked),
    ...(report.trust === null ? [] : [`Taken on trust: ${report.trust}`]),
    '',
  ].join('\n');
}

/** The file, or why it cannot be read. */
async function ownFile(path: string | undefined): Promise<OwnFile | OwnRefused | undefined> {
  if (path === undefined) return undefined;
  const refused = (reason: string): OwnRefused => ({
    accepted: false,
    file: path,
    line: null,
    reason,
  });
  try {
    const content = await text(createReadStream(path, { end: OWN_FILE_BYTES_MAX }));
    const tooLong = content.length > OWN_FILE_BYTES_MAX;
    return tooLong
      ? refused(`it is longer than ${OWN_FILE_BYTES_MAX} bytes`)
      : { name: path, text: content };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return refused(`the file cannot be read: ${reason}`);
  }
}

async function ownFiles(paths: VerifyCommand): Promise<OwnFiles | OwnRefused> {
  const files: Partial<Record<'receipt' | 'proof' | 'seal' | 'manifest', OwnFile>> = {};
  for (const name of ['receipt', 'proof', 'seal', 'manifest'] as const) {
    const file = await ownFile(paths[name]);
    if (file && 'accepted' in file) return file;
    if (file) files[name] = file;
  }
  const results: OwnFile[] = [];
  for (const path of paths.result ?? []) {
    const file = await ownFile(path);
    if (file && 'accepted' in file) return file;
    if (file) results.push(file);
  }
  return { ...files, results };
}

/** `phase`: of as many steps as there are files. Answers the exit code: 0 accepted, 1 refused, 3 incomplete: nothing is wrong or settled. */
export async function verifyCommand(
  command: VerifyCommand,
  out: Output,
  err: Output,
  phase?: Phase,
): Promise<number> {
  const { files, digest, json } = command;
  const own = await ownFiles(command);
  const transcripts = files.map((name) => ({ name, open: () => createReadStream(name) }));
  const onVerified = phase?.advance;
  const verifying = 'accepted' in own ? own : verifyOwn(transcripts, own, { digest, onVerified });
  const report = await Promise.resolve(verifying).finally(() => phase?.done());
  if (json) out.write(`${JSON.stringify(report)}\n`);
  else (report.accepted === false ? err : out).write(describe(report));
  if (report.accepted === null) return 3;
  return report.accepted ? 0 : 1;
}
