/** `fairslot release`: but for its `export` (src/care) and `bots` (src/gates). */
import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import type { Command } from 'commander';
import { v7 as uuid } from 'uuid';
import { apiOf, type Call, CommandError, given, show, warn, wholeNumber } from '../command-line.ts';
import { importRequest } from './import-command.ts';
import { OPEN_POOL } from './manifest.ts';

const pathOf = (release: string): string => `/v1/admin/releases/${encodeURIComponent(release)}`;

/** Gives the group, for the commands that other slices add to it. */
export function addReleaseCommands(program: Command): Command {
  const release = program
    .command('release')
    .description('create, fill, publish and watch releases');
  const call = apiOf(program);
  addDraftCommands(release, call);
  addChangeCommands(release, call);
  release
    .command('show')
    .description('a draft, or a published release with its seats by state')
    .argument('<release>')
    .action(async (id: string) => show(await call(pathOf(id))));
  return release;
}

function addDraftCommands(release: Command, call: Call): void {
  release
    .command('list')
    .description('the published releases')
    .action(async () => show(await call('/v1/releases')));

  release
    .command('create')
    .description(
      'create a draft from a JSON file with release, title, mode, opensAt, closesAt, endsAt, …',
    )
    .argument('<file>', 'JSON file; - for standard input')
    .action(async (file: string) => {
      const body = file === '-' ? await text(process.stdin) : await readFile(file, 'utf8');
      show(await call('/v1/admin/releases', { method: 'POST', body }));
    });

  release
    .command('import')
    .description(
      'add places to a draft, all or none: from CSV, or from a saved calendarByDistrict reply ' +
        '(.json); prints what the draft holds then. Columns and members: docs/import.md',
    )
    .argument('<release>')
    .argument('<file>')
    .option('--date <date>', 'CSV: day of the sessions, YYYY-MM-DD, where a row has none')
    .option('--service <name>', 'CSV: vaccine or service, where a row has none; likewise:')
    .option('--dose <number>')
    .option('--min-age <years>')
    .option('--max-age <years>')
    .option('--bands <list>', 'time bands, as in 09:00-11:00,11:00-13:00')
    .option('--centre <column>', "the CSV's column of centre ids")
    .option('--name <column>', "the CSV's column of centre names")
    .option('--seats <column>', "the CSV's column of capacities")
    .option('--state-id <number>', 'reply: the state that its centres are in')
    .option('--district-id <number>', 'reply: the district that its centres are in')
    .action(async (id: string, file: string, options: Record<string, string>) => {
      const content = await readFile(file, 'utf8');
      const request = given(importRequest(id, file, content, options));
      show(await call(request.path, { ...request, method: 'POST' }));
    });
}

type LoseOptions = {
  readonly slot: string;
  readonly pool: string;
  readonly seats: number;
  readonly change?: string;
};

function addChangeCommands(release: Command, call: Call): void {
  for (const [verb, description] of [
    ['publish', 'freeze the manifest and make it public'],
    ['end', 'end a release before its time'],
  ] as const) {
    release
      .command(verb)
      .description(description)
      .argument('<release>')
      .action(async (id: string) => show(await call(`${pathOf(id)}/${verb}`, { method: 'POST' })));
  }

  release
    .command('close')
    .description('close slots of a lottery: who has a seat there comes first in the next round')
    .argument('<release>')
    .option('--centre <id>', 'all slots of a centre')
    .option('--session <id>', 'all slots of a session')
    .option('--slots <ids...>', 'these slots')
    .action(async (id: string, options: Record<string, string | string[]>) => {
      if (Object.keys(options).length !== 1)
        throw new CommandError('Say one of --centre, --session and --slots.');
      const body = JSON.stringify(options);
      show(await call(`${pathOf(id)}/closures`, { method: 'POST', body }));
    });

  release
    .command('lose')
    .description('take seats from a pool of a lottery: free ones, then those of whoever comes last')
    .argument('<release>')
    .requiredOption('--slot <id>')
    .requiredOption('--seats <number>', 'how many seats there are less', wholeNumber)
    .option('--pool <name>', 'the pool that loses them', OPEN_POOL)
    .option('--change <id>', 'an id of this change, to try it again with; a new one unless said')
    .action(async (id: string, options: LoseOptions) => {
      const { change = uuid(), slot, pool, seats } = options;
      warn(`change ${change}`);
      const body = JSON.stringify({ change, slot, pool, seats });
      show(await call(`${pathOf(id)}/losses`, { method: 'POST', body }));
    });
}
