/** A process of its own that takes one job at a time and reports on it. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

export type Hand<Job, Report> = {
  readonly pid: number;
  readonly ask: (job: Job) => Promise<Report>;
  readonly stop: () => void;
};

/** Starts a program. It ends with this process, and at once: it holds nothing that is to be kept. */
export function startHandOf<Job extends object, Report>(program: URL): Hand<Job, Report> {
  const child = fork(fileURLToPath(program));
  const killOnExit = (): void => void child.kill('SIGKILL');
  process.once('exit', killOnExit);
  return {
    pid: child.pid ?? 0,
    ask: async (job) => {
      child.send(job);
      const ended = new AbortController();
      const [report] = (await Promise.race([
        once(child, 'message', { signal: ended.signal }),
        once(child, 'exit', { signal: ended.signal }).then(([status]) => {
          throw new Error(`${program.pathname} ended with status ${status}`);
        }),
      ]).finally(() => ended.abort())) as [Report];
      return report;
    },
    stop: () => {
      process.removeListener('exit', killOnExit);
      child.kill('SIGKILL');
    },
  };
}
