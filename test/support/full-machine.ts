/**
 * Two servers of node:cluster that take one connection each; prints the address once both listen.
 * Ends with its standard input.
 */
import cluster from 'node:cluster';
import { listen } from '../../src/http/server.ts';

const SERVERS = 2;

if (cluster.isPrimary) {
  cluster.schedulingPolicy = cluster.SCHED_RR;
  for (let server = 0; server < SERVERS; server++) cluster.fork();
  let listening = 0;
  cluster.on('message', (_worker, url: string) => {
    listening += 1;
    if (listening === SERVERS) process.stdout.write(`${url}\n`);
  });
  process.stdin.resume().once('end', () => {
    for (const worker of Object.values(cluster.workers ?? {})) worker?.process.kill('SIGKILL');
    process.exit();
  });
} else {
  const app = { handler: () => undefined, leave: () => undefined };
  const { url } = await listen(app, { host: '127.0.0.1', port: 0, connections: 1 });
  process.send?.(url);
}
