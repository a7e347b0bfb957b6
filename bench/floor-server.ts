/**
 * The least that taking an entry can cost: node:http, JSON, and the one script that writes it. No
 * route, no gate, no validation, no claim.
 */
import { present } from '../src/lib/assert.ts';
import { connectRedis, disconnectRedis } from '../src/redis/client.ts';
import { keys } from '../src/redis/keys.ts';
import { replyWord, script } from '../src/redis/script.ts';
import { type Bare, serveBare } from './support/bare-server.ts';

const release = present(process.env['BENCH_RELEASE'], 'BENCH_RELEASE');
const url = present(process.env['REDIS_URL'], 'REDIS_URL');

/** Bound here and not by way of its store, so that a request is one call whatever the store does. */
const enterScript = script({
  file: 'rounds/enter',
  keys: [
    'release',
    'rounds',
    'entering',
    'sealed',
    'entries',
    'bookings',
    'accounts',
    'members',
    'happened',
    'happenedSealed',
    'changes',
    'standing',
    'withdrawn',
    'audit',
  ],
  args: ['id', 'packed', 'by', 'enterBeforeMs', 'standing', 'coming', 'expected'],
  reply: (raw) => replyWord(raw),
});
const named = Object.fromEntries(
  enterScript.definition.keys.map((name) => [name, keys[name](release)]),
) as Record<(typeof enterScript.definition.keys)[number], string>;
const redis = connectRedis({ url, cluster: false });

type Entry = { readonly beneficiaries: readonly string[]; readonly preferences: readonly string[] };

async function enter({ beneficiaries, preferences }: Entry): Promise<Bare> {
  const id = present(beneficiaries[0], 'a beneficiary');
  const packed = `${id}|${preferences.join(',')}|`;
  const enterBeforeMs = Number.MAX_SAFE_INTEGER;
  const { word, fields } = await enterScript(redis, named, {
    id,
    packed,
    by: id,
    enterBeforeMs,
    standing: '',
    coming: 'HAND',
    expected: '*',
  });
  if (word !== 'ENTERED') throw new Error(word);
  return { status: 200, body: { entryId: id, resultAt: fields[0] } };
}

serveBare(enter, () => disconnectRedis(redis));
