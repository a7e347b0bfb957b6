/** What a process that an operator starts is set to: the environment, and the file it names. */
import { readFileSync } from 'node:fs';
import { parseEnv } from 'node:util';
import { ConfigError, SETTING_NAMES } from './config.ts';
import { nearest } from './lib/nearest.ts';

/** The environment, and what SETTINGS_FILE adds to it now. Throws ConfigError where it cannot. */
export function environmentNow(): NodeJS.ProcessEnv {
  const { SETTINGS_FILE: file } = process.env;
  if (!file) return process.env;
  return { ...settingsOf(file), ...process.env };
}

function settingsOf(file: string): NodeJS.ProcessEnv {
  let settings: NodeJS.ProcessEnv;
  try {
    settings = parseEnv(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new ConfigError(`SETTINGS_FILE cannot be read: ${file}`, { cause: error });
  }
  const problems = Object.keys(settings)
    .toSorted()
    .flatMap((name) => problemOf(name) ?? []);
  if (problems.length > 0) throw new ConfigError(`SETTINGS_FILE ${file}: ${problems.join('; ')}`);
  return settings;
}

/** Of the file alone: the environment has names for others. NODE_… are Node's own. */
function problemOf(name: string): string | undefined {
  if (SETTING_NAMES.includes(name) || name.startsWith('NODE_')) return undefined;
  const meant = nearest(name, SETTING_NAMES);
  return `${name} is no setting${meant ? `: is ${meant} meant?` : ''}`;
}
