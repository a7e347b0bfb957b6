/** `fairslot sms`. */
import type { Command } from 'commander';
import { apiOf, CommandError, show } from '../command-line.ts';

export function addSmsCommands(program: Command): void {
  const sms = program.command('sms').description('the SMS that could not be sent');
  const call = apiOf(program);

  sms
    .command('dead')
    .description('list dead letters, without their text and mobile')
    .action(async () => show(await call('/v1/admin/sms/dead')));

  for (const [verb, description] of [
    ['retry', 'queue dead letters again; those that are worth nothing any more stay'],
    ['drop', 'forget dead letters'],
  ] as const) {
    sms
      .command(verb)
      .description(description)
      .argument('[ids...]', 'ids of dead letters')
      .option('--all', 'all there are', false)
      .action(async (ids: string[], { all }: { all: boolean }) => {
        if (all === ids.length > 0)
          throw new CommandError('Name the dead letters by id, or say --all.');
        const body = JSON.stringify(all ? { all } : { ids });
        show(await call(`/v1/admin/sms/${verb}`, { method: 'POST', body }));
      });
  }
}
