/**
 * The least that taking an entry can cost: node:http, JSON, and the one script that writes it. No
 * route, no gate, no validation, no claim.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { present } from '../src/lib/assert.ts';
import { connectRedis, disconnectRedis } from '../src/redis/client.ts';
import { keys } from '../src/redis/keys.ts';
import { replyWord, script } from '../src/redis/script.ts';

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

async function readJson(incoming: IncomingMessage): Promise<Entry> {
  return new Promise((resolve, reject) => {
    let text = '';
    incoming.setEncoding('utf8');
    incoming.on('data', (chunk: string) => {
      text += chunk;
    });
    incoming.once('end', () => resolve(JSON.parse(text) as Entry));
    incoming.once('error', reject);
  });
}

async function enter(incoming: IncomingMessage): Promise<string> {
  const { beneficiaries, preferences } = await readJson(incoming);
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
  return JSON.stringify({ entryId: id, resultAt: fields[0] });
}

async function answer(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  try {
    const body = await enter(incoming);
    const length = Buffer.byteLength(body);
    outgoing.writeHead(200, { 'content-type': 'application/json', 'content-length': length });
    outgoing.end(body);
  } catch (error) {
    outgoing.writeHead(500);
    outgoing.end(String(error));
  }
}

const server = createServer((incoming, outgoing) => void answer(incoming, outgoing));
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  process.stdout.write(`{"listening":"http://127.0.0.1:${port}"}\n`);
});
process.once('SIGTERM', () => {
  server.closeAllConnections();
  server.close(() => void disconnectRedis(redis));
});
