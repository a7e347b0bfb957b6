/** `fairslot people attest`: sends a file, once all of it is right. */
import { readFile } from 'node:fs/promises';
import { type Call, CommandError, warn } from '../command-line.ts';
import { createProgress } from '../progress.ts';
import { readAttestations } from './attest-file.ts';
import { PEOPLE_LIMITS } from './rules.ts';

/** Gives how many people were attested. */
export async function attestCommand(call: Call, csv: string): Promise<number> {
  const read = readAttestations(await readFile(csv, 'utf8'));
  if ('bad' in read) {
    for (const { line, reason } of read.bad) warn(`line ${line}: ${reason}`);
    throw new CommandError('Nothing was attested.');
  }
  const batch = PEOPLE_LIMITS.attestationsPerRequest;
  const phase = createProgress(process.stderr)(
    `batches of ${batch} people`,
    Math.ceil(read.length / batch),
  );
  try {
    for (let i = 0; i < read.length; i += batch) {
      const body = JSON.stringify({ attestations: read.slice(i, i + batch) });
      await call('/v1/admin/attestations', { method: 'POST', body });
      phase.advance();
    }
  } finally {
    phase.done();
  }
  return read.length;
}
