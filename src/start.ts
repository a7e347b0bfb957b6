/**
 * `npm start`: a whole engine on one machine. Starts an embedded Redis where none is configured,
 * then servers on one port and workers as processes of their own, starts again what dies, replaces
 * all of them on SIGHUP, and stops everything on SIGTERM or Ctrl-C.
 */
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { isatty } from 'node:tty';
import { ConfigError, readConfig } from './config.ts';
import { developmentSecret } from './development-secrets.ts';
import { openMonitor } from './http/monitor.ts';
import { present } from './lib/assert.ts';
import { createSecrets } from './lib/secrets.ts';
import { createLog, type Log } from './log.ts';
import { createGather, merge } from './processes/gather.ts';
import { createLaunch, namesOf } from './processes/launch.ts';
import { createMachineMetrics, type MachineMetrics } from './metrics/machine.ts';
import { PATIENCE_MS } from './metrics/patience.ts';
import { type Plan, supervise, type Supervisor } from './processes/supervise.ts';
import { environmentNow } from './settings-file.ts';
import { onStop } from './stop.ts';
import { placeOf } from './redis/address.ts';
import { connectRedis, disconnectRedis, type RedisAddress } from './redis/client.ts';
import { freePort, startEmbeddedRedis } from './redis/embedded.ts';
import { misfitOf } from './redis/fit.ts';

/** Longer than a child takes, and Redis after it. */
const STOP_WITHIN_MS = 30_000;

const wasAtTerminal = isatty(0);
/** A terminal that is gone says so by the signal that asks for a roll. */
const isTerminalGone = (): boolean => wasAtTerminal && !isatty(0);
/**
 * Until there is something to roll or to stop; by default a signal would leave Redis behind, which
 * an exit kills.
 */
const leaveEarly = (): void => process.exit(1);
const hearEarly = (): void => {
  if (isTerminalGone()) leaveEarly();
};
process.on('SIGTERM', leaveEarly);
process.on('SIGINT', leaveEarly);
process.on('SIGHUP', hearEarly);

async function start(): Promise<void> {
  const config = readConfig(environmentNow(), developmentSecret);
  const log = createLog(config.logLevel).child({ process: 'start' });
  const redis = config.redis
    ? undefined
    : await startEmbeddedRedis({
        dataDir: join(config.dataDir, 'redis'),
        onDeath: (lastWords) => log.error({ lastWords }, 'redis-server ended and is started again'),
        onFull: (isFull) =>
          isFull
            ? log.error('the disk is full: nothing is written, and reads go on')
            : log.info('the disk has room: writes are taken again'),
        onLoading: (loadedPercent) => log.info({ loadedPercent }, 'redis-server loads its file'),
      });
  try {
    const address = redis?.address ?? present(config.redis, 'REDIS_URL');
    const place = redis ? `embedded, ${redis.dataDir}` : placeOf(address);
    log.info({ redis: place }, 'the data are in this Redis');
    await expectFit(address, config.secret);
  } catch (error) {
    await redis?.stop();
    throw error;
  }
  const kept: NodeJS.ProcessEnv = {
    ...(redis && { REDIS_URL: redis.address.url, REDIS_CLUSTER: 'false' }),
    // One that stays the same when the only server dies and another takes its place.
    ...(config.port === 0 && { PORT: String(await freePort()) }),
  };
  const supervisor = supervise(planNow(kept), {
    log,
    onDeath: (name) => metrics.restarts.inc({ process: name }),
  });
  const metrics = createMachineMetrics(supervisor);
  const gather = createGather(PATIENCE_MS.process);
  const { registry } = metrics;
  const page = async (): Promise<string> =>
    merge([await registry.metrics(), ...(await gather(supervisor.running()))]);
  const monitor = await openMonitor(
    { contentType: registry.contentType, metrics: page },
    { host: config.host, port: config.metricsPort },
    log,
  );
  const stop = onStop(
    log,
    async () => {
      await supervisor.stop();
      await Promise.all([monitor?.close(), redis?.stop()]);
    },
    STOP_WITHIN_MS,
  );
  process.on('SIGHUP', () => {
    if (isTerminalGone()) stop('the terminal is gone');
    else void rolled(supervisor, () => planNow(kept), { log, metrics });
  });
  // The last, lest there is a moment without one.
  process.off('SIGTERM', leaveEarly);
  process.off('SIGINT', leaveEarly);
  process.off('SIGHUP', hearEarly);
}

/** Once, before there are processes that would all end for it, and be started again. */
async function expectFit(address: RedisAddress, secret: string): Promise<void> {
  const redis = connectRedis(address);
  redis.on('error', () => undefined); // where Redis is away, the processes say so
  const misfit = misfitOf(redis, createSecrets(secret), { mark: 'set' });
  const problem = await misfit().catch(() => undefined);
  await disconnectRedis(redis);
  if (problem !== undefined) throw new ConfigError(problem);
}

/** What is to run by the settings of now. Throws ConfigError for those that cannot work. */
function planNow(kept: NodeJS.ProcessEnv): Plan {
  const environment = environmentNow();
  const { servers, workers, secret, operatorKey } = readConfig(environment, developmentSecret);
  const count = servers === 0 ? availableParallelism() : servers;
  const launch = createLaunch({
    ...environment,
    FAIRSLOT_SECRET: secret,
    FAIRSLOT_OPERATOR_KEY: operatorKey,
    SERVERS: String(count),
    METRICS_PORT: '0', // this process answers for them
    ...kept,
  });
  return { names: namesOf(count, workers), launch };
}

type Heard = { readonly log: Log; readonly metrics: Pick<MachineMetrics, 'rolls'> };

/** Replaces all processes; says why where not. */
async function rolled(supervisor: Supervisor, plan: () => Plan, { log, metrics }: Heard) {
  log.info('rolling restart');
  try {
    const outcome = await supervisor.roll(plan);
    if (outcome === 'dropped') return;
    if (outcome === 'completed') log.info('rolling restart completed');
    metrics.rolls.inc({ outcome });
  } catch (error) {
    log.error({ err: error }, 'rolling restart failed');
    metrics.rolls.inc({ outcome: 'failed' });
  }
}

try {
  await start();
} catch (error) {
  process.stderr.write(`${error instanceof ConfigError ? error.message : String(error)}\n`);
  process.exit(1);
}
