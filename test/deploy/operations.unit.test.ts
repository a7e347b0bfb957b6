/** docs/operations.md names things of other files: all of them are there. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { describe, expect, it, vi } from 'vitest';
import { ROOT, text } from './compose.ts';

const page = text('docs/operations.md');

/** As GitHub makes it of a heading. */
const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replaceAll(/[^\w\s-]/g, '')
    .trim()
    .replaceAll(' ', '-');
const anchorsIn = (markdown: string): string[] => [
  ...Array.from(markdown.matchAll(/^#+ (.+)$/gm), ([, heading = '']) => anchorOf(heading)),
  ...Array.from(markdown.matchAll(/<a id="([\w-]+)">/g), ([, id = '']) => id),
];

type Named = readonly [isCalled: boolean, ...words: string[]];

/** The command line as it stands when it would read its arguments: what --help prints from. */
async function commandLine(): Promise<Command> {
  const parse = vi.spyOn(Command.prototype, 'parseAsync').mockResolvedValue(new Command());
  await import('../../src/cli.ts');
  const [root] = parse.mock.contexts;
  parse.mockRestore();
  if (!(root instanceof Command)) throw new Error('src/cli.ts parsed no arguments');
  return root;
}
const inside = (command: Command, name: string): Command | undefined =>
  command.commands.find((one) => one.name() === name);

/** Why it is no command; undefined where it is one, or is not meant as one. */
function wrongWith(root: Command, [isCalled, ...words]: Named): string | undefined {
  const [first = '', second = ''] = words;
  const outer = inside(root, first);
  if (!outer) {
    const isInner = root.commands.some((group) => inside(group, first));
    return isCalled || (isInner && words.length > 1) ? `no command ${words.join(' ')}` : undefined;
  }
  if (!isCalled && words.length === 1) return undefined; // names a group
  const command = outer.commands.length > 0 ? inside(outer, second) : outer;
  if (!command) return `no command ${words.join(' ')}`;
  const known = [...command.options, ...root.options].map(({ long }) => long);
  const strange = words.filter((word) => word.startsWith('--') && !known.includes(word));
  return strange.length > 0 ? `${words.join(' ')}: no ${strange.join(', ')}` : undefined;
}

/** Of all code: calls of the command line, and what may be its commands alone. */
function commandsIn(markdown: string): Named[] {
  const blocks = Array.from(markdown.matchAll(/```\w*\n([\s\S]*?)```/g), ([, code = '']) => code);
  const spans = Array.from(
    markdown.replaceAll(/```[\s\S]*?```/g, '').matchAll(/`([^`]+)`/g),
    ([, code = '']) => code,
  );
  const wordsOf = (command: string): string[] =>
    (command.split(/[|;>#]|&&/)[0] ?? '').trim().split(/\s+/);
  const calls = [...blocks, ...spans].flatMap((code) =>
    Array.from(
      code
        .replaceAll('\\\n', ' ')
        .matchAll(/(?:npm run cli --|src\/cli\.ts) ((?:(?!&& npm run cli).)+)/g),
      ([, command = '']): Named => [true, ...wordsOf(command)],
    ),
  );
  return [...calls, ...spans.map((code): Named => [false, ...wordsOf(code)])];
}

describe('the operations manual', () => {
  it('links to what is there', () => {
    const links = Array.from(page.matchAll(/\]\((?!http)([^)\s]+)\)/g), ([, link = '']) => link);
    expect(links.length).toBeGreaterThan(50);
    const broken = [...new Set(links)].filter((link) => {
      const [file = '', anchor] = link.split('#');
      const path = join('docs', file || 'operations.md');
      if (!existsSync(join(ROOT, path))) return true;
      return anchor !== undefined && !anchorsIn(text(path)).includes(anchor);
    });
    expect(broken).toEqual([]);
  });

  it('sends people to panels that the dashboards have', () => {
    const titles = readdirSync(join(ROOT, 'grafana/dashboards')).flatMap((file) => {
      const { panels } = JSON.parse(text(`grafana/dashboards/${file}`)) as {
        panels: { title: string }[];
      };
      return panels.map(({ title }) => title);
    });
    const named = Array.from(
      page.matchAll(/(?<![*\w])\*([A-Z][^*\n]+)\*(?!\*)/g),
      ([, it = '']) => it,
    );
    const others = ['Release night', 'Page', 'Ticket'];
    expect(named.length).toBeGreaterThan(30);
    expect(
      [...new Set(named)].filter((one) => !titles.includes(one) && !others.includes(one)),
    ).toEqual([]);
  });

  it('names only commands that the command line has, with their flags', async () => {
    const named = commandsIn(page);
    expect(named.filter(([isCalled]) => isCalled).length).toBeGreaterThan(10);
    const root = await commandLine();
    expect(named.flatMap((one) => wrongWith(root, one) ?? [])).toEqual([]);
  });
});
