/**
 * The one HTTP front that every peer is behind: node:http, JSON, and `book`. 200 booked, 409 refused,
 * 503 gave up, 500 a fault.
 */
import { present } from '../../src/lib/assert.ts';
import { type Bare, serveBare } from '../support/bare-server.ts';
import { LOAD_PEER, type PeerName } from './list.ts';
import type { Answer } from './peer.ts';

const setting = (name: string): string => present(process.env[name], name);

const STATUS: Readonly<Record<Answer, number>> = { BOOKED: 200, REFUSED: 409, BUSY: 503 };

const name = setting('PEER') as PeerName;
const peer = await LOAD_PEER[name]();
const desk = await peer.open({
  redis: { url: setting('REDIS_URL'), cluster: false },
  postgres: setting('POSTGRES_SOCKET'),
});

type Wish = { readonly person: string; readonly slot: string };

async function book({ person, slot }: Wish): Promise<Bare> {
  try {
    const outcome = await desk.book(person, slot);
    return { status: STATUS[outcome], body: { outcome } };
  } catch (error) {
    throw new Error(`${name}: ${String(error)}`, { cause: error });
  }
}

serveBare(book, () => desk.close().then(() => process.exit(0)));
