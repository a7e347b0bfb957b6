/** `fairslot keys`, `fairslot audit` and `fairslot release bots`. */
import type { Command } from 'commander';
import { apiOf, out, show, warn, wholeNumber, withRedis } from '../command-line.ts';
import type { BotsOptions } from './bots-command.ts';
import type { KeysCommand } from './keys-command.ts';
import { SCOPES } from './scopes.ts';

async function withKeys<T>(work: (keys: KeysCommand) => Promise<T>) {
  const { createKeysCommand } = await import('./keys-command.ts');
  return withRedis(({ redis, log }) => work(createKeysCommand(redis, log)));
}

export function addKeysCommands(program: Command): void {
  const operatorKeys = program
    .command('keys')
    .description('operator keys; works on Redis itself, not through the API');

  operatorKeys
    .command('create')
    .description('make a key and print it: it is shown this once')
    .requiredOption('--name <name>', 'who or what has it')
    .requiredOption('--scopes <list>', `with commas, of ${SCOPES.join(', ')}`)
    .option('--centres <list>', 'with commas: the centres whose arrivals and doses it is for')
    .action(async (options: { name: string; scopes: string; centres?: string }) => {
      const { name, scopes, centres } = options;
      const { key } = await withKeys((keys) => keys.create(name, scopes, centres));
      warn('Every process takes it within 2 s. It cannot be shown again.');
      out(key);
    });

  operatorKeys
    .command('list')
    .description('names, scopes and times; nobody can list the keys themselves')
    .action(async () => show(await withKeys((keys) => keys.list())));

  operatorKeys
    .command('revoke')
    .description('end a key: no process takes it after 2 s')
    .argument('<name>')
    .action(async (name: string) => {
      await withKeys((keys) => keys.revoke(name));
      out(`revoked: ${name}`);
    });
}

export function addAuditCommand(program: Command): void {
  const call = apiOf(program);
  program
    .command('audit')
    .description('what operators did, newest first; needs a key with the scope audit')
    .option('--limit <lines>', 'lines of one page', wholeNumber, 100)
    .option('--before <id>', 'the page behind this line')
    .option('--of <whom>', 'operators, or centres', 'operators')
    .action(async ({ limit, ...where }: { limit: number; before?: string; of: string }) => {
      const query = new URLSearchParams({ limit: String(limit), ...where });
      show(await call(`/v1/admin/audit?${query.toString()}`));
    });
}

export function addBotsCommand(release: Command): void {
  const call = apiOf(release);
  release
    .command('bots')
    .description(
      'who entered how many and who was refused how often, by account, device and network; needs a ' +
        'key with the scope audit',
    )
    .argument('<release>')
    .option('--top <number>', 'how many of each to name', wholeNumber, 20)
    .option('--csv <file>', 'write it as CSV; - for standard output')
    .option('--json', 'print it as JSON', false)
    .action(async (id: string, options: BotsOptions) => {
      const { botsCommand } = await import('./bots-command.ts');
      await botsCommand(call, id, options);
    });
}
