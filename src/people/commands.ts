/** `fairslot people`. */
import type { Command } from 'commander';
import { apiOf, out, show, withEngine } from '../command-line.ts';
import { ATTEST_COLUMNS } from './attest-file.ts';
import type { EraseOptions } from './erase-command.ts';
import { ID_TYPES } from './rules.ts';

export function addPeopleCommands(program: Command): void {
  const people = program.command('people').description('what an operator attests of people');
  const call = apiOf(program);

  people
    .command('attest')
    .description(
      `say which categories people belong to, from a CSV file with the columns ${ATTEST_COLUMNS.join(', ')} (separated by semicolons): all rows are checked before any is sent`,
    )
    .argument('<csv>')
    .action(async (csv: string) => {
      const { attestCommand } = await import('./attest-command.ts');
      out(`attested: ${await attestCommand(call, csv)}`);
    });

  people
    .command('erase')
    .description(
      'erase an account by its mobile, or one person by an ID, where nobody of them has an entry or a ' +
        'booking: docs/retention.md says what stays; works on Redis itself, not through the API',
    )
    .option('--mobile <number>', 'in E.164 form, as in +919812345678')
    .option('--id <type-and-number...>', `a type, of ${ID_TYPES.join(', ')}, and the number`)
    .option('--dry-run', 'say what would be erased, and erase nothing', false)
    .option('--json', 'print it as JSON', false)
    .action(async ({ json, ...options }: EraseOptions & { json: boolean }) => {
      const { eraseCommand } = await import('./erase-command.ts');
      const erased = await withEngine((engine) => eraseCommand(engine, options));
      if (json) show(erased);
      else out(`${erased.outcome} ${erased.subject}: ${erased.people} people, ${erased.sms} SMS`);
    });
}
