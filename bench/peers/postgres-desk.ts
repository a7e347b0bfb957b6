/**
 * What the peers on Postgres share: tables with the indexes that they need, a pool of connections,
 * prepared statements.
 */
import { DatabaseError, Pool, type PoolClient } from 'pg';
import { present } from '../../src/lib/assert.ts';
import type { Answer, Books, Desk, Peer, Places } from './peer.ts';
import { DATABASE } from '../support/postgres.ts';

/** pg's own default. More of them wait for one row at the same time. */
const CONNECTIONS = 10;
/** A person's second booking, and a count below none. */
const REFUSALS = ['23505', '23514'];
const SERIALIZATION_FAILURE = '40001';
/** So that a slot is found by its index, as where there are many. */
const OTHER_SLOTS = 1_000;

export function openPool({ postgres }: Places): Pool {
  const pool = new Pool({ ...DATABASE, host: postgres, max: CONNECTIONS });
  // A pool has ended when it has said goodbye: Postgres may end before it has heard all of them.
  pool.on('connect', (client) => client.on('error', () => undefined));
  return pool;
}

const codeOf = (error: unknown): string =>
  (error instanceof DatabaseError ? error.code : undefined) ?? '';
const isRefusal = (error: unknown): boolean => REFUSALS.includes(codeOf(error));
export const isOvertaken = (error: unknown): boolean => codeOf(error) === SERIALIZATION_FAILURE;

/** A statement that each connection prepares once. */
export const statement = (name: string, text: string) => ({
  on: (client: Pick<Pool, 'query'> | PoolClient, ...values: (string | number)[]) =>
    client.query<{ free: number }>({ name, text, values }),
});

export const freeOf = (rows: readonly { free: number }[]): number =>
  present(rows[0], 'the slot').free;

/**
 * One statement that books by itself: BOOKED where it changed a row. Not by `pool.query`, which throws
 * the connection away where the statement fails, as it does for whoever has a seat already.
 */
export async function bookOnce(
  pool: Pool,
  statement: {
    on: (client: PoolClient, ...values: string[]) => Promise<{ rowCount: number | null }>;
  },
  ...values: string[]
): Promise<Answer> {
  const client = await pool.connect();
  try {
    const { rowCount } = await statement.on(client, ...values);
    return rowCount === 1 ? 'BOOKED' : 'REFUSED';
  } catch (error) {
    if (isRefusal(error)) return 'REFUSED';
    throw error;
  } finally {
    client.release();
  }
}

/** BEGIN, `work`, COMMIT, where it answers BOOKED; else ROLLBACK. */
export async function inTransaction(
  pool: Pool,
  begin: string,
  work: (client: PoolClient) => Promise<Answer>,
): Promise<Answer> {
  const client = await pool.connect();
  try {
    await client.query(begin);
    const answer = await work(client);
    await client.query(answer === 'BOOKED' ? 'COMMIT' : 'ROLLBACK');
    return answer;
  } catch (error) {
    await client.query('ROLLBACK');
    if (isRefusal(error)) return 'REFUSED';
    throw error;
  } finally {
    client.release();
  }
}

// Room in each page, so that a count that changes need not change its index (heap-only tuples).
const TABLES = `
  CREATE TABLE IF NOT EXISTS slots
    (slot text PRIMARY KEY, free int NOT NULL CHECK (free >= 0)) WITH (fillfactor = 50);
  CREATE TABLE IF NOT EXISTS bookings
    (slot text NOT NULL, person text NOT NULL, booked_at timestamptz NOT NULL DEFAULT now(),
     PRIMARY KEY (slot, person));
  CREATE TABLE IF NOT EXISTS seats
    (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, slot text NOT NULL, person text);
  CREATE INDEX IF NOT EXISTS seats_free ON seats (slot, id) WHERE person IS NULL;
  CREATE UNIQUE INDEX IF NOT EXISTS seats_person ON seats (slot, person) WHERE person IS NOT NULL;
  TRUNCATE slots, bookings, seats;`;

/** Empties all tables: one slot is measured at a time. */
export async function emptyTables(pool: Pool): Promise<void> {
  await pool.query(TABLES);
}

export const refreshStatistics = async (pool: Pool): Promise<void> => {
  await pool.query('VACUUM ANALYZE slots, bookings, seats');
};

/** All of a desk but how it books, where a slot is a row with a count. */
export const deskOn = (pool: Pool): Omit<Desk, 'book'> => ({
  prepare: async (slot, seats) => {
    await emptyTables(pool);
    await pool.query(
      `INSERT INTO slots SELECT 'other ' || n, 100 FROM generate_series(1, ${OTHER_SLOTS}) n`,
    );
    await pool.query('INSERT INTO slots VALUES ($1, $2)', [slot, seats]);
    await refreshStatistics(pool);
  },
  books: async (slot): Promise<Books> => {
    const free = await pool.query<{ free: number }>('SELECT free FROM slots WHERE slot = $1', [
      slot,
    ]);
    const booked = await pool.query<{ person: string }>(
      'SELECT person FROM bookings WHERE slot = $1',
      [slot],
    );
    return { free: freeOf(free.rows), persons: booked.rows.map(({ person }) => person) };
  },
  close: () => pool.end(),
});

/** A safe peer on such tables: only its words and how it books are its own. */
export const onPostgres = (
  words: Pick<Peer, 'label' | 'why'>,
  bookOn: (pool: Pool) => Desk['book'],
): Peer => ({
  ...words,
  isSafe: true,
  survivesKill: true,
  needs: 'postgres',
  open: async (places) => {
    const pool = openPool(places);
    return { ...deskOn(pool), book: bookOn(pool) };
  },
});
