/** The command line: operators steer a running engine through its API, anyone verifies a draw. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { Command } from 'commander';
import { v7 as uuid } from 'uuid';
import { backupCommand, restoreCommand } from './care/commands.ts';
import { exportCommand, type ExportOptions } from './care/export-command.ts';
import { createExportStore } from './care/export-store.ts';
import { createRetention } from './care/retention.ts';
import { createRetentionStore } from './care/retention-store.ts';
import { type Config, readConfig, readOperatorKey, type UnsetSecret } from './config.ts';
import { createProgress } from './demo/progress.ts';
import { createEngine } from './engine.ts';
import { enginesSecret } from './development-secrets.ts';
import { createAudit } from './gates/audit.ts';
import type { BotReport } from './gates/bots/report.ts';
import { csvOf, textOf } from './gates/bots/text.ts';
import { createKeysCommand } from './gates/keys-command.ts';
import { sleep } from './lib/clock.ts';
import { createSecrets } from './lib/secrets.ts';
import { SCOPES } from './gates/operator-keys.ts';
import { createLog } from './log.ts';
import { ATTEST_COLUMNS, readAttestations } from './people/attest-file.ts';
import { eraseCommand, type EraseOptions } from './people/erase-command.ts';
import { ID_TYPES, PEOPLE_LIMITS } from './people/rules.ts';
import { importRequest } from './releases/import-command.ts';
import { OPEN_POOL } from './releases/manifest.ts';
import type { ReconcileCommand } from './reconcile/command.ts';
import { placeOf } from './redis/address.ts';
import { failureOf } from './redis/away.ts';
import { connectRedis, disconnectRedis, type Redis } from './redis/client.ts';
import { embeddedAddress } from './redis/embedded.ts';
import { misfitOf } from './redis/fit.ts';
import { fetchTranscripts } from './rounds/fetch-command.ts';
import { saveResults } from './rounds/results-command.ts';
import { type VerifyCommand, verifyCommand } from './rounds/verify-command.ts';
import { environmentNow } from './settings-file.ts';

/** A refusal of the engine, as a person reads it. */
class CommandError extends Error {
  override readonly name = 'CommandError';
}

const reasonOf = (error: unknown): string =>
  error instanceof Error
    ? `${error.message}${error.cause ? `: ${reasonOf(error.cause)}` : ''}`
    : String(error);

const out = (line: string): void => void process.stdout.write(`${line}\n`);
const warn = (line: string): void => void process.stderr.write(`${line}\n`);
const show = (value: unknown): void => out(JSON.stringify(value, null, 2));

type LoseOptions = {
  readonly slot: string;
  readonly pool: string;
  readonly seats: string;
  readonly change?: string;
};

const TOO_MANY_REQUESTS = 429;
const USAGE_STATUS = 2;
type CallOptions = { readonly method?: string; readonly body?: string; readonly type?: string };

/** Calls the engine as an operator, and again after a limit's pause. */
async function call(path: string, options: CallOptions = {}): Promise<unknown> {
  const { method = 'GET', body, type = 'application/json' } = options;
  const { url } = program.opts<{ url: string }>();
  const operatorKey = readOperatorKey(environmentNow(), enginesSecret);
  const headers = {
    authorization: `Bearer ${operatorKey}`,
    ...(body === undefined ? {} : { 'content-type': type }),
  };
  const response = await fetch(new URL(path, url), {
    method,
    headers,
    ...(body === undefined ? {} : { body }),
  }).catch((error: unknown) => {
    throw new CommandError(
      `No engine answers at ${url} (${reasonOf(error)}). Start one with npm start.`,
    );
  });
  if (response.status === TOO_MANY_REQUESTS) {
    await sleep(1_000 * Number(response.headers.get('retry-after') ?? 1));
    return call(path, options);
  }
  const answer: unknown = await response.json();
  if (!response.ok) throw new CommandError(JSON.stringify(answer, null, 2));
  return answer;
}

