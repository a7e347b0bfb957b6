import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { hex } from '../../src/lib/hash.ts';
import { jcs } from '../../src/lib/jcs.ts';
import { leafHash } from '../../src/lib/merkle.ts';
import {
  buildEntryTable,
  checkedBuilder,
  ENTRIES_MAX,
  type EntryRow,
  entryAt,
  entryDocument,
  entryTableBuilder,
  leafOf,
  leavesOf,
  prefsAt,
} from '../../src/rounds/draw/entry-table.ts';
import { ascending, rowOf } from '../../src/rounds/draw/bytes.ts';
import { categoriesOf } from '../../src/rounds/draw/pools.ts';
import { idOf, lottery, wants } from './release.ts';
import { anyEntries, anyManifest } from './scenario.ts';

const manifest = lottery({ a: { senior: 1, open: 1, nurse: 1 }, b: { open: 1 } });

describe('an entry table', () => {
  test('keeps every entry, in ascending order of id bytes', () => {
    fc.assert(
      fc.property(fc.gen(), (pick) => {
        const manifest = anyManifest(pick);
        const names = Array.from({ length: pick(fc.nat, { max: 20 }) }, (_, i) => idOf(`${i}`));
        const rows = anyEntries(pick, manifest, names);
        const table = buildEntryTable(manifest, rows);
        const sorted = rows.toSorted((a, b) =>
          Buffer.from(a.entry, 'base64url').compare(Buffer.from(b.entry, 'base64url')),
        );
        const kept = Array.from({ length: table.count }, (_, row) => ({
          entry: entryAt(table, row),
          size: table.sizes[row],
          categories: categoriesOf(manifest).filter(
            (_, bit) => (table.categories[row]! >> bit) & 1,
          ),
          prefs: [...prefsAt(table, row)],
        }));
        expect(kept).toEqual(sorted);
        const leaves = sorted.map((row) => leafOf(entryDocument(manifest, row)));
        expect(table.leaves.equals(Buffer.concat(leaves))).toBe(true);
      }),
    );
  });

  test('hashes an entry as its canonical JSON', () => {
    const row = wants('a', [1, 0], { size: 2, categories: ['nurse', 'senior'] });
    const document = entryDocument(manifest, row);
    expect(document).toEqual({
      cats: ['nurse', 'senior'],
      entry: idOf('a'),
      prefs: ['b', 'a'],
      size: 2,
    });
    expect(hex(leafOf(document))).toBe(hex(leafHash(Buffer.from(jcs(document)))));
  });

  test.each<[string, Partial<EntryRow>]>([
    ['the entry id is not 16 bytes', { entry: 'short' }],
    ['the entry id is not 16 bytes', { entry: 'AAAAAAAAAAAAAAAAAAAAAB' }],
    ['size is not 1 to 4', { size: 0 }],
    ['size is not 1 to 4', { size: 5 }],
    ['size is not 1 to 4', { size: 1.5 }],
    ['there are not 1 to 10 preferences', { prefs: [] }],
    ['there are not 1 to 10 preferences', { prefs: Array.from({ length: 11 }, (_, i) => i) }],
    ['a preferred slot is not in the manifest', { prefs: [2] }],
    ['a preferred slot is not in the manifest', { prefs: [-1] }],
    ['a slot is preferred twice', { prefs: [1, 1] }],
    ['the categories are not distinct and ascending', { categories: ['senior', 'nurse'] }],
    ['the categories are not distinct and ascending', { categories: ['nurse', 'nurse'] }],
    ['a category is not in the manifest', { categories: ['doctor'] }],
    ['a category is not in the manifest', { categories: ['open'] }],
  ])('refuses a row: %s', (problem, change) => {
    expect(() => buildEntryTable(manifest, [{ ...wants('a', [0]), ...change }])).toThrow(problem);
  });

  test('refuses an id that is there twice, and more rows than it was made for', () => {
    const twice = [wants('a', [0]), wants('b', [0]), wants('a', [1])];
    expect(() => buildEntryTable(manifest, twice)).toThrow(`${idOf('a')} is there twice`);
    const builder = entryTableBuilder(manifest, 0);
    expect(() => builder.add(wants('a', [0]))).toThrow('more rows');
    expect(() => entryTableBuilder(manifest, 8_000_001)).toThrow('8000000');
  });

  test('has one row for an entry that came several times, as a scan may give it', () => {
    fc.assert(
      fc.property(fc.gen(), (pick) => {
        const manifest = anyManifest(pick);
        const names = Array.from({ length: pick(fc.nat, { max: 20 }) }, (_, i) => idOf(`${i}`));
        const rows = anyEntries(pick, manifest, names);
        const again = rows.flatMap((row) =>
          Array.from({ length: pick(fc.nat, { max: 2 }) }, () => row),
        );
        const scanned = [...rows, ...again];
        const builder = checkedBuilder(manifest, scanned.length);
        for (const row of scanned) builder.add(row);
        const { table, added } = builder.finish();
        const { leaves, ...once } = buildEntryTable(manifest, rows);
        expect(once).toEqual({ ...table, prefs: table.prefs.subarray(0, once.prefs.length) });
        expect(leaves.equals(leavesOf(manifest, table))).toBe(true);
        const ids = Array.from(added, (at) => scanned[at]!.entry);
        expect(ids).toEqual(Array.from(added, (_, row) => entryAt(table, row)));
      }),
    );
  });

  test('grows as rows come, and is the same however long the list might have been', () => {
    const rows = Array.from({ length: 5_000 }, (_, i) => wants(`${i}`, i % 2 === 0 ? [0, 1] : [1]));
    const builder = checkedBuilder(manifest, ENTRIES_MAX);
    for (const row of rows) builder.add(row);
    const { leaves: _, ...table } = buildEntryTable(manifest, rows);
    expect(builder.finish().table).toEqual(table);
  });

  test('tells 32 categories apart', () => {
    const names = Array.from({ length: 32 }, (_, i) => `c${String(i).padStart(2, '0')}`);
    const pools = names.slice(0, 8).map((name) => [name, 1]);
    const seats = { a: Object.fromEntries(pools) as Record<string, number> };
    const wide = lottery(seats);
    const rest = [8, 16, 24].map((from) => ({
      ...wide.slots[0]!,
      slot: `s${from}`,
      pools: names.slice(from, from + 8).map((pool) => ({ pool, seats: 1 })),
    }));
    const all = { ...wide, slots: [...wide.slots, ...rest] };
    const table = buildEntryTable(all, [wants('a', [0], { categories: names })]);
    expect(table.categories[0]).toBe(0xffff_ffff);
  });
});

describe('keys laid end to end', () => {
  test('are ordered and found by their bytes, however alike they are', () => {
    const key = fc.uint8Array({ minLength: 16, maxLength: 16, max: 1 });
    fc.assert(
      fc.property(fc.array(key, { maxLength: 40 }), (keys) => {
        const rows = ascending(Buffer.concat(keys), 16);
        const sorted = [...rows].map((row) => Buffer.from(keys[row]!));
        expect(sorted).toEqual(sorted.toSorted((a, b) => a.compare(b)));
        const distinct = sorted.filter((key, i) => i === 0 || !key.equals(sorted[i - 1]!));
        for (const [row, key] of distinct.entries())
          expect(rowOf(Buffer.concat(distinct), key)).toBe(row);
        expect(rowOf(Buffer.concat(distinct), Buffer.alloc(16, 2))).toBe(-1);
      }),
    );
  });
});
