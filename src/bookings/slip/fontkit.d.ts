/** What we use of fontkit, which has no types of its own. */
declare module 'fontkit' {
  export type Coverage =
    | { readonly version: 1; readonly glyphs: readonly number[] }
    | {
        readonly version: 2;
        readonly rangeRecords: readonly { readonly start: number; readonly end: number }[];
      };
  export type Subtable = {
    /** What must come before, the nearest first. */
    readonly backtrackCoverage?: Coverage[];
    /** Of the first glyph that it is for: one of these. */
    readonly coverage?: Coverage;
    readonly inputCoverage?: readonly Coverage[];
    readonly markCoverage?: Coverage;
    readonly mark1Coverage?: Coverage;
  };
  export type Lookup = {
    /** The same object at each look: which glyphs the lookup passes over. */
    readonly flags: { readonly flags: { readonly useMarkFilteringSet: boolean } };
    readonly markFilteringSet?: number;
    readonly subTables: readonly Subtable[];
  };
  export type LayoutTable = { readonly lookupList: { toArray(): Lookup[] } };
  export type LaidGlyph = {
    readonly id: number;
    readonly isMark: boolean;
    /** Which of several that one glyph was replaced by; none for the first. */
    ligatureComponent?: number | null;
  };
  /** Walks over the glyphs of a text, on behalf of one lookup after another. */
  export type GlyphIterator = {
    readonly options: Lookup['flags'];
    readonly index: number;
    readonly cur: LaidGlyph | null;
    shouldIgnore: (glyph: LaidGlyph) => boolean;
  };
  export type Processor = {
    readonly table: LayoutTable;
    readonly glyphs: readonly LaidGlyph[];
    glyphIterator: GlyphIterator;
    applyLookup: (type: number, table: Subtable) => boolean;
  };
  export type GlyphRun = {
    readonly glyphs: readonly { readonly id: number; readonly advanceWidth: number }[];
    readonly positions: readonly {
      readonly xAdvance: number;
      readonly xOffset: number;
      readonly yOffset: number;
    }[];
    readonly advanceWidth: number;
  };
  export type Font = {
    readonly unitsPerEm: number;
    readonly GDEF?: { readonly markGlyphSetsDef?: { readonly coverage: readonly Coverage[] } };
    readonly _layoutEngine: {
      readonly engine?: { readonly GSUBProcessor?: Processor; readonly GPOSProcessor?: Processor };
    };
    layout(text: string): GlyphRun;
    hasGlyphForCodePoint(codePoint: number): boolean;
  };
  export function create(data: Uint8Array): Font;
}