const program = new Command('fairslot')
  .description('Gives out scarce appointments by a lottery that anyone can check.')
  .option('--url <url>', 'where the engine listens', 'http://127.0.0.1:8080')
  .showHelpAfterError();

const release = program.command('release').description('create, fill, publish and watch releases');

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
  .action(async (file: string) =>
    show(
      await call('/v1/admin/releases', {
        method: 'POST',
        body: file === '-' ? await text(process.stdin) : await readFile(file, 'utf8'),
      }),
    ),
  );

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
    const request = importRequest(id, file, await readFile(file, 'utf8'), options);
    if ('problem' in request) throw new CommandError(request.problem);
    show(await call(request.path, { ...request, method: 'POST' }));
  });

for (const [verb, description] of [
  ['publish', 'freeze the manifest and make it public'],
  ['end', 'end a release before its time'],
] as const) {
  release
    .command(verb)
    .description(description)
    .argument('<release>')
    .action(async (id: string) =>
      show(await call(`/v1/admin/releases/${id}/${verb}`, { method: 'POST' })),
    );
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
    show(await call(`/v1/admin/releases/${id}/closures`, { method: 'POST', body }));
  });

release
  .command('lose')
  .description('take seats from a pool of a lottery: free ones, then those of whoever comes last')
  .argument('<release>')
  .requiredOption('--slot <id>')
  .requiredOption('--seats <number>', 'how many seats there are less')
  .option('--pool <name>', 'the pool that loses them', OPEN_POOL)
  .option('--change <id>', 'an id of this change, to try it again with; a new one unless said')
  .action(async (id: string, options: LoseOptions) => {
    const { change = uuid(), slot, pool, seats } = options;
    warn(`change ${change}`);
    const body = JSON.stringify({ change, slot, pool, seats: Number(seats) });
    show(await call(`/v1/admin/releases/${id}/losses`, { method: 'POST', body }));
  });

release
  .command('show')
  .description('a draft, or a published release with its seats by state')
  .argument('<release>')
  .action(async (id: string) => show(await call(`/v1/admin/releases/${id}`)));

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
    const sums = await withRedis((redis, config) => {
      const { releases, rounds, stores } = createEngine(redis, config);
      const parts = { store: createExportStore(redis), releases, rounds, view: stores.rounds.view };
      return exportCommand(parts, id, options);
    });
    if (options.out !== undefined) show(sums);
  });

type BotsOptions = { readonly top: string; readonly csv?: string; readonly json: boolean };

release
  .command('bots')
  .description(
    'who entered how many and who was refused how often, by account, device and network; needs a ' +
      'key with the scope audit',
  )
  .argument('<release>')
  .option('--top <number>', 'how many of each to name', '20')
  .option('--csv <file>', 'write it as CSV; - for standard output')
  .option('--json', 'print it as JSON', false)
  .action(async (id: string, { top, csv, json }: BotsOptions) => {
    const query = new URLSearchParams({ top });
    const path = `/v1/admin/releases/${encodeURIComponent(id)}/bots?${query.toString()}`;
    // A million accounts take some seconds, in one answer: what can be shown is that time passes.
    const phase = createProgress(process.stderr)('reading who entered', 1);
    const answer = call(path).then((report) => {
      phase.advance();
      return report as BotReport;
    });
    const report = await answer.finally(phase.done);
    if (csv === '-') process.stdout.write(csvOf(report));
    else if (csv !== undefined) await writeFile(csv, csvOf(report));
    if (json) show(report);
    else if (csv === undefined) process.stdout.write(textOf(report));
  });

const people = program.command('people').description('what an operator attests of people');

