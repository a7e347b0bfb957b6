import { inTransaction, onPostgres } from './postgres-desk.ts';
import { hasSeat, readAndWrite } from './postgres-read-write.ts';

export const postgresSelectForUpdate = onPostgres(
  {
    label: 'Postgres: SELECT FOR UPDATE',
    why: 'It is what an ORM calls a pessimistic lock: read the row, look at it in the program, write it back.',
  },
  (pool) => async (person, slot) =>
    (await hasSeat(pool, person, slot))
      ? 'REFUSED'
      : inTransaction(pool, 'BEGIN', (client) => readAndWrite(client, 'FOR UPDATE', person, slot)),
);
