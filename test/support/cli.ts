/** The command line as a process, in a directory and an environment of its own. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import type { RedisAddress } from '../../src/redis/client.ts';

export const CLI = fileURLToPath(new URL('../../src/cli.ts', import.meta.url));

export type CliOutcome = { readonly status: number; readonly out: string; readonly err: string };

/** `settings`: all of its environment but PATH. */
export async function runCli(
  parameters: readonly string[],
  { cwd, settings }: { readonly cwd: string; readonly settings: Readonly<Record<string, string>> },
): Promise<CliOutcome> {
  const child = spawn(process.execPath, [CLI, ...parameters], {
    cwd,
    env: { PATH: process.env['PATH'], ...settings },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [out, err, [status]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'exit'),
  ]);
  return { out: out.trim(), err: err.trim(), status: Number(status) };
}

export const settingsOf = ({ url, cluster }: RedisAddress): Record<string, string> => ({
  REDIS_URL: url,
  REDIS_CLUSTER: String(cluster),
});
