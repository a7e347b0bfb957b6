/** A report as one HTML file that needs nothing else: no script, no network. */
import { readFileSync } from 'node:fs';
import { escape } from './svg.ts';

const STYLE = readFileSync(new URL('page.css', import.meta.url), 'utf8');

/** `style`: beside that of all reports. `body`: markup. */
export const pageHtml = ({
  title,
  style,
  body,
}: {
  readonly title: string;
  readonly style: string;
  readonly body: string;
}): string => `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escape(title)}</title>
<style>
${STYLE}${style}</style>
<main>
${body}
</main>
</html>
`;

export type Figure = {
  readonly title: string;
  readonly key?: string;
  readonly chart: string;
  readonly caption?: string;
};

/** A card with a chart. All of its texts are markup. */
export const figure = ({ title, key = '', chart, caption }: Figure): string =>
  `<figure class="card"><h3>${title}</h3>${key}${chart}${
    caption ? `<figcaption>${caption}</figcaption>` : ''
  }</figure>`;

/** What the colours of a chart mean, by the classes that its marks have. */
export const key = (...entries: readonly (readonly [kind: string, meaning: string])[]): string =>
  `<ul class="key">${entries
    .map(([kind, meaning]) => `<li><i class="${kind}"></i>${meaning}</li>`)
    .join('')}</ul>`;
