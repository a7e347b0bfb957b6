import { bookOnce, onPostgres, statement } from './postgres-desk.ts';

/**
 * Count and booking in one statement, which is a transaction and one round trip. Who has a seat is
 * seen before the count's row is locked; those who come at once, by the primary key of bookings.
 */
const book = statement(
  'conditional-update',
  `WITH taken AS (
     UPDATE slots SET free = free - 1
     WHERE slot = $1 AND free > 0
       AND NOT EXISTS (SELECT FROM bookings WHERE slot = $1 AND person = $2)
     RETURNING slot)
   INSERT INTO bookings (slot, person) SELECT slot, $2 FROM taken`,
);

export const postgresConditionalUpdate = onPostgres(
  {
    label: 'Postgres: conditional UPDATE',
    why: 'It is the least that is right: the condition is in the statement that takes the seat, and the row lock does the rest.',
  },
  (pool) => (person, slot) => bookOnce(pool, book, slot, person),
);
