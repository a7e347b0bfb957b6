/** How a machine's processes are made. Why servers share their port by node:cluster: ADR 22. */
import { type ChildProcess, spawn } from 'node:child_process';
import cluster from 'node:cluster';
import { fileURLToPath } from 'node:url';

/** Starts the process of this name. */
export type Launch = (name: string) => ChildProcess;

const SERVER = fileURLToPath(new URL('../server.ts', import.meta.url));
const WORKER = fileURLToPath(new URL('../worker.ts', import.meta.url));

/** The names of a machine's processes: the closed list of the label `process`. */
export const namesOf = (servers: number, workers: number): string[] => [
  ...numbered('server', servers),
  ...numbered('worker', workers),
];
const numbered = (kind: string, count: number): string[] =>
  Array.from({ length: count }, (_, index) => `${kind}-${index + 1}`);

export const createLaunch =
  (environment: NodeJS.ProcessEnv): Launch =>
  (name) =>
    name.startsWith('server') ? forkServer(name, environment) : spawnWorker(name, environment);

function forkServer(name: string, environment: NodeJS.ProcessEnv): ChildProcess {
  // One connection at a time to each: one that hangs holds a single connection, not its share.
  cluster.schedulingPolicy = cluster.SCHED_RR;
  cluster.setupPrimary({
    exec: SERVER,
    args: [name],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const worker = cluster.fork(environment);
  // One that cannot be spawned says so here as well, where unheard it would end this process.
  worker.on('error', () => undefined);
  return worker.process;
}

const spawnWorker = (name: string, environment: NodeJS.ProcessEnv): ChildProcess =>
  spawn(process.execPath, [WORKER, name], {
    env: environment,
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
