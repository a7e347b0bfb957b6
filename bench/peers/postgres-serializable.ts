import { randomInt } from 'node:crypto';
import { sleep } from '../../src/lib/clock.ts';
import { inTransaction, isOvertaken, onPostgres } from './postgres-desk.ts';
import { hasSeat, readAndWrite } from './postgres-read-write.ts';

const TRIES = 200;
/** Longest pause before the next try, so that the same ones do not meet again. */
const PAUSE_BELOW_MS = 20;

export const postgresSerializable = onPostgres(
  {
    label: 'Postgres: SERIALIZABLE, tried again',
    why: 'The database promises that it is as if one came after the other, so that nobody has to think of locks.',
  },
  (pool) => async (person, slot) => {
    for (let tries = 0; tries < TRIES; tries++) {
      if (await hasSeat(pool, person, slot)) return 'REFUSED';
      try {
        return await inTransaction(pool, 'BEGIN ISOLATION LEVEL SERIALIZABLE', (client) =>
          readAndWrite(client, '', person, slot),
        );
      } catch (error) {
        if (!isOvertaken(error)) throw error;
        await sleep(randomInt(PAUSE_BELOW_MS));
      }
    }
    return 'BUSY';
  },
);
