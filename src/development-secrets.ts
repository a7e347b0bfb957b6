/**
 * Secrets of a developer's machine, where none are set: kept beside its data, so that restarts
 * understand what was written before.
 */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigError, type SecretName, type UnsetSecret } from './config.ts';

const MEMBERS: Record<SecretName, 'secret' | 'operatorKey'> = {
  FAIRSLOT_SECRET: 'secret',
  FAIRSLOT_OPERATOR_KEY: 'operatorKey',
};
const fileIn = (dataDir: string): string => join(dataDir, 'secrets.json');

/** Of an engine: made where there is none, but in production. */
export const developmentSecret: UnsetSecret = (name, { NODE_ENV, FAIRSLOT_DATA_DIR: dataDir }) => {
  if (NODE_ENV === 'production') return undefined;
  const file = fileIn(dataDir);
  if (!existsSync(file)) {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    const fresh = {
      secret: randomBytes(32).toString('base64url'),
      operatorKey: randomBytes(32).toString('base64url'),
    };
    writeFileSync(file, JSON.stringify(fresh), { mode: 0o600 });
  }
  return read(file, name);
};

/** Of whoever works beside an engine: one that the engine does not know would be of no use. */
export const enginesSecret: UnsetSecret = (name, { NODE_ENV, FAIRSLOT_DATA_DIR: dataDir }) => {
  const file = fileIn(dataDir);
  if (NODE_ENV === 'production' || !existsSync(file))
    throw new ConfigError(`Set ${name}, as the engine has it.`);
  return read(file, name);
};

const read = (file: string, name: SecretName): string =>
  (JSON.parse(readFileSync(file, 'utf8')) as Record<'secret' | 'operatorKey', string>)[
    MEMBERS[name]
  ];