people
  .command('attest')
  .description(
    `say which categories people belong to, from a CSV file with the columns ${ATTEST_COLUMNS.join(', ')} (separated by semicolons): all rows are checked before any is sent`,
  )
  .argument('<csv>')
  .action(async (csv: string) => {
    const read = readAttestations(await readFile(csv, 'utf8'));
    if ('bad' in read) {
      for (const { line, reason } of read.bad) warn(`line ${line}: ${reason}`);
      throw new CommandError('Nothing was attested.');
    }
    const batch = PEOPLE_LIMITS.attestationsPerRequest;
    const phase = createProgress(process.stderr)(
      `batches of ${batch} people`,
      Math.ceil(read.length / batch),
    );
    try {
      for (let i = 0; i < read.length; i += batch) {
        const body = JSON.stringify({ attestations: read.slice(i, i + batch) });
        await call('/v1/admin/attestations', { method: 'POST', body });
        phase.advance();
      }
    } finally {
      phase.done();
    }
    out(`attested: ${read.length}`);
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
    const erased = await withRedis((redis, config) => {
      const audit = createAudit(redis, createLog('silent'));
      return eraseCommand({ ...createEngine(redis, config), audit }, options);
    });
    if (json) show(erased);
    else out(`${erased.outcome} ${erased.subject}: ${erased.people} people, ${erased.sms} SMS`);
  });

const sms = program.command('sms').description('the SMS that could not be sent');

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

/** On Redis nobody is asked for an operator key. */
const unsetOnRedis: UnsetSecret = (name, set) =>
  name === 'FAIRSLOT_OPERATOR_KEY' ? '' : enginesSecret(name, set);

/**
 * Works on Redis itself: on REDIS_URL, or the embedded server of FAIRSLOT_DATA_DIR. `isReplaced`:
 * what it holds goes, of whichever secret it is.
 */
async function withRedis<T>(
  work: (redis: Redis, config: Config) => Promise<T>,
  { isReplaced = false } = {},
): Promise<Exclude<T, { problem: string }>> {
  const config = readConfig(environmentNow(), unsetOnRedis);
  const address = config.redis ?? embeddedAddress(join(config.dataDir, 'redis'));
  if (!address) throw new CommandError('Set REDIS_URL: no embedded Redis runs here.');
  const redis = connectRedis(address);
  let lost: Error | undefined;
  redis.on('error', (error: Error) => {
    lost = error;
  });
  const mark = isReplaced ? 'replaced' : 'compared';
  const misfit = misfitOf(redis, createSecrets(config.secret), { mark });
  try {
    const problem = await misfit().catch((error: Error) => {
      const name = config.redis ? 'REDIS_URL' : 'FAIRSLOT_DATA_DIR';
      const [says, why] =
        error.name === 'ReplyError' ? ['refuses', error] : ['does not answer', lost ?? error];
      return `Redis at ${placeOf(address)} (${name}) ${says}: ${failureOf(why)}`;
    });
    if (problem !== undefined) throw new CommandError(problem);
    const done = await work(redis, config);
    const failed = typeof done === 'object' && done !== null && 'problem' in done;
    if (failed) throw new CommandError(String(done.problem));
    return done as Exclude<T, { problem: string }>;
  } finally {
    await disconnectRedis(redis);
  }
}

const withKeys = <T>(work: (keys: ReturnType<typeof createKeysCommand>) => Promise<T>) =>
  withRedis((redis) => work(createKeysCommand(redis, createLog('silent'))));

const operatorKeys = program
  .command('keys')
  .description('operator keys; works on Redis itself, not through the API');

