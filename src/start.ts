/**
 * `npm start`: a whole engine on one machine. Starts an embedded Redis where none is configured,
 * then the server and the worker as processes of their own, starts again what dies, and stops
 * everything on SIGTERM or Ctrl-C.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ConfigError, readConfig, type Config } from './config.ts';
import { developmentSecrets } from './development-secrets.ts';
import { createLog, type Log } from './log.ts';
import { onStop } from './stop.ts';
import { startEmbeddedRedis } from './redis/embedded.ts';

/** Longer than a child takes, and Redis after it. */
const STOP_WITHIN_MS = 30_000;
/** A process that dies at once, again and again, is started ever more slowly. */
const RESTART_AFTER_MS = 500;
const RESTART_AT_MOST_MS = 10_000;

async function start(): Promise<void> {
  const config = readConfig(process.env, developmentSecrets);
  const log = createLog(config.logLevel).child({ process: 'start' });
  const redis = config.redis
    ? undefined
    : await startEmbeddedRedis({
        dataDir: join(config.dataDir, 'redis'),
        onDeath: (lastWords) => log.error({ lastWords }, 'redis-server ended and is started again'),
      });
  const environment = childEnvironment(config, redis?.address.url);
  let stopping = false;
  const children = ['server.ts', 'worker.ts'].map((door) =>
    keepRunning(door, environment, log, () => stopping),
  );
  onStop(
    log,
    async () => {
      stopping = true;
      await Promise.all(children.map((stop) => stop()));
      await redis?.stop();
    },
    STOP_WITHIN_MS,
  );
}

/**
 * What the children read as their configuration: everything as configured here, and where Redis is.
 */
const childEnvironment = (config: Config, redisUrl: string | undefined): NodeJS.ProcessEnv => ({
  ...process.env,
  FAIRSLOT_SECRET: config.secret,
  FAIRSLOT_OPERATOR_KEY: config.operatorKey,
  ...(redisUrl === undefined ? {} : { REDIS_URL: redisUrl, REDIS_CLUSTER: 'false' }),
});

/** Runs a door until told to stop. Returns how to stop it. */
function keepRunning(
  door: string,
  environment: NodeJS.ProcessEnv,
  log: Log,
  isStopping: () => boolean,
): () => Promise<void> {
  let child: ChildProcess;
  let failures = 0;
  const run = (): void => {
    child = spawn(process.execPath, [fileURLToPath(new URL(door, import.meta.url))], {
      env: environment,
      // In a group of its own: a Ctrl-C is for this process, which stops the others in order.
      detached: true,
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    const steady = setTimeout(() => {
      failures = 0;
    }, RESTART_AT_MOST_MS);
    child.once('exit', (code, signal) => {
      clearTimeout(steady);
      if (isStopping()) return;
      const waitMs = Math.min(RESTART_AFTER_MS * 2 ** failures++, RESTART_AT_MOST_MS);
      log.error({ door, code, signal, waitMs }, 'a process ended and is started again');
      setTimeout(() => isStopping() || run(), waitMs);
    });
  };
  run();
  return async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => {
      child.once('exit', resolve);
    });
    child.kill('SIGTERM');
    await ended;
  };
}

try {
  await start();
} catch (error) {
  process.stderr.write(`${error instanceof ConfigError ? error.message : String(error)}\n`);
  process.exit(1);
}
