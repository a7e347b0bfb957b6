/**
 * bench/RESULTS.md: goals, machine and figures of the last run of `all`, and under each scenario the
 * notes of bench/notes, which people write: what was tried, and why a goal is missed.
 */
import { existsSync, readFileSync } from 'node:fs';
import { machineInWords, whereWords } from './machine.ts';
import type { AnyScenario } from './scenario.ts';
import {
  brokenOf,
  figureLines,
  HEAD,
  judgedGoals,
  type Measured,
  type Played,
  rowsOf,
} from './verdict.ts';

export const NOTES = new URL('../notes/', import.meta.url);
/** Of a note: where its profile says why a goal is missed. */
const WHY = '### Where it falls short';
const MS_PER_S = 1_000;
/** Of more figures, notes tell what is to be seen in them. */
const MOST_LINES = 30;

/** `notes`: a directory with a file `<scenario>.md` for those that have any. */
export function resultsText(
  { played, machine, at, target }: Measured,
  scenarios: readonly Pick<AnyScenario, 'name' | 'summary'>[],
  notes: URL = NOTES,
): string {
  const day = at.toLocaleDateString('en-GB', { dateStyle: 'long', timeZone: 'UTC' });
  const where =
    target === undefined
      ? 'Redis, the engine and whoever asks share the machine.'
      : `Played on ${target}.`;
  const parts = [
    '# Results',
    `Written by \`npm run bench -- all --results bench/RESULTS.md\`: what it measures is described in [README](README.md). What people add to a scenario stands
in \`bench/notes\` and is put in here; a change of this file by hand is lost.`,
    ...(played.length === 0
      ? []
      : [
          `On ${day}. ${whereWords(target)} ${machineInWords(machine)}. ${where} It is noisy: compare
figures of one run, and read ratios and medians.`,
        ]),
    goalsTable(played),
    ...scenarios.map((scenario) =>
      section(
        scenario,
        played.find(({ name }) => name === scenario.name),
        notes,
      ),
    ),
  ];
  return `${parts.join('\n\n')}\n`;
}

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ');

function goalsTable(played: readonly Played[]): string {
  const rows = rowsOf(played).map((row) => `| ${row.map(cell).join(' | ')} |`);
  const broken = played.flatMap(brokenOf).map((what) => `**Broken: ${what}**`);
  if (rows.length === 0) return 'Nothing was measured yet.';
  const head = [`| ${HEAD.join(' | ')} |`, `| ${HEAD.map(() => '---').join(' | ')} |`];
  return [[...head, ...rows].join('\n'), ...broken].join('\n\n');
}

function section(
  { name, summary }: Pick<AnyScenario, 'name' | 'summary'>,
  played: Played | undefined,
  notes: URL,
): string {
  const file = new URL(`${name}.md`, notes);
  const note = existsSync(file) ? readFileSync(file, 'utf8').trim() : '';
  const isMissed = played !== undefined && judgedGoals(played).some(({ met }) => !met);
  return [
    `## ${name}`,
    `${summary[0]?.toUpperCase()}${summary.slice(1)}.`,
    figuresOf(played),
    ...(note === '' ? [] : [note]),
    ...(isMissed && !note.includes(WHY) ? ['No note says yet why a goal is missed.'] : []),
  ].join('\n\n');
}

function figuresOf(played: Played | undefined): string {
  if (!played) return 'It took no part in that run.';
  if ('failure' in played) return `**It ${played.failure}.**`;
  const took = `${(played.tookMs / MS_PER_S).toFixed(1)} s`;
  const lines = figureLines(played.outcome.figures);
  const text = `\`\`\`\n${lines.join('\n')}\n\`\`\``;
  if (lines.length <= MOST_LINES) return `Figures of that run, which took ${took}:\n\n${text}`;
  return `That run took ${took}. Its ${lines.length} figures are in the page of \`--report\`, and what \`--json\` prints.`;
}
