/** Python, for the tests of verify/verify_draw.py, which needs nothing else. */
import { spawnSync } from 'node:child_process';
import { findProgram } from '../../src/install.ts';

/** Where the program is, which may not be where the PATH has it: version managers put scripts there. */
const WHERE = 'import sys; assert sys.version_info >= (3, 9); print(sys.executable)';

function look(): string | undefined {
  for (const command of ['python3', '/usr/bin/python3']) {
    const { status, stdout } = spawnSync(command, ['-c', WHERE], { encoding: 'utf8' });
    if (status === 0) return stdout.trim();
  }
  return undefined;
}

/** What to spawn for Python 3.9 or later. Throws with instructions where there is none to be had. */
export const findPython = (): string =>
  findProgram({
    need: 'These tests need Python 3.9 or later as python3',
    look,
    packages: { 'apt-get': 'python3', apk: 'python3', dnf: 'python3', brew: 'python3' },
  });
