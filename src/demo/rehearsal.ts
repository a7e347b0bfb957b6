/** Whether an engine that runs may be played on, and with whom: for rehearsals and benches. */
import { randomInt } from 'node:crypto';
import type { Client } from './client.ts';

/** Mobiles and IDs end in eight digits: a rehearsal begins anywhere among them. */
const NUMBERS = 90_000_000;
/** Bots of an evening are numbered so much higher. */
const NUMBERS_OF_AN_EVENING = 1_000_000;
/** Of addresses that no earlier rehearsal is likely to have used within a minute. */
const ADDRESSES = 65_536;

/** Where the people of a rehearsal begin, so that they are others than those of the one before. */
export const drawFirstNumber = (): number => randomInt(NUMBERS - NUMBERS_OF_AN_EVENING);
export const nextFirstNumber = (number: number, people: number): number =>
  (number + people) % (NUMBERS - NUMBERS_OF_AN_EVENING);

const OPERATOR_ADDRESS = '127.3.0.1';

const DEVELOPMENT =
  'For a rehearsal, and never for real people, run it with NODE_ENV=development SMS_DRIVER=inbox, ' +
  'and TRUSTED_PROXIES with the address of this client';

/**
 * Throws where the engine would hand SMS to nobody, count all people as one, or create no release
 * for this key: before anybody signs in. `client` must come as through a load balancer
 * (`forwarded`).
 */
export async function assertRehearsal(
  client: Pick<Client, 'send'>,
  operatorKey: string,
): Promise<void> {
  const first = randomInt(ADDRESSES - 1);
  const [, before, other] = [
    await look(client, first),
    await look(client, first),
    await look(client, first + 1),
  ];
  // Who is somebody else has asked for less.
  if (other <= before)
    throw new Error(
      `the engine does not believe this client's X-Forwarded-For: all people are one. ${DEVELOPMENT}`,
    );
  await assertOperator(client, operatorKey);
}

/** A release without terms is refused to everybody, and before that whoever may create none. */
async function assertOperator(client: Pick<Client, 'send'>, operatorKey: string): Promise<void> {
  const { status, code } = await client.send({
    method: 'POST',
    path: '/v1/admin/releases',
    address: OPERATOR_ADDRESS,
    bearer: operatorKey,
    body: {},
  });
  if (status === 400) return;
  throw new Error(`the engine creates no release for this operator key: ${status} ${code ?? ''}`);
}

/** Requests that an address has left in this minute. */
async function look(client: Pick<Client, 'send'>, number: number): Promise<number> {
  const reply = await client.send({
    method: 'GET',
    path: '/v1/dev/inbox?mobile=%2B919800000000',
    address: `127.1.${number >> 8}.${number & 255}`,
  });
  if (reply.status === 200) return reply.left;
  throw new Error(
    reply.status === 0
      ? `no engine answers (${reply.code})`
      : `the engine keeps no SMS. ${DEVELOPMENT}`,
  );
}
