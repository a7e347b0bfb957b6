import { inTransaction, onPostgres, statement } from './postgres-desk.ts';
import { hasSeat, readAndWrite } from './postgres-read-write.ts';

const lock = statement('advisory-lock', 'SELECT pg_advisory_xact_lock(hashtextextended($1, 0))');

export const postgresAdvisoryLock = onPostgres(
  {
    label: 'Postgres: advisory lock',
    why: 'A lock by name covers rules that are about no one row, and it ends with its transaction.',
  },
  (pool) => async (person, slot) =>
    (await hasSeat(pool, person, slot))
      ? 'REFUSED'
      : inTransaction(pool, 'BEGIN', async (client) => {
          await lock.on(client, slot);
          return readAndWrite(client, '', person, slot);
        }),
);
