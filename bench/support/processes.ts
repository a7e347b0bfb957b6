/** Servers in processes of their own, and what they cost. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { environmentWith } from '../../src/demo/engine.ts';

export type ServerProcess = {
  /** `http://127.0.0.1:<port>` */
  readonly url: string;
  readonly pid: number;
  readonly stop: () => Promise<void>;
};

const ROOT = new URL('../../', import.meta.url);
const START_TIMEOUT_MS = 20_000;
const STOP_TIMEOUT_MS = 15_000;

/**
 * Runs a program of this project until it logs `{"listening":"http://…"}`. `settings`: its
 * environment; `nodeOptions`: what goes before the program's name.
 */
export async function startServer(
  program: string,
  settings: Readonly<Record<string, string>>,
  nodeOptions: readonly string[] = [],
): Promise<ServerProcess> {
  const child = spawn(process.execPath, [...nodeOptions, fileURLToPath(new URL(program, ROOT))], {
    env: environmentWith({
      HOST: '127.0.0.1',
      PORT: '0',
      METRICS_PORT: '0',
      CAPTCHA_DRIVER: 'none',
      ...settings,
    }),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const killOnExit = (): void => void child.kill('SIGKILL');
  process.once('exit', killOnExit);
  const stop = async (): Promise<void> => {
    process.removeListener('exit', killOnExit);
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
    await ended;
    clearTimeout(timer);
  };
  try {
    return { url: await listening(program, child), pid: child.pid ?? 0, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function listening(program: string, child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    const fail = (how: string): void => reject(new Error(`${program} ${how}`));
    const timer = setTimeout(() => fail('did not get ready'), START_TIMEOUT_MS);
    child.once('exit', (status) => fail(`ended with status ${status}`));
    if (!child.stdout) return;
    createInterface(child.stdout).on('line', (line) => {
      const url = /"listening":"(http:[^"]+)"/.exec(line)?.[1];
      if (url === undefined) return;
      clearTimeout(timer);
      resolve(url);
    });
  });
}

const MS_PER_TICK = 10; // USER_HZ is 100 on every Linux that Node runs on

/**
 * Milliseconds of CPU that a process has used, its threads included; NaN where there is no /proc.
 */
export function cpuMs(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // proc(5): utime and stime are fields 14 and 15; the name before them may hold spaces.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) * MS_PER_TICK;
  } catch {
    return Number.NaN;
  }
}
