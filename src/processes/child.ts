/**
 * One process of a machine, as `npm start` made it: its name among the others, and what it says to
 * the process that started it. One that was started alone has a name too, and nobody to talk to.
 */
import cluster from 'node:cluster';
import type { Registry } from 'prom-client';
import { sleep } from '../lib/clock.ts';
import type { Redis } from '../redis/client.ts';

/** What each end of the channel says. */
export type ToChild = { readonly ask: 'metrics' };
export type FromChild =
  /** It does its work, and has reached Redis. */
  | { readonly tell: 'ready' }
  /** Its metrics, as Prometheus reads them; no page where they could not be read. */
  | { readonly tell: 'metrics'; readonly page?: string };

const NAME = /^(?:server|worker)-\d{1,4}$/;
const REDIS_PACE_MS = 100;

export type Membership = {
  /** `server-1`, `worker-1` and so on. */
  readonly name: string;
  /** Tells whoever started this process that it is ready, as soon as Redis answers. */
  readonly ready: (redis: Redis) => Promise<void>;
};

/** Labels every series of this process with its name, and gives them to whoever started it. */
export function joinMachine(kind: 'server' | 'worker', registry: Registry): Membership {
  const [, , given = ''] = process.argv;
  const name = NAME.test(given) ? given : `${kind}-1`;
  registry.setDefaultLabels({ process: name });
  // Else node:cluster ends this process at once when the starting one is gone, whoever waits.
  if (cluster.worker) cluster.worker.exitedAfterDisconnect = true;
  // Until it is ready there is nothing to finish, and a server that waits for its port would wait
  // for ever: the starting process, which is gone, has the port.
  const leave = (): void => process.exit(1);
  process.once('disconnect', leave);
  // A reload of a whole process group is for the starting process.
  if (process.connected) process.on('SIGHUP', () => undefined);
  process.on('message', (message: ToChild) => {
    if (message.ask !== 'metrics') return;
    registry.metrics().then(
      (page) => say({ tell: 'metrics', page }),
      // While it starts, say. Without an answer it would never be asked again.
      () => say({ tell: 'metrics' }),
    );
  });
  const ready = async (redis: Redis): Promise<void> => {
    while (process.connected && !(await answers(redis))) await sleep(REDIS_PACE_MS);
    process.off('disconnect', leave);
    say({ tell: 'ready' });
  };
  return { name, ready };
}

/** A channel that has just closed is told of by 'disconnect'. */
const say = (message: FromChild): void => {
  if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
};

const answers = (redis: Redis): Promise<boolean> =>
  redis.ping().then(
    () => true,
    () => false,
  );
