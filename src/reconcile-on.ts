/** `fairslot reconcile` wired by hand; apart from `cli.ts`, most of whose commands need no engine. */
import { userInfo } from 'node:os';
import { v7 as uuid } from 'uuid';
import type { Config } from './config.ts';
import type { Progress } from './demo/progress.ts';
import { createEngine } from './engine.ts';
import { createAudit } from './gates/audit.ts';
import { createLog } from './log.ts';
import { type ReconcileCommand, reconcileCommand, STATUS } from './reconcile/command.ts';
import type { Redis } from './redis/client.ts';

/** Nothing is shown of what is over before. */
const SHOW_AFTER_MS = 2_000;

/** Gives the exit status. What mends stands in the operators' audit stream. */
export async function reconcileOn(
  redis: Redis,
  config: Config,
  command: ReconcileCommand,
  progress: Progress,
): Promise<number> {
  const { reconciler } = createEngine(redis, config);
  let phase: ReturnType<Progress> | undefined;
  const showing = setTimeout(() => (phase = progress('steps of the check', 0)), SHOW_AFTER_MS);
  const run = (): Promise<number> =>
    reconcileCommand(reconciler, command, {
      out: process.stdout,
      err: process.stderr,
      onStep: () => phase?.advance(),
    });
  try {
    if (!command.repair) return await run();
    const who = `cli:${userInfo()
      .username.replaceAll(/[^\w.-]/g, '_')
      .slice(0, 32)}`;
    const subject = command.release ?? '';
    const action = { who, what: 'reconcileRepair', subject, requestId: uuid() };
    const outcomeOf = (status: number) => (status === STATUS.usage ? 'RELEASE_UNKNOWN' : 'DONE');
    return await createAudit(redis, createLog('silent')).audited(action, run, outcomeOf);
  } finally {
    clearTimeout(showing);
    phase?.done();
  }
}
