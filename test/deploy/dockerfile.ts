/** The Dockerfile, and its last stage put together outside a container. */
import {
  chmodSync,
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  statSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { present } from '../../src/lib/assert.ts';
import { ROOT, text } from './compose.ts';

export type Instruction = { readonly name: string; readonly rest: string };

export const instructions = (): Instruction[] =>
  text('Dockerfile')
    .replaceAll('\\\n', ' ')
    .split('\n')
    .filter((line) => /^[A-Z]/.test(line))
    .map((line) => {
      const [name = '', ...rest] = line.split(' ');
      return { name, rest: rest.join(' ').trim() };
    });

/** Of the stage that runs. */
export function lastStage(): Instruction[] {
  const all = instructions();
  return all.slice(all.findLastIndex(({ name }) => name === 'FROM'));
}

/** The words of an instruction in its JSON form: of CMD, and of CMD within HEALTHCHECK. */
export function wordsOf(name: 'CMD' | 'HEALTHCHECK'): string[] {
  const { rest } = present(
    lastStage().find((one) => one.name === name),
    name,
  );
  return JSON.parse(rest.slice(rest.indexOf('['))) as string[];
}

/** Whether .dockerignore, which excludes all and then takes back, lets this through. */
const isSent = (path: string): boolean =>
  text('.dockerignore')
    .split('\n')
    .some((line) => line.startsWith('!') && `${path}/`.startsWith(`${line.slice(1)}/`));

/** What `npm ci --omit=dev --omit=optional` leaves, by the lock file. */
function productionPackages(): string[] {
  const lock = JSON.parse(text('package-lock.json')) as {
    packages: Record<string, { dev?: boolean; optional?: boolean; devOptional?: boolean }>;
  };
  return Object.entries(lock.packages)
    .filter(([path, { dev, optional, devOptional }]) => path && !dev && !optional && !devOptional)
    .map(([path]) => path);
}

function put(source: string, target: string): void {
  mkdirSync(dirname(target), { recursive: true });
  if (!statSync(source).isDirectory()) return link(source, target);
  mkdirSync(target, { recursive: true });
  for (const name of readdirSync(source)) {
    // Packages within packages are on the list by themselves.
    if (name !== 'node_modules') put(join(source, name), join(target, name));
  }
}

/** Thousands of files: they are linked where they can be. */
function link(source: string, target: string): void {
  try {
    linkSync(source, target);
  } catch {
    copyFileSync(source, target);
  }
}

/** Puts into an empty directory what the image has in its WORKDIR, and nothing else. */
export function assembleImage(directory: string): void {
  for (const { name, rest } of lastStage()) {
    if (name !== 'COPY') continue;
    const words = rest.split(' ').filter((word) => word !== '');
    if (words[0]?.startsWith('--from=dependencies')) {
      for (const path of productionPackages()) put(join(ROOT, path), join(directory, path));
      continue;
    }
    const into = words.at(-1) ?? '';
    for (const source of words.slice(0, -1)) {
      if (!isSent(source)) throw new Error(`.dockerignore keeps ${source} from the Dockerfile`);
      if (!existsSync(join(ROOT, source))) throw new Error(`there is no ${source} to copy`);
      const target = into.endsWith('/') ? join(directory, into, source) : join(directory, into);
      copyTree(join(ROOT, source), target);
    }
  }
}

/** Copies: what is linked would lose the rights that are taken from it here. */
function copyTree(source: string, target: string): void {
  mkdirSync(dirname(target), { recursive: true });
  if (!statSync(source).isDirectory()) return copyFileSync(source, target);
  for (const name of readdirSync(source)) copyTree(join(source, name), join(target, name));
}

/** Nobody but its owner may change anything below; and the owner neither, unless it is root. */
export function makeReadOnly(directory: string): void {
  for (const name of readdirSync(directory)) {
    const path = join(directory, name);
    if (name === 'node_modules') continue; // linked with those of the project
    if (statSync(path).isDirectory()) makeReadOnly(path);
    else chmodSync(path, 0o444);
  }
  chmodSync(directory, 0o555);
}
