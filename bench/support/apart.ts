/** A process that plays one scenario for `all` and ends. */
import { createProgress } from '../../src/progress.ts';
import { SCENARIOS } from '../scenarios.ts';
import type { Outcome, Target } from './scenario.ts';

export type Job = {
  readonly name: string;
  readonly options: object;
  readonly target?: Target | undefined;
};
export type Answer = { readonly outcome: Outcome } | { readonly failure: string };

async function play({ name, options, target }: Job): Promise<Outcome> {
  const scenario = SCENARIOS.find((one) => one.name === name);
  if (!scenario) throw new Error(`there is no scenario ${name}`);
  const progress = createProgress(process.stderr);
  return target && scenario.onTarget
    ? scenario.onTarget(target, options as never, progress)
    : scenario.run(options as never, progress);
}

const answer = (said: Answer, status: number): void =>
  void process.send?.(said, () => process.exit(status));

process.once('message', (job: Job) => {
  play(job).then(
    (outcome) => answer({ outcome }, 0),
    (error: unknown) => {
      process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
      answer({ failure: `failed: ${error instanceof Error ? error.message : String(error)}` }, 1);
    },
  );
});
// What the scenario started ends when this process exits; and it does not outlive its owner.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
process.once('disconnect', () => process.exit(1));
