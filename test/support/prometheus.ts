/** Prometheus and its promtool, as the system's package has them. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findProgram, onPath } from '../../src/install.ts';
import { monotonicMs, sleep } from '../../src/lib/clock.ts';
import { freePort } from '../../src/redis/embedded.ts';

const READY_WITHIN_MS = 60_000;

/** Path of one of the two; installs both where there is none, or throws with instructions. */
export const findPrometheus = (program: 'prometheus' | 'promtool' = 'prometheus'): string =>
  findProgram({
    need: `The tests of dashboards and alerts need ${program}`,
    look: () => onPath(program),
    packages: { 'apt-get': 'prometheus', apk: 'prometheus', brew: 'prometheus' },
  });

/** What promtool says, and whether it is content. */
export function promtool(...parameters: readonly string[]): { isGood: boolean; said: string } {
  const { status, stdout, stderr } = spawnSync(findPrometheus('promtool'), parameters, {
    encoding: 'utf8',
    timeout: 30_000,
  });
  return { isGood: status === 0, said: `${stdout}${stderr}` };
}

/** One series at one instant. */
export type Sample = {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: number;
};

export type Prometheus = {
  /** Throws for an expression that Prometheus does not take. */
  readonly query: (expression: string) => Promise<Sample[]>;
  /** Of its HTTP API, below `/api/v1/`. */
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look at what they expect
  readonly get: (path: string) => Promise<any>;
  readonly stop: () => Promise<void>;
};

/** Runs one with these files in its folder, of which `prometheus.yml` is read first. */
export async function startPrometheus(
  files: Readonly<Record<string, string>>,
): Promise<Prometheus> {
  const program = findPrometheus();
  const folder = mkdtempSync(join(tmpdir(), 'fairslot-prometheus-'));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  const url = `http://127.0.0.1:${await freePort()}`;
  const child = spawn(
    program,
    [
      `--config.file=${join(folder, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=${url.slice('http://'.length)}`,
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString('utf8')).slice(-4_000);
  });
  const killOnExit = (): void => void child.kill('SIGKILL');
  process.once('exit', killOnExit);
  const stop = async (): Promise<void> => {
    process.removeListener('exit', killOnExit);
    if (child.exitCode === null && child.signalCode === null) {
      const ended = once(child, 'exit');
      child.kill('SIGKILL'); // nothing of it is kept
      await ended;
    }
    rmSync(folder, { recursive: true, force: true });
  };
  const giveUpAt = monotonicMs() + READY_WITHIN_MS;
  while (!(await isReady(url))) {
    if (child.exitCode === null && monotonicMs() < giveUpAt) {
      await sleep(50);
      continue;
    }
    await stop();
    throw new Error(`prometheus did not get ready:\n${said}`);
  }
  const get = async (path: string) => {
    const answer = await fetch(`${url}/api/v1/${path}`);
    const body = (await answer.json()) as { status: string; data: unknown; error?: string };
    if (body.status !== 'success') throw new Error(`${path}: ${body.error}`);
    return body.data;
  };
  return { get, query: (expression) => queried(get, expression), stop };
}

const isReady = (url: string): Promise<boolean> =>
  fetch(`${url}/-/ready`).then(
    ({ ok }) => ok,
    () => false,
  );

type Answer = {
  readonly resultType: 'vector' | 'scalar';
  readonly result: readonly { metric: Record<string, string>; value: [number, string] }[];
};

async function queried(
  get: (path: string) => Promise<unknown>,
  expression: string,
): Promise<Sample[]> {
  const { result } = (await get(`query?query=${encodeURIComponent(expression)}`)) as Answer;
  return result.map(({ metric, value }) => ({ metric, value: Number(value[1]) }));
}
