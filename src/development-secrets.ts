import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Secrets for a developer's machine, kept beside its data so that restarts understand what was
 * written before.
 */
export function developmentSecrets(dataDir: string): { secret: string; operatorKey: string } {
  const file = join(dataDir, 'secrets.json');
  if (!existsSync(file)) {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    const fresh = {
      secret: randomBytes(32).toString('base64url'),
      operatorKey: randomBytes(32).toString('base64url'),
    };
    writeFileSync(file, JSON.stringify(fresh), { mode: 0o600 });
  }
  return JSON.parse(readFileSync(file, 'utf8')) as { secret: string; operatorKey: string };
}
