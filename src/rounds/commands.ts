/** `fairslot draw`. */
import type { Command } from 'commander';
import { given, out, urlOf, withEngine } from '../command-line.ts';
import type { VerifyCommand } from './verify/verify-command.ts';

export function addDrawCommands(program: Command): void {
  const draw = program.command('draw').description('check a draw');

  draw
    .command('fetch')
    .description('save the transcripts of all published rounds of a release')
    .argument('<release>')
    .option('--to <directory>', 'where to save them', '.')
    .action(async (release: string, { to }: { to: string }) => {
      const { fetchTranscripts } = await import('./verify/fetch-command.ts');
      given(await fetchTranscripts({ url: urlOf(program), release, to }, out));
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
    .action(async (release: string, round: string, to: string) => {
      const { saveResults } = await import('./results/results-command.ts');
      const saved = await withEngine(({ rounds }) => saveResults(rounds, { release, round, to }));
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
      const { verifyCommand } = await import('./verify/verify-command.ts');
      const { createLatePhase } = await import('../progress.ts');
      const { stdout, stderr } = process;
      const phase = createLatePhase(stderr, 'rounds verified', files.length);
      process.exitCode = await verifyCommand({ files, ...options }, stdout, stderr, phase);
    });
}
