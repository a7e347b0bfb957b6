/** The least that booking a seat can cost: node:http, JSON, and the one script that takes it. */
import { createEngine } from '../../src/engine.ts';
import { present } from '../../src/lib/assert.ts';
import { connectRedis, disconnectRedis } from '../../src/redis/client.ts';
import { keys } from '../../src/redis/keys.ts';
import { replyWord, script } from '../../src/redis/script.ts';
import { type Bare, serveBare } from '../support/bare-server.ts';
import { SECRET } from '../support/engine.ts';
import { granted } from '../support/pune.ts';

const release = present(process.env['BENCH_RELEASE'], 'BENCH_RELEASE');
const url = present(process.env['REDIS_URL'], 'REDIS_URL');

/** Bound here and not by way of its store, so that a request is one call whatever the store does. */
const bookScript = script({
  file: 'bookings/book',
  keys: ['release', 'entries', 'bookings', 'seats', 'accounts', 'audit'],
  args: ['by', 'enter_before_ms', 'slot', 'grant'],
  rest: true,
  reply: (raw) => replyWord(raw),
});
const named = Object.fromEntries(
  bookScript.definition.keys.map((name) => [name, keys[name](release)]),
) as Record<(typeof bookScript.definition.keys)[number], string>;
const redis = connectRedis({ url, cluster: false });
const { slotNumbers } = granted(
  await createEngine(redis, { secret: SECRET }).releases.published(release),
);

type Booking = { readonly beneficiary: string; readonly slot: string };

async function book({ beneficiary, slot }: Booking): Promise<Bare> {
  const number = present(slotNumbers.get(slot), slot);
  const grant = 'i1';
  const { word } = await bookScript(
    redis,
    named,
    { by: beneficiary, enter_before_ms: Number.MAX_SAFE_INTEGER, slot: number, grant },
    [beneficiary, `${beneficiary}|${number}|`, '0'],
  );
  if (word === 'SLOT_FULL') return { status: 409, body: { code: word } };
  if (word !== 'BOOKED') throw new Error(word);
  return { status: 201, body: { bookingId: `${release}.${beneficiary}.${grant}`, slot } };
}

serveBare(book, () => disconnectRedis(redis));
