/** Finds a program of the system, or has its package manager install it. */
import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

type Manager = 'apt-get' | 'apk' | 'dnf' | 'brew';

/** Commands that install a package. What fails shows in the program that is still not there. */
const STEPS: Readonly<Record<Manager, readonly (readonly string[])[]>> = {
  'apt-get': [
    ['update', '-q'],
    ['install', '-y', '-q', '--no-install-recommends'],
  ],
  apk: [['add', '--no-progress']],
  dnf: [['install', '-y', '-q']],
  brew: [['install', '--quiet']],
};

export type Wanted = {
  /** What needs it, and which: "fairslot needs redis-server 7.0 or later". */
  readonly need: string;
  /** Its path, or undefined where there is none. */
  readonly look: () => string | undefined;
  /** Name of the package that has it. */
  readonly packages: Readonly<Partial<Record<Manager, string>>>;
  /** What else would do: "set REDIS_URL to a Redis that is running". */
  readonly otherwise?: string;
};

/** Path of a program; installs it first where there is none. Throws with instructions. */
export function findProgram(wanted: Wanted): string {
  return wanted.look() ?? install(wanted);
}

/** Path of the first of these programs that the PATH has. */
export function onPath(...programs: readonly string[]): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  return programs
    .flatMap((program) => folders.map((folder) => join(folder, program)))
    .find(isProgram);
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function install({ need, look, packages, otherwise }: Wanted): string {
  const managers = Object.keys(packages) as Manager[];
  const manager = managers.find((one) => onPath(one) !== undefined);
  let said = '';
  if (manager) {
    process.stderr.write(`${need}, and there is none: installing it with ${manager} …\n`);
    said = runSteps(manager, packages[manager] ?? '');
    const found = look();
    if (found !== undefined) return found;
  }
  const byHand = manager ? `${manager}, package ${packages[manager]}` : 'your package manager';
  throw new Error(
    `${need}. Install it with ${byHand}, as an administrator` +
      `${otherwise === undefined ? '' : `, or ${otherwise}`}.\n${said}`.trimEnd(),
  );
}

/** Gives what the last of the commands said on its standard error. */
function runSteps(manager: Manager, name: string): string {
  // Homebrew refuses to be run as an administrator, everything else must be.
  const prefix = manager === 'brew' || process.getuid?.() === 0 ? [] : ['sudo', '-n'];
  let said = '';
  for (const step of STEPS[manager]) {
    const last = step === STEPS[manager].at(-1);
    const [command = '', ...args] = [...prefix, manager, ...step, ...(last ? [name] : [])];
    const { stderr, error } = spawnSync(command, args, {
      encoding: 'utf8',
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    });
    said = error?.message ?? stderr;
  }
  return said;
}
