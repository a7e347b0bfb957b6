/**
 * The engine under the demo: the same processes as `npm start`, on a data directory that is thrown
 * away.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { SETTING_NAMES } from '../config.ts';
import { killOrphan } from '../redis/embedded.ts';

export type Engine = {
  /** `http://127.0.0.1:<port>` */
  readonly url: string;
  readonly operatorKey: string;
  /** Rejects when the engine ends before it is stopped; never resolves. */
  readonly died: Promise<never>;
  /** The end of what its processes wrote. */
  readonly lastWords: () => string;
  readonly stop: () => Promise<void>;
};

const START = fileURLToPath(new URL('../start.ts', import.meta.url));
const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 15_000;
const OUTPUT_KEPT = 4_000;

const SETTINGS: ReadonlySet<string> = new Set([...SETTING_NAMES, 'SETTINGS_FILE']);

/**
 * Of a process of an engine: what this one was given and these settings, and none that the shell
 * has exported for an engine elsewhere. Figures would depend on them, and nothing would say so.
 */
export const environmentWith = (settings: Readonly<Record<string, string>>): NodeJS.ProcessEnv => ({
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !SETTINGS.has(name))),
  ...settings,
});

/** `settings`: what the demo changes of the configuration (see config.ts). */
export async function startEngine(settings: Readonly<Record<string, string>>): Promise<Engine> {
  const dataDir = mkdtempSync(join(tmpdir(), 'fairslot-demo-'));
  const operatorKey = randomBytes(24).toString('hex');
  const child = spawn(process.execPath, [START], {
    env: environmentWith({
      NODE_ENV: 'development',
      HOST: '127.0.0.1',
      PORT: '0',
      METRICS_PORT: '0',
      SERVERS: '1', // the demo's people want the other cores
      REDIS_URL: '',
      FAIRSLOT_DATA_DIR: dataDir,
      FAIRSLOT_SECRET: randomBytes(24).toString('hex'),
      FAIRSLOT_OPERATOR_KEY: operatorKey,
      SMS_DRIVER: 'inbox',
      LOG_LEVEL: 'info',
      ...settings,
    }),
    // The channel tells the engine when this process is gone, however it went.
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    // A process group of its own: Ctrl-C reaches us alone, and we end the engine in order.
    detached: true,
  });
  const clean = (): void => rmSync(dataDir, { recursive: true, force: true, maxRetries: 5 });
  // Its Redis has a group of its own, and outlives an owner that is killed.
  const endAtOnce = (): void => {
    kill(child, 'SIGKILL');
    killOrphan(join(dataDir, 'redis'));
    clean();
  };
  process.once('exit', endAtOnce);
  const output = keepTail(child);
  let stopping = false;
  const died = new Promise<never>((_resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (status) => {
      if (!stopping) reject(new Error(`the engine ended with status ${status}`));
    });
  });
  died.catch(() => undefined); // whoever needs to know races against it
  const stop = async (): Promise<void> => {
    stopping = true;
    if (child.exitCode === null && child.signalCode === null) {
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      const timer = setTimeout(endAtOnce, STOP_TIMEOUT_MS);
      await ended;
      clearTimeout(timer);
    }
    process.removeListener('exit', endAtOnce);
    clean();
  };
  try {
    const url = await Promise.race([listening(child), died]);
    return { url, operatorKey, died, lastWords: output, stop };
  } catch (error) {
    await stop();
    throw withLastWords(error, output());
  }
}

/** A fault of the demo is most often one of the engine, which has said more about it. */
export const withLastWords = (error: unknown, words: string): Error =>
  new Error(
    `${error instanceof Error ? error.message : String(error)}\nThe engine's last words:\n${words}`,
    { cause: error },
  );

/** Waits for the log line that says where the engine listens. */
function listening(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new Error('the engine did not get ready')),
      START_TIMEOUT_MS,
    );
    if (!child.stdout) return;
    createInterface(child.stdout).on('line', (line) => {
      const url = /"listening":"(http:[^"]+)"/.exec(line)?.[1];
      if (url === undefined) return;
      clearTimeout(timer);
      resolve(url);
    });
  });
}

function keepTail(child: ChildProcess): () => string {
  let tail = '';
  const keep = (chunk: Buffer): void => {
    tail = (tail + chunk.toString('utf8')).slice(-OUTPUT_KEPT);
  };
  child.stdout?.on('data', keep);
  child.stderr?.on('data', keep);
  return () => tail;
}

/** Ends the engine's whole process group. */
function kill(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    // it has ended already
  }
}

/**
 * Whether a process may send from addresses of 127.0.0.0/8 other than 127.0.0.1: yes on Linux, not
 * on macOS.
 */
export function hasLoopbackAddresses(): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(0, '127.1.0.1', () => server.close(() => resolve(true)));
  });
}
