/** `fairslot draw results`: the result files of a round as files, for a static host. */
import { existsSync } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Problem, problemOf } from '../../command-line.ts';
import type { Prepared } from '../../http/prepared.ts';
import { isRefusal } from '../../refusal.ts';
import { ReleaseId } from '../../releases/manifest.ts';
import { prefixOf } from './results.ts';
import type { RoundService } from '../service.ts';

/** Files that are made and written at a time. */
const AT_ONCE = 32;

export type Saved = { readonly directory: string; readonly files: number };

/**
 * Writes all files of a published round below the directory `to`, at the paths that the API has
 * them at, each beside its compressed form (`.gz`). They appear together: a directory that is there
 * is whole.
 */
export async function saveResults(
  rounds: Pick<RoundService, 'round' | 'resultFile'>,
  { release, round, to }: { readonly release: string; readonly round: string; readonly to: string },
): Promise<Saved | Problem> {
  const number = Number(round);
  if (!ReleaseId.safeParse(release).success || !Number.isSafeInteger(number) || number < 0)
    return { problem: `There is no round ${round} of ${release}.` };
  const directory = join(to, 'v1', 'releases', release, 'rounds', String(number), 'results');
  if (existsSync(directory)) return { problem: `${directory} is there already.` };
  const document = await rounds.round(release, number);
  if (isRefusal(document)) return problemOf(document);
  const cut = document['results'] as { prefixLength: number; files: number } | undefined;
  if (!cut) return { problem: `Round ${round} of ${release} has no result files.` };

  const arriving = `${directory}.part`;
  await rm(arriving, { force: true, recursive: true });
  await mkdir(arriving, { recursive: true });
  try {
    for (let first = 0; first < cut.files; first += AT_ONCE) {
      const count = Math.min(AT_ONCE, cut.files - first);
      const prefixes = Array.from({ length: count }, (_one, index) =>
        prefixOf(first + index, cut.prefixLength),
      );
      const refusals = await Promise.all(
        prefixes.map(async (prefix) => {
          const file = await rounds.resultFile(release, number, prefix);
          if (isRefusal(file)) return file;
          await save(join(arriving, prefix), file);
          return undefined;
        }),
      );
      const refusal = refusals.find((one) => one !== undefined);
      if (refusal) return problemOf(refusal);
    }
    await rename(arriving, directory);
  } finally {
    await rm(arriving, { force: true, recursive: true });
  }
  return { directory, files: cut.files };
}

async function save(path: string, { plain, gzip }: Prepared): Promise<void> {
  await writeFile(path, plain);
  if (gzip) await writeFile(`${path}.gz`, gzip);
}
