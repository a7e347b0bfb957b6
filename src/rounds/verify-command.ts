/** `fairslot verify`: the verifier for a terminal or a pipe. */
import { createReadStream } from 'node:fs';
import { type VerifyReport, verifyChain } from './verify.ts';

type Output = { readonly write: (text: string) => unknown };

/**
 * A file may have been made by anyone: what it says must not reach the terminal as control
 * characters.
 */
const printable = (text: string): string => text.replaceAll(/[^\x20-\x7e]/g, '?').slice(0, 400);

function describe(report: VerifyReport): string {
  if (!report.accepted)
    return `REFUSED ${printable(report.file)} line ${report.line}: ${printable(report.reason)}\n`;
  const rounds = report.rounds.map(
    ({ round, entries, served, digest }) =>
      `round ${round}: ${entries} new entries, ${served} entries got seats, digest ${digest}`,
  );
  return [
    ...rounds,
    `ACCEPTED release ${report.release}, rounds 0 to ${report.rounds.length - 1}`,
    `manifest ${report.manifestHash}`,
    `digest   ${report.digest}`,
    'Checked:',
    ...report.checked.map((check) => `- ${check}`),
    `Taken on trust: ${report.trust}`,
    '',
  ].join('\n');
}

/** `files` in the order of their rounds. Answers the exit code: 0 accepted, 1 refused. */
export async function verifyCommand(
  files: readonly string[],
  options: { readonly digest?: string | undefined; readonly json: boolean },
  out: Output,
  err: Output,
): Promise<number> {
  const report = await verifyChain(
    files.map((name) => ({ name, open: () => createReadStream(name) })),
    { digest: options.digest },
  );
  if (options.json) out.write(`${JSON.stringify(report)}\n`);
  else (report.accepted ? out : err).write(describe(report));
  return report.accepted ? 0 : 1;
}
