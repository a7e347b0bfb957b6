/**
 * Two things of OpenType that fontkit 2.0.4 gets wrong, and Noto Sans Bengali builds its conjuncts
 * on: without them the sign of r in `ndra` and `tra` stands under the next letter.
 *
 * Mark filtering sets (lookup flag 0x10) are unknown to it: a lookup with one passes over every mark
 * that is not in it. And what must stand before a letter is listed backwards, the nearest first, but
 * read forwards.
 */
import type { Coverage, Font, Lookup, Processor } from 'fontkit';

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
  const { GSUBProcessor, GPOSProcessor } = font._layoutEngine.engine ?? {};
  for (const processor of [GSUBProcessor, GPOSProcessor]) {
    if (!processor) continue;
    const lookups = processor.table.lookupList.toArray();
    for (const { subTables } of lookups)
      for (const { backtrackCoverage } of subTables) backtrackCoverage?.reverse();
    filterMarks(processor, lookups, sets);
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
