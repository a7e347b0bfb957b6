/** The report of the bench: one page with goals, figures and charts of every scenario. */
import { readFileSync } from 'node:fs';
import { pageHtml } from '../../src/report/page.ts';
import { escape } from '../../src/report/svg.ts';
import { chartFigure } from './chart.ts';
import { whereWords } from './machine.ts';
import {
  boundText,
  brokenOf,
  figurePairs,
  judgedGoals,
  type Measured,
  numberText,
  type Played,
} from './verdict.ts';

const STYLE = readFileSync(new URL('report.css', import.meta.url), 'utf8');
const MS_PER_S = 1_000;

export const reportHtml = (measured: Measured): string =>
  pageHtml({
    title: 'fairslot: what the bench measured',
    style: STYLE,
    body: [
      opening(measured),
      alarm(measured.played),
      goalsCard(measured.played),
      machineCard(measured),
      ...measured.played.map(section),
    ].join('\n'),
  });

function opening({ played, at, target }: Measured): string {
  const goals = played.flatMap(judgedGoals);
  const met = goals.filter((goal) => goal.met).length;
  const day = at.toLocaleDateString('en-GB', { dateStyle: 'long', timeZone: 'UTC' });
  const where = target === undefined ? 'an engine of its own for each scenario' : escape(target);
  return `<p class="eyebrow">fairslot bench, ${day}, on ${where}</p>
<h1>What it takes, and what it is held to</h1>
<p class="lead">${goals.length === 0 ? 'No goal was judged.' : `${met} of ${goals.length} goals are met.`}
Ratios are of one run: both sides in turn, on the same machine, with whoever asks beside them.</p>`;
}

function alarm(played: readonly Played[]): string {
  const broken = played.flatMap(brokenOf);
  if (broken.length === 0) return '';
  return `<section class="card alarm" role="alert"><h3 class="broken">Broken</h3><ul>
${broken.map((what) => `<li class="broken">${escape(what)}</li>`).join('\n')}
</ul></section>`;
}

function goalsCard(played: readonly Played[]): string {
  const rows = played.flatMap((one) =>
    judgedGoals(one).map((goal) => {
      const { name, figure, unit, met, reason } = goal;
      const shown = figure === undefined ? (reason ?? '') : `${numberText(figure)} ${unit}`;
      const verdict = met ? '<td class="kept">met</td>' : '<td class="broken">missed</td>';
      return `<tr><td><a href="#${escape(one.name)}">${escape(one.name)}</a></td>
<td class="words">${escape(name)}</td><td>${escape(shown)}</td><td>${escape(boundText(goal))}</td>${verdict}</tr>`;
    }),
  );
  return `<section class="card scroll"><table class="goals">
<tr><th>scenario</th><th class="words">goal</th><th>figure</th><th>bound</th><th>verdict</th></tr>
${rows.join('\n')}
</table></section>`;
}

function machineCard({ machine, target }: Measured): string {
  const facts: [string, string][] = [
    ['processor', `${machine.cores} x ${machine.cpu}`],
    ['memory', `${machine.memoryGiB} GiB, ${machine.freeGiB} GiB free`],
    ['kernel', machine.kernel],
    ['Node', machine.node],
    ['Redis', machine.redis],
    ['load average before', numberText(machine.loadBefore)],
  ];
  return `<h2>${whereWords(target)}</h2><section class="card"><dl>
${facts.map(([name, value]) => `<dt>${name}</dt><dd>${escape(value)}</dd>`).join('\n')}
</dl></section>`;
}

function section(played: Played): string {
  const took = `${(played.tookMs / MS_PER_S).toFixed(1)} s`;
  const head = `<section id="${escape(played.name)}"><h2>${escape(played.name)}</h2>
<p class="soft">${escape(played.summary)}. It took ${took}.</p>`;
  if ('failure' in played)
    return `${head}<p class="broken">It ${escape(played.failure)}.</p></section>`;
  const { charts, figures } = played.outcome;
  return `${head}
<div class="grid charts">${charts.map(chartFigure).join('\n')}</div>
<details><summary>All figures</summary><div class="scroll"><table>
${figurePairs(figures)
  .map(([name, value]) => `<tr><td>${escape(name)}</td><td>${escape(value)}</td></tr>`)
  .join('\n')}
</table></div></details></section>`;
}