operatorKeys
  .command('create')
  .description('make a key and print it: it is shown this once')
  .requiredOption('--name <name>', 'who or what has it')
  .requiredOption('--scopes <list>', `with commas, of ${SCOPES.join(', ')}`)
  .option('--centres <list>', 'with commas: the centres whose arrivals and doses it is for')
  .action(async ({ name, scopes, centres }: { name: string; scopes: string; centres?: string }) => {
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

program
  .command('audit')
  .description('what operators did, newest first; needs a key with the scope audit')
  .option('--limit <lines>', 'lines of one page', '100')
  .option('--before <id>', 'the page behind this line')
  .option('--of <whom>', 'operators, or centres', 'operators')
  .action(async (options: Record<string, string>) => {
    const query = new URLSearchParams(options);
    show(await call(`/v1/admin/audit?${query.toString()}`));
  });

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
  .action(async (release: string | undefined, options: Omit<ReconcileCommand, 'release'>) => {
    // The scripts must be known before there is a connection; other commands need no engine.
    const { reconcileOn } = await import('./reconcile-on.ts');
    const progress = createProgress(process.stderr);
    process.exitCode = await withRedis((redis, config) =>
      reconcileOn(redis, config, { release, ...options }, progress),
    );
  });

program
  .command('backup')
  .description(
    'write all that Redis holds, of one instant, into a file; an engine on that Redis answers 503 ' +
      'meanwhile: docs/backup.md says how to take it from a spare Redis. FAIRSLOT_SECRET is not in ' +
      'it: keep that apart',
  )
  .argument('<file>', 'a file that is not there yet')
  .option('--hold-at-most <seconds>', 'give up when writes would have to wait longer', '120')
  .action(async (file: string, options: { holdAtMost: string }) =>
    show(await withRedis((redis, config) => backupCommand({ redis, config, file, ...options }))),
  );

program
  .command('restore')
  .description(
    'put a backup back, into one Redis or a cluster; with the server and the worker stopped. A file ' +
      'that is not whole, or was taken with another FAIRSLOT_SECRET, changes nothing',
  )
  .argument('<file>')
  .option('--replace', 'delete what the engine has in that Redis before', false)
  .action(async (file: string, options: { replace: boolean }) =>
    show(
      await withRedis((redis, config) => restoreCommand({ redis, config, file, ...options }), {
        isReplaced: true,
      }),
    ),
  );

program
  .command('retention')
  .description(
    'what a worker deletes once a day of what is over (RETENTION_* and docs/retention.md); works on ' +
      'Redis itself',
  )
  .requiredOption('--dry-run', 'say what would go now, and delete nothing')
  .action(async () =>
    show(
      await withRedis((redis, config) => {
        const { releases, erasure, stores } = createEngine(redis, config);
        const { attendance } = stores.arrivals;
        const store = createRetentionStore(redis);
        const terms = config.retention;
        return createRetention({ store, releases, erasure, attendance, terms }).plan();
      }),
    ),
  );

const draw = program.command('draw').description('check a draw');

draw
  .command('fetch')
  .description('save the transcripts of all published rounds of a release')
  .argument('<release>')
  .option('--to <directory>', 'where to save them', '.')
  .action(async (id: string, { to }: { to: string }) => {
    const { url } = program.opts<{ url: string }>();
    const problem = await fetchTranscripts({ url, release: id, to }, out);
    if (problem) throw new CommandError(problem.problem);
  });

draw
  .command('results')
  .description(
    'write the result files of a published round, plain and compressed, under the paths that the ' +
      'API has them at, for any static host to serve; works on Redis itself',
  )
  .argument('<release>')
  .argument('<round>')
  .argument('<directory>')
  .action(async (id: string, round: string, directory: string) => {
    const saved = await withRedis((redis, config) =>
      saveResults(createEngine(redis, config).rounds, { release: id, round, to: directory }),
    );
    out(`${saved.files} files in ${saved.directory}`);
  });

draw
  .command('verify')
  .description(
    'recompute rounds from their transcripts, and look up an entry; exit status 1 when anything ' +
      'differs, 3 when that cannot be told from what was given',
  )
  .argument('[files...]', 'transcripts of all rounds from 0 on in any order, gzip or plain')
  .option('--digest <hex>', 'the published digest of the last round, to compare with')
  .option('--receipt <file>', 'a receipt, whose entry must be in one of the rounds')
  .option('--proof <file>', 'how an entry hangs in the tree of its round')
  .option('--seal <file>', 'a signed seal, which must be the one of its round')
  .option('--manifest <file>', 'the manifest, to check a receipt without transcripts')
  .option('--result <files...>', 'result files, which must say what their rounds gave')
  .option('--json', 'print the report as one JSON object', false)
  .action(async (files: string[], options: Omit<VerifyCommand, 'files'>) => {
    process.exitCode = await verifyCommand({ files, ...options }, process.stdout, process.stderr);
  });

try {
  await program.parseAsync();
} catch (error) {
  warn(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
