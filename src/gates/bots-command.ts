/** `fairslot release bots`: the bad-bot report on a terminal, as CSV or as JSON. */
import { writeFile } from 'node:fs/promises';
import { type Call, show } from '../command-line.ts';
import { createLatePhase } from '../progress.ts';
import type { BotReport } from './bots/report.ts';
import { csvOf, textOf } from './bots/text.ts';

export type BotsOptions = { readonly top: number; readonly csv?: string; readonly json: boolean };

export async function botsCommand(
  call: Call,
  release: string,
  { top, csv, json }: BotsOptions,
): Promise<void> {
  const query = new URLSearchParams({ top: String(top) });
  const path = `/v1/admin/releases/${encodeURIComponent(release)}/bots?${query.toString()}`;
  // A million accounts take some seconds, in one answer: what can be shown is that time passes.
  const phase = createLatePhase(process.stderr, 'reading who entered', 1);
  const answer = call(path).then((report) => {
    phase.advance();
    return report as BotReport;
  });
  const report = await answer.finally(phase.done);
  if (csv === '-') process.stdout.write(csvOf(report));
  else if (csv !== undefined) await writeFile(csv, csvOf(report));
  if (json) show(report);
  else if (csv === undefined) process.stdout.write(textOf(report));
}
