/** `fairslot reconcile`. */
import type { Command } from 'commander';
import { withEngine } from '../command-line.ts';
import type { ReconcileOptions } from './reconcile-command.ts';

const USAGE_STATUS = 2;

export function addReconcileCommand(program: Command): void {
  program
    .command('reconcile')
    .description(
      'check releases against themselves; works on Redis itself; exit status 1 when anything is wrong',
    )
    .argument('[release]', 'this one; otherwise all that are not long over')
    .option('--json', 'print the report as one JSON object', false)
    .option('--verify', 'also recompute all rounds, and compare what stands with them', false)
    .option('--repair', 'mend what is provably safe to mend: docs/reconcile.md', false)
    .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : USAGE_STATUS))
    .action(async (release: string | undefined, options: Omit<ReconcileOptions, 'release'>) => {
      const { reconcileCommand } = await import('./reconcile-command.ts');
      process.exitCode = await withEngine((engine) =>
        reconcileCommand(engine, { release, ...options }),
      );
    });
}
