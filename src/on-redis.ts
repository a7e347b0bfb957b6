/** For commands that work on Redis itself: which Redis, and what is wrong with it. */
import { join } from 'node:path';
import type { Problem } from './command-line.ts';
import { type Config, readConfig, type UnsetSecret } from './config.ts';
import { enginesSecret } from './development-secrets.ts';
import { createSecrets } from './lib/secrets.ts';
import { createLog, type Log } from './log.ts';
import { placeOf } from './redis/address.ts';
import { failureOf } from './redis/away.ts';
import { connectRedis, disconnectRedis, type Redis } from './redis/client.ts';
import { embeddedAddress } from './redis/embedded.ts';
import { misfitOf } from './redis/fit.ts';
import { environmentNow } from './settings-file.ts';

/** `log`: silent, since a command says for itself what is wrong. */
export type OnRedis = { readonly redis: Redis; readonly config: Config; readonly log: Log };

/** On Redis nobody is asked for an operator key. */
const unsetOnRedis: UnsetSecret = (name, set) =>
  name === 'FAIRSLOT_OPERATOR_KEY' ? '' : enginesSecret(name, set);

/** What `work` gave, or why Redis could not be worked on. */
export async function onRedis<T>(
  work: (on: OnRedis) => Promise<T>,
  { isReplaced = false }: { readonly isReplaced?: boolean },
): Promise<T | Problem> {
  const config = readConfig(environmentNow(), unsetOnRedis);
  const address = config.redis ?? embeddedAddress(join(config.dataDir, 'redis'));
  if (!address) return { problem: 'Set REDIS_URL: no embedded Redis runs here.' };
  const redis = connectRedis(address);
  let lost: Error | undefined;
  redis.on('error', (error: Error) => {
    lost = error;
  });
  const mark = isReplaced ? 'replaced' : 'compared';
  const misfit = misfitOf(redis, createSecrets(config.secret), { mark });
  try {
    const problem = await misfit().catch((error: Error) => {
      const name = config.redis ? 'REDIS_URL' : 'FAIRSLOT_DATA_DIR';
      const [says, why] =
        error.name === 'ReplyError' ? ['refuses', error] : ['does not answer', lost ?? error];
      return `Redis at ${placeOf(address)} (${name}) ${says}: ${failureOf(why)}`;
    });
    if (problem !== undefined) return { problem };
    return await work({ redis, config, log: createLog('silent') });
  } finally {
    await disconnectRedis(redis);
  }
}
