/**
 * A Postgres of its own in a temporary directory, behind a unix socket, as durable as the Redis beside
 * it: what is committed is on disk.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Client } from 'pg';
import { findProgram, onPath } from '../../src/install.ts';
import { assert } from '../../src/lib/assert.ts';
import { monotonicMs, sleep } from '../../src/lib/clock.ts';

export type Postgres = {
  /** Directory of its socket: the `host` of a client. */
  readonly socket: string;
  readonly pid: number;
  /** Ends it and removes its files. */
  readonly stop: () => Promise<void>;
};

export const DATABASE = { user: 'fairslot', database: 'postgres' } as const;

/** Defaults of Postgres, said since they are what is compared. */
const DURABLE = ['fsync=on', 'synchronous_commit=on'];
/** Each front has a pool of its own. */
const MAX_CONNECTIONS = 200;
const START_TIMEOUT_MS = 30_000;
const STOP_TIMEOUT_MS = 10_000;
/** Debian keeps the server's programs out of the PATH. */
const VERSIONS = '/usr/lib/postgresql';

function look(): string | undefined {
  const versions = existsSync(VERSIONS) ? readdirSync(VERSIONS) : [];
  return versions
    .toSorted((one, other) => Number(other) - Number(one))
    .map((version) => join(VERSIONS, version, 'bin', 'postgres'))
    .concat(onPath('postgres') ?? [])
    .find((path) => existsSync(path) && existsSync(join(dirname(path), 'initdb')));
}

/** Path of its program; installs it where there is none, or throws with instructions. */
export const findPostgres = (): string =>
  findProgram({
    need: 'The bench of peers needs a PostgreSQL server',
    look,
    packages: {
      'apt-get': 'postgresql',
      apk: 'postgresql',
      dnf: 'postgresql-server',
      brew: 'postgresql@17',
    },
  });

type User = { readonly uid?: number; readonly gid?: number };

/** It refuses to be run by root. */
function userToRunAs(): User {
  if (process.getuid?.() !== 0) return {};
  const users = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'));
  const found = ['postgres', 'nobody'].flatMap((name) => users.filter(([one]) => one === name))[0];
  assert(found, 'a user to run Postgres as');
  return { uid: Number(found[2]), gid: Number(found[3]) };
}

export async function startPostgres(): Promise<Postgres> {
  const program = findPostgres();
  const user = userToRunAs();
  // The socket's path is limited to about 100 bytes, so all of it lives right below the temporary one.
  const directory = mkdtempSync(join(tmpdir(), 'fs-pg-'));
  if (user.uid !== undefined) chownSync(directory, user.uid, user.gid ?? 0);
  const data = join(directory, 'data');
  const clean = (): void => remove(directory);
  try {
    initialize(join(dirname(program), 'initdb'), data, { ...user, cwd: directory });
  } catch (error) {
    clean();
    throw error;
  }
  const settings = [...DURABLE, 'listen_addresses=', `max_connections=${MAX_CONNECTIONS}`].flatMap(
    (setting) => ['-c', setting],
  );
  const child = spawn(
    program,
    ['-D', data, '-k', directory, ...settings],
    // In a group of its own: a Ctrl-C at the terminal is for its owner, who stops it last.
    { ...user, cwd: directory, detached: true, stdio: ['ignore', 'ignore', 'pipe'] },
  );
  const lastWords = tailOf(child);
  // SIGQUIT ends it at once with all its processes.
  const endOnExit = (): void => {
    child.kill('SIGQUIT');
    clean();
  };
  process.once('exit', endOnExit);
  const stop = async (): Promise<void> => {
    process.removeListener('exit', endOnExit);
    await end(child);
    clean();
  };
  try {
    await untilReady(directory, child, lastWords);
  } catch (error) {
    await stop();
    throw error;
  }
  return { socket: directory, pid: child.pid ?? 0, stop };
}

const REMOVE_TRIES = 40;
const REMOVE_AGAIN_MS = 50;

/**
 * Until it is gone: a Postgres that is ending still writes there, an exiting process cannot wait for
 * it, and rmSync with `force` says nothing of what it has to leave.
 */
function remove(directory: string): void {
  const nothing = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  for (let tries = 0; tries < REMOVE_TRIES && existsSync(directory); tries++) {
    if (tries > 0) Atomics.wait(nothing, 0, 0, REMOVE_AGAIN_MS);
    try {
      rmSync(directory, { recursive: true, force: true });
    } catch {
      // it is tried again
    }
  }
}

function initialize(initdb: string, data: string, options: User & { cwd: string }): void {
  const how = ['--auth=trust', `--username=${DATABASE.user}`, '--encoding=UTF8', '--locale=C'];
  const { status, stderr, error } = spawnSync(initdb, ['-D', data, '--no-sync', ...how], {
    ...options,
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`initdb failed: ${error?.message ?? stderr}`);
}

async function untilReady(
  socket: string,
  child: ChildProcess,
  lastWords: () => string,
): Promise<void> {
  const giveUpAt = monotonicMs() + START_TIMEOUT_MS;
  for (;;) {
    const client = new Client({ ...DATABASE, host: socket });
    client.on('error', () => undefined); // not ready yet
    const isReady = await client.connect().then(
      () => true,
      () => false,
    );
    await client.end().catch(() => undefined);
    if (isReady) return;
    if (child.exitCode !== null || monotonicMs() > giveUpAt)
      throw new Error(`Postgres did not get ready:\n${lastWords()}`);
    await sleep(50);
  }
}

/** SIGINT disconnects its clients and ends it in order. */
async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGINT');
  const timer = setTimeout(() => child.kill('SIGQUIT'), STOP_TIMEOUT_MS);
  await ended;
  clearTimeout(timer);
}

function tailOf(child: ChildProcess): () => string {
  let tail = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    tail = (tail + chunk.toString('utf8')).slice(-2_000);
  });
  return () => tail;
}
