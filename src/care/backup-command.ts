/** `fairslot backup` and `fairslot restore`: work on Redis itself. */
import { existsSync } from 'node:fs';
import type { Problem } from '../command-line.ts';
import type { Config } from '../config.ts';
import { createProgress, type Phase } from '../progress.ts';
import { createSecrets } from '../lib/secrets.ts';
import type { Redis } from '../redis/client.ts';
import { HoldLost } from '../redis/hold.ts';
import { type BackupDone, backUp } from './backup.ts';
import { type Restored, restore } from './restore.ts';

type Shared = {
  readonly redis: Redis;
  readonly config: Pick<Config, 'secret'>;
  readonly file: string;
};

/** A phase of progress that begins with its first key, once it is known how many there are. */
function keysOnStderr() {
  const begin = createProgress(process.stderr);
  let phase: Phase | undefined;
  return {
    advance: (title: string, total: number): void => {
      phase ??= begin(title, total);
      phase.advance();
    },
    done: (): void => {
      phase?.done();
      phase = undefined;
    },
  };
}

export async function backupCommand({
  redis,
  config,
  file,
  holdAtMost,
}: Shared & { readonly holdAtMost: string }): Promise<BackupDone | Problem> {
  const seconds = Number(holdAtMost);
  if (!Number.isInteger(seconds) || seconds < 1)
    return { problem: '--hold-at-most: a whole number of seconds' };
  if (existsSync(file)) return { problem: `${file} is there already. Nothing was written.` };
  const progress = keysOnStderr();
  try {
    return await backUp({
      redis,
      secrets: createSecrets(config.secret),
      file,
      holdAtMostMs: seconds * 1000,
      onKey: (total) => progress.advance('keys saved', total),
    });
  } catch (error) {
    if (error instanceof HoldLost)
      return { problem: `${error.message} No backup was taken; ${file} was not written.` };
    throw error;
  } finally {
    progress.done();
  }
}

export async function restoreCommand({
  redis,
  config,
  file,
  replace,
}: Shared & { readonly replace: boolean }): Promise<Restored | Problem> {
  if (!existsSync(file)) return { problem: `There is no file ${file}.` };
  const progress = keysOnStderr();
  let checked = 0;
  let isRestoring = false;
  try {
    return await restore({
      redis,
      secrets: createSecrets(config.secret),
      file,
      replace,
      onKey: (phase) => {
        if (phase === 'checking') {
          checked += 1;
          return;
        }
        if (!isRestoring) progress.done();
        isRestoring = true;
        progress.advance('keys restored', checked);
      },
    });
  } finally {
    progress.done();
  }
}
