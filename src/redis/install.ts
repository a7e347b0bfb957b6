/** Finds redis-server (or valkey-server), or has the system's package manager install it. */
import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

const SERVERS = ['redis-server', 'valkey-server'] as const;

type PackageManager = { readonly command: string; readonly steps: readonly (readonly string[])[] };

const PACKAGE_MANAGERS: readonly PackageManager[] = [
  {
    command: 'apt-get',
    steps: [
      ['update', '-q'],
      ['install', '-y', '-q', '--no-install-recommends', 'redis-server'],
    ],
  },
  { command: 'apk', steps: [['add', '--no-progress', 'redis']] },
  { command: 'dnf', steps: [['install', '-y', '-q', 'valkey']] },
  { command: 'brew', steps: [['install', '--quiet', 'redis']] },
];

/**
 * Path of the server's program; installs it first where none is found. Throws with instructions
 * when it can't.
 */
export function findRedisServer(): string {
  return lookUp() ?? install();
}

const lookUp = (): string | undefined => SERVERS.map(onPath).find((path) => path !== undefined);

function install(): string {
  const manager = PACKAGE_MANAGERS.find(({ command }) => onPath(command));
  if (!manager) throw new Error(byHand('your package manager'));
  const mayInstall = manager.command === 'brew' || process.getuid?.() === 0;
  const prefix = mayInstall ? [] : ['sudo', '-n'];
  process.stderr.write(
    `No redis-server on this machine: installing it with ${manager.command} …\n`,
  );
  for (const step of manager.steps) {
    const [command = '', ...args] = [...prefix, manager.command, ...step];
    const result = spawnSync(command, args, {
      encoding: 'utf8',
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    });
    // apt's update may fail for one of several sources and the install still work: the last step
    // decides.
    if (result.status !== 0 && step === manager.steps.at(-1)) {
      throw new Error(`${byHand(`${manager.command} ${step.join(' ')}`)}\n${result.stderr ?? ''}`);
    }
  }
  const found = lookUp();
  if (!found) throw new Error(byHand(manager.command));
  return found;
}

const byHand = (how: string): string =>
  `fairslot needs redis-server 7.0 or later (or valkey-server). Install it with ${how}, as an administrator, or set REDIS_URL to a Redis that is running.`;

function onPath(program: string): string | undefined {
  for (const directory of (process.env['PATH'] ?? '').split(delimiter)) {
    const path = join(directory, program);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // not here: the next directory
    }
  }
  return undefined;
}
