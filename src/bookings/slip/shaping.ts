/**
 * Three things of OpenType that fontkit 2.0.4 gets wrong, and Noto Sans Bengali builds its
 * conjuncts on: without them the sign of r in `ndra` and `tra` stands under the next letter.
 *
 * Mark filtering sets (lookup flag 0x10) are unknown to it: a lookup with one passes over every
 * mark that is not in it. What must stand before a letter is listed backwards, the nearest first,
 * but read forwards. Where several glyphs take the place of one, a mark is set on the first only.
 * Beside that it looks for a rule's surroundings before the letter that the rule is for, which
 * makes a word of Bengali take half as long again.
 *
 * Of some 7,000 conjuncts two are still wrong, `skr` and `shkr`.
 */
import type { Coverage, Font, Lookup, Processor, Subtable } from 'fontkit';

const MARK_TO_BASE = 4;

const glyphsOf = (coverage: Coverage): Set<number> =>
  new Set(
    coverage.version === 1
      ? coverage.glyphs
      : coverage.rangeRecords.flatMap(({ start, end }) =>
          Array.from({ length: end - start + 1 }, (_, number) => start + number),
        ),
  );

/** Changes the font: once is enough, and twice is wrong. */
export function correctShaping(font: Font): Font {
  const sets = (font.GDEF?.markGlyphSetsDef?.coverage ?? []).map(glyphsOf);
  // oxlint-disable-next-line no-underscore-dangle -- the only way in
  const { GSUBProcessor, GPOSProcessor } = font._layoutEngine.engine ?? {};
  for (const processor of [GSUBProcessor, GPOSProcessor]) {
    if (!processor) continue;
    const lookups = processor.table.lookupList.toArray();
    for (const { subTables } of lookups)
      for (const { backtrackCoverage } of subTables) backtrackCoverage?.reverse();
    filterMarks(processor, lookups, sets);
    passOver(processor, lookups);
  }
  return font;
}

function filterMarks(
  processor: Processor,
  lookups: readonly Lookup[],
  sets: readonly ReadonlySet<number>[],
): void {
  const setOf = new Map<Lookup['flags'], ReadonlySet<number>>();
  for (const { flags, markFilteringSet = -1 } of lookups) {
    const set = sets[markFilteringSet];
    if (flags.flags.useMarkFilteringSet && set) setOf.set(flags, set);
  }
  let held = processor.glyphIterator;
  // A processor makes itself a new one for each text.
  Object.defineProperty(processor, 'glyphIterator', {
    get: () => held,
    set: (iterator: Processor['glyphIterator']) => {
      const ignored = iterator.shouldIgnore.bind(iterator);
      iterator.shouldIgnore = (glyph) => {
        const set = glyph.isMark ? setOf.get(iterator.options) : undefined;
        return set ? !set.has(glyph.id) : ignored(glyph);
      };
      held = iterator;
    },
  });
}

/** Rules that are for other letters are not even tried. */
function passOver(processor: Processor, lookups: readonly Lookup[]): void {
  const startOf = new Map<Subtable, ReadonlySet<number>>();
  for (const table of lookups.flatMap(({ subTables }) => subTables)) {
    const first =
      table.coverage ?? table.inputCoverage?.[0] ?? table.markCoverage ?? table.mark1Coverage;
    if (first) startOf.set(table, glyphsOf(first));
  }
  const apply = processor.applyLookup.bind(processor);
  processor.applyLookup = (type, table) => {
    const start = startOf.get(table);
    const { cur } = processor.glyphIterator;
    if (start && cur && !start.has(cur.id)) return false;
    if (apply(type, table)) return true;
    // The number is another kind of lookup where glyphs are replaced.
    const setsMark = type === MARK_TO_BASE && table.markCoverage !== undefined;
    return setsMark && applyToPart(processor, apply, table);
  };
}

/** To a base that is a later one of several glyphs in place of one. */
function applyToPart(
  { glyphs, glyphIterator }: Processor,
  apply: Processor['applyLookup'],
  table: Subtable,
): boolean {
  const base = glyphs.slice(0, glyphIterator.index).findLast(({ isMark }) => !isMark);
  const part = base?.ligatureComponent ?? 0;
  if (!base || part === 0) return false;
  base.ligatureComponent = 0;
  const applied = apply(MARK_TO_BASE, table);
  base.ligatureComponent = part;
  return applied;
}
