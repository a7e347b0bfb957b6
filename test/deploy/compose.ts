/** docker-compose.yml as it is written, and as docker-compose resolves it with an .env file. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parse } from 'yaml';
import { findProgram, onPath } from '../../src/install.ts';

export const ROOT = resolve(import.meta.dirname, '../..');
const FILE = 'docker-compose.yml';

type Healthcheck = {
  readonly test?: readonly [kind: 'CMD' | 'CMD-SHELL', ...parts: string[]];
  readonly disable?: boolean;
};
export type Service = {
  readonly image: string;
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly volumes?: readonly string[];
  readonly ports?: readonly string[];
  readonly networks?: readonly string[];
  readonly healthcheck?: Healthcheck;
  readonly restart: string;
  readonly read_only?: boolean;
  readonly tmpfs?: readonly string[];
  readonly cap_drop?: readonly string[];
  readonly security_opt?: readonly string[];
  readonly logging?: { readonly options: Readonly<Record<string, string>> };
  readonly stop_grace_period?: string;
  readonly mem_limit?: string;
  readonly cpus?: number | string;
};
export type Compose = {
  readonly services: Readonly<Record<string, Service>>;
  readonly networks: Readonly<Record<string, { readonly internal?: boolean } | null>>;
};

export const text = (file: string): string => readFileSync(join(ROOT, file), 'utf8');

/** With its `${…}` as they stand. */
export const written = (): Compose => parse(text(FILE), { merge: true }) as Compose;

export const SECRETS = {
  FAIRSLOT_SECRET: '0123456789abcdef'.repeat(4),
  FAIRSLOT_OPERATOR_KEY: 'fedcba9876543210'.repeat(4),
  REDIS_PASSWORD: '0123456789abcdef'.repeat(3),
} as const;

/** .env.example as somebody fills it in who was told to. */
export function exampleWith(settings: Readonly<Record<string, string>>): string {
  const lines = text('.env.example').split('\n');
  const given = Object.keys(settings).map((name) => `${name}=`);
  const kept = lines.filter((line) => !given.some((start) => line.startsWith(start)));
  return [...kept, ...Object.entries(settings).map(([name, value]) => `${name}=${value}`)].join(
    '\n',
  );
}

export const findCompose = (): string =>
  findProgram({
    need: 'The test of docker-compose.yml needs docker-compose',
    look: () => onPath('docker-compose'),
    packages: {
      'apt-get': 'docker-compose',
      apk: 'docker-compose',
      dnf: 'docker-compose',
      brew: 'docker-compose',
    },
  });

/** `docker-compose config` with this .env file, and with nothing of the environment but the PATH. */
export function resolveWith(environmentFile: string): {
  readonly status: number | null;
  readonly said: string;
  readonly compose: () => Compose;
} {
  const directory = mkdtempSync(join(tmpdir(), 'fairslot-compose-'));
  try {
    copyFileSync(join(ROOT, FILE), join(directory, FILE));
    writeFileSync(join(directory, '.env'), environmentFile);
    const { status, stdout, stderr } = spawnSync(findCompose(), ['--profile', 'load', 'config'], {
      cwd: directory,
      env: { PATH: process.env['PATH'], HOME: directory },
      encoding: 'utf8',
    });
    return { status, said: stderr, compose: () => parse(stdout) as Compose };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
