/** Finds python3, or has the system's package manager install it: verify/verify_draw.py needs no more. */
import { spawnSync } from 'node:child_process';

const PACKAGE_MANAGERS = [
  ['apt-get', ['update', '-q'], ['install', '-y', '-q', '--no-install-recommends', 'python3']],
  ['apk', ['add', '--no-progress', 'python3']],
  ['dnf', ['install', '-y', '-q', 'python3']],
  ['brew', ['install', '--quiet', 'python3']],
] as const;

/** Where the program is, which may not be where the PATH has it: version managers put scripts there. */
const WHERE = 'import sys; assert sys.version_info >= (3, 9); print(sys.executable)';

const lookUp = (): string | undefined => {
  for (const command of ['python3', '/usr/bin/python3']) {
    const { status, stdout } = spawnSync(command, ['-c', WHERE], { encoding: 'utf8' });
    if (status === 0) return stdout.trim();
  }
  return undefined;
};

const exists = (command: string): boolean =>
  spawnSync(command, ['--version'], { stdio: 'ignore' }).status === 0;

/** What to spawn for Python 3.9 or later. Throws with instructions where there is none to be had. */
export function findPython(): string {
  return lookUp() ?? install();
}

function install(): string {
  const manager = PACKAGE_MANAGERS.find(([command]) => exists(command));
  if (!manager) throw new Error(byHand('your package manager'));
  const [command, ...steps] = manager;
  const prefix = command === 'brew' || process.getuid?.() === 0 ? [] : ['sudo', '-n'];
  let output = '';
  for (const step of steps) {
    const [program = '', ...args] = [...prefix, command, ...step];
    output = spawnSync(program, args, {
      encoding: 'utf8',
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    }).stderr;
  }
  const found = lookUp();
  if (found === undefined) throw new Error(`${byHand(command)}\n${output}`);
  return found;
}

const byHand = (how: string): string =>
  `These tests need Python 3.9 or later as python3. Install it with ${how}, as an administrator.`;
