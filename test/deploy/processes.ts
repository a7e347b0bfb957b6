/** Commands of the deployment as processes of this machine, on ports that are free. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { present } from '../../src/lib/assert.ts';
import { monotonicMs, sleep } from '../../src/lib/clock.ts';

export type Started = {
  readonly child: ChildProcess;
  /** The end of what it said. */
  readonly said: () => string;
};
type Options = {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** Without root, where this process has it. */
  readonly asNobody?: boolean;
};

/** Whoever owns nothing. */
export const NOBODY = 65_534;
export const isRoot = process.getuid?.() === 0;
const SAID_KEPT = 4_000;
const STOP_WITHIN_MS = 20_000;
const READY_WITHIN_MS = 20_000;
const LOOK_EVERY_MS = 100;

const demoted = (words: readonly string[]): readonly string[] => [
  'setpriv',
  `--reuid=${NOBODY}`,
  `--regid=${NOBODY}`,
  '--clear-groups',
  '--no-new-privs',
  '--bounding-set=-all',
  ...words,
];

/** `env` is all of its environment. It runs in a group of its own, which `stop` ends. */
export function start(words: readonly string[], { cwd, env, asNobody = false }: Options): Started {
  const [command = '', ...rest] = asNobody && isRoot ? demoted(words) : words;
  const child = spawn(command, rest, {
    cwd,
    env,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  const keep = (chunk: Buffer): void => {
    said = (said + chunk.toString('utf8')).slice(-SAID_KEPT);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  child.once('error', (error) => keep(Buffer.from(String(error))));
  const killOnExit = (): void => killGroup(child);
  process.once('exit', killOnExit);
  child.once('exit', () => process.removeListener('exit', killOnExit));
  return { child, said: () => said };
}

/** SIGTERM; gives the exit status, or null where it did not leave in time. */
export async function stop({ child }: Started): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  const timer = setTimeout(() => killGroup(child), STOP_WITHIN_MS);
  await ended;
  clearTimeout(timer);
  return child.exitCode;
}

function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // it has ended
  }
}

/** The status that a healthcheck gives: 0 is healthy. */
export function check(
  test: readonly string[],
  env: Readonly<Record<string, string>>,
): number | null {
  const [kind, ...words] = test;
  const [command = '', ...rest] = kind === 'CMD-SHELL' ? ['sh', '-c', ...words] : words;
  return spawnSync(command, rest, { env, timeout: 10_000 }).status;
}

/** Until the check passes; throws with what the process said where it does not. */
export async function healthy(isHealthy: () => boolean, { child, said }: Started): Promise<void> {
  const giveUpAt = monotonicMs() + READY_WITHIN_MS;
  while (!isHealthy()) {
    if (child.exitCode !== null || monotonicMs() > giveUpAt)
      throw new Error(`a process did not get healthy:\n${said()}`);
    await sleep(LOOK_EVERY_MS);
  }
}

/** A command with the ports that it was given here in place of its own. */
export const withPorts = (
  words: readonly string[],
  ports: Readonly<Record<string, number>>,
): string[] =>
  words.map((word) =>
    Object.entries(ports).reduce(
      (text, [own, given]) => text.replaceAll(new RegExp(`\\b${own}\\b`, 'g'), String(given)),
      word,
    ),
  );

/** Runs a program to its end. */
export async function finish(started: Started): Promise<number | null> {
  const { child } = started;
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  return present(child.exitCode, `an exit status; it said ${started.said()}`);
}
