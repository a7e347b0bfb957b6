/** Read the count, write booking and count: for those peers that differ only in how they lock. */
import type { Pool, PoolClient } from 'pg';
import type { Answer } from './peer.ts';
import { freeOf, statement } from './postgres-desk.ts';

const look = (lock: '' | 'FOR UPDATE') =>
  statement(`look ${lock}`, `SELECT free FROM slots WHERE slot = $1 ${lock}`);
const has = statement('has', 'SELECT FROM bookings WHERE slot = $1 AND person = $2');
const insert = statement('insert', 'INSERT INTO bookings (slot, person) VALUES ($1, $2)');
const update = statement('update', 'UPDATE slots SET free = free - 1 WHERE slot = $1');

const LOOKS = { '': look(''), 'FOR UPDATE': look('FOR UPDATE') } as const;

/** Whether a person has a seat already: they need not wait for a lock. */
export const hasSeat = async (pool: Pool, person: string, slot: string): Promise<boolean> =>
  (await has.on(pool, slot, person)).rowCount === 1;

export async function readAndWrite(
  client: PoolClient,
  lock: keyof typeof LOOKS,
  person: string,
  slot: string,
): Promise<Answer> {
  const { rows } = await LOOKS[lock].on(client, slot);
  if (freeOf(rows) <= 0) return 'REFUSED';
  await insert.on(client, slot, person);
  await update.on(client, slot);
  return 'BOOKED';
}
