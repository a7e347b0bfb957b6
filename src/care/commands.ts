/** `fairslot backup`, `fairslot restore`, `fairslot retention` and `fairslot release export`. */
import type { Command } from 'commander';
import { show, withEngine, withRedis } from '../command-line.ts';
import type { ExportOptions } from './export-command.ts';

export function addExportCommand(release: Command): void {
  release
    .command('export')
    .description(
      'write all of a published release as lines of JSON: docs/export.md; works on Redis itself, not ' +
        'through the API',
    )
    .argument('<release>')
    .option('--out <file>', 'gzip where its name ends in .gz; standard output unless said')
    .option('--with-accounts', 'with the keyed hashes of people and accounts', false)
    .action(async (id: string, options: ExportOptions) => {
      const { exportCommand } = await import('./export-command.ts');
      const { createExportStore } = await import('./export-store.ts');
      const sums = await withEngine(({ redis, releases, rounds, stores }) => {
        const store = createExportStore(redis);
        const parts = { store, releases, rounds, view: stores.rounds.view };
        return exportCommand(parts, id, options);
      });
      if (options.out !== undefined) show(sums);
    });
}

export function addCareCommands(program: Command): void {
  program
    .command('backup')
    .description(
      'write all that Redis holds, of one instant, into a file; an engine on that Redis answers 503 ' +
        'meanwhile: docs/backup.md says how to take it from a spare Redis. FAIRSLOT_SECRET is not in ' +
        'it: keep that apart',
    )
    .argument('<file>', 'a file that is not there yet')
    .option('--hold-at-most <seconds>', 'give up when writes would have to wait longer', '120')
    .action(async (file: string, options: { holdAtMost: string }) => {
      const { backupCommand } = await import('./backup-command.ts');
      show(await withRedis((on) => backupCommand({ ...on, file, ...options })));
    });

  program
    .command('restore')
    .description(
      'put a backup back, into one Redis or a cluster; with the server and the worker stopped. A file ' +
        'that is not whole, or was taken with another FAIRSLOT_SECRET, changes nothing',
    )
    .argument('<file>')
    .option('--replace', 'delete what the engine has in that Redis before', false)
    .action(async (file: string, options: { replace: boolean }) => {
      const { restoreCommand } = await import('./backup-command.ts');
      const isReplaced = true;
      show(await withRedis((on) => restoreCommand({ ...on, file, ...options }), { isReplaced }));
    });

  program
    .command('retention')
    .description(
      'what a worker deletes once a day of what is over (RETENTION_* and docs/retention.md); works on ' +
        'Redis itself',
    )
    .requiredOption('--dry-run', 'say what would go now, and delete nothing')
    .action(async () => {
      const { createRetention } = await import('./retention.ts');
      const { createRetentionStore } = await import('./retention-store.ts');
      const plan = await withEngine(({ redis, config, releases, erasure, stores }) => {
        const { attendance } = stores.arrivals;
        const store = createRetentionStore(redis);
        const terms = config.retention;
        return createRetention({ store, releases, erasure, attendance, terms }).plan();
      });
      show(plan);
    });
}
