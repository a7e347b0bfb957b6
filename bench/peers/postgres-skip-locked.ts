import type { Peer } from './peer.ts';
import { bookOnce, emptyTables, openPool, refreshStatistics, statement } from './postgres-desk.ts';

/** One round trip. A person's second seat fails at the unique index over slot and person. */
const book = statement(
  'skip-locked',
  `UPDATE seats SET person = $2
   WHERE id = (
     SELECT id FROM seats WHERE slot = $1 AND person IS NULL
       AND NOT EXISTS (SELECT FROM seats WHERE slot = $1 AND person = $2)
     ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED)`,
);

export const postgresSkipLocked: Peer = {
  label: 'Postgres: a row a seat, SKIP LOCKED',
  why: 'Nobody waits for anybody: each takes the first row that no other is taking, as queues on Postgres do.',
  isSafe: true,
  survivesKill: true,
  needs: 'postgres',
  open: async (places) => {
    const pool = openPool(places);
    return {
      prepare: async (slot, seats) => {
        await emptyTables(pool);
        await pool.query('INSERT INTO seats (slot) SELECT $1 FROM generate_series(1, $2::int)', [
          slot,
          seats,
        ]);
        await refreshStatistics(pool);
      },
      book: (person, slot) => bookOnce(pool, book, slot, person),
      books: async (slot) => {
        const { rows } = await pool.query<{ person: string | null }>(
          'SELECT person FROM seats WHERE slot = $1',
          [slot],
        );
        const persons = rows.flatMap(({ person }) => (person === null ? [] : [person]));
        return { free: rows.length - persons.length, persons };
      },
      close: () => pool.end(),
    };
  },
};
