/** What an export reads of a release, in batches. */
import { auditLine } from '../rounds/audit-line.ts';
import { keys } from '../redis/keys.ts';
import type { Redis } from '../redis/client.ts';

const BATCH = 1_000;

export type ExportStore = ReturnType<typeof createExportStore>;

export function createExportStore(redis: Redis) {
  async function* scanned(key: string): AsyncGenerator<(readonly [string, string])[], void> {
    let cursor = '0';
    do {
      const [next, flat] = await redis.hscan(key, cursor, 'COUNT', BATCH);
      const pairs: (readonly [string, string])[] = [];
      for (let i = 0; i + 1 < flat.length; i += 2) pairs.push([flat[i] ?? '', flat[i + 1] ?? '']);
      yield pairs;
      cursor = next;
    } while (cursor !== '0');
  }

  return {
    counts: async (release: string) => {
      const [entering, sealed, entries, bookings, audit] = await Promise.all([
        redis.hlen(keys.entering(release)),
        redis.hlen(keys.sealed(release)),
        redis.hlen(keys.entries(release)),
        redis.hlen(keys.bookings(release)),
        redis.xlen(keys.audit(release)),
      ]);
      return { entries: entering + sealed + entries, bookings, audit };
    },

    /** Entry id and packed entry, wherever it stands. One may come twice. */
    entries: async function* (release: string) {
      for (const key of [keys.entering, keys.sealed, keys.entries]) yield* scanned(key(release));
    },

    /** Entry id and packed booking, likewise. */
    bookings: (release: string) => scanned(keys.bookings(release)),

    /** The round that each entry was last new in; '0' where nothing else is written. */
    newIn: async (release: string, ids: readonly string[]): Promise<(string | null)[]> =>
      ids.length === 0 ? [] : redis.hmget(keys.newIn(release), ...ids),

    /** Packed visits of `<entry id>.<grant>`. */
    visits: async (release: string, seats: readonly string[]): Promise<(string | null)[]> =>
      seats.length === 0 ? [] : redis.hmget(keys.visits(release), ...seats),

    accountsOf: (persons: readonly string[]): Promise<(string | null)[]> =>
      Promise.all(persons.map((person) => redis.hget(keys.person(person), 'account'))),

    /** Id and event of each line of the release's audit stream, oldest first. */
    audit: async function* (release: string): AsyncGenerator<(readonly [string, string])[], void> {
      for (let from = '-'; ; ) {
        const lines = await redis.xrange(keys.audit(release), from, '+', 'COUNT', BATCH);
        yield lines.map(([id, fields]) => [id, auditLine(fields[1] ?? '')] as const);
        const last = lines.at(-1)?.[0];
        if (lines.length < BATCH || last === undefined) return;
        from = `(${last}`;
      }
    },
  };
}
