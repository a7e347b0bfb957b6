/** Drand networks to test with, and endpoints of theirs that behave, or do not. */
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { bls12_381 } from '@noble/curves/bls12-381.js';
import { isoFromMs, nowMs } from '../../src/lib/clock.ts';
import { hex, sha256, u64 } from '../../src/lib/hash.ts';
import { type DrandChain, drandTimeMs, QUICKNET } from '../../src/rounds/beacon/beacon.ts';

export type Network = {
  readonly chain: DrandChain;
  /** In hex; undefined for a round that nobody has. */
  readonly signatureOf: (round: number) => string | undefined;
};

/** Rounds of quicknet as the network published them. */
const RECORDED: Readonly<Record<number, string>> = {
  1000: 'b44679b9a59af2ec876b1a6b1ad52ea9b1615fc3982b19576350f93447cb1125e342b73a8dd2bacbe47e4b6b63ed5e39',
  1001: 'b33bf3667cbd5a82de3a24b4e0e9fe5513cc1a0e840368c6e31f5fcfa79bea03f73896b25883abf2853d10337fb8fa41',
  1002: 'ab066f9c12dd6de1336fca0f925192fb0c72a771c3e4c82ede1fd362c1a770f9eb05843c6308ce2530b53a99c0281a6e',
};
export const recorded: Network = {
  chain: QUICKNET,
  signatureOf: (round) => RECORDED[round],
};

const { shortSignatures } = bls12_381;
const DOMAIN = 'BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_';

/** A network of one, with a key of its own. `name` makes the key. */
export function ownNetwork(name: string, facts: Partial<DrandChain> = {}): Network {
  const key = sha256(Buffer.from(name));
  key[0] = 0; // below the order of the group
  const chain = {
    chain: hex(sha256(key)),
    genesis_time: Math.floor(nowMs() / 1000) - 3_600,
    period_s: 1,
    public_key: shortSignatures.getPublicKey(key).toHex(),
    ...facts,
  };
  const signatureOf = (round: number): string =>
    shortSignatures.sign(shortSignatures.hash(sha256(u64(round)), DOMAIN), key).toHex();
  return { chain, signatureOf };
}

export type Mode =
  | 'honest'
  | 'lies'
  | 'wrong round'
  | 'replays'
  | 'not found'
  | 'too early'
  | 'fails'
  | 'redirects'
  | 'malformed'
  | 'spells differently'
  | 'huge'
  | 'huge and slow'
  | 'hangs'
  | 'drips'
  | 'closes'
  | 'breaks off';

export type TestDrand = Awaited<ReturnType<typeof startDrand>>;

/** An endpoint on a port of its own; `mode` may be changed while it runs. */
export async function startDrand(network: Network, mode: Mode = 'honest') {
  const state = { mode, asked: 0, askedAt: [] as string[] };
  const server = createServer((request, response) => {
    state.asked += 1;
    state.askedAt.push(isoFromMs(nowMs()));
    const [, chain, word, round] = (request.url ?? '').split('/');
    if (chain !== network.chain.chain || word !== 'public') response.writeHead(400).end('which?');
    else answer(network, Number(round), state.mode, response);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    state,
    url: `http://127.0.0.1:${port}`,
    close: async (): Promise<void> => {
      server.closeAllConnections();
      await new Promise((resolve) => {
        server.close(resolve);
      });
    },
  };
}

const documentOf = (round: number, signature: string): string =>
  JSON.stringify({
    round,
    randomness: hex(sha256(Buffer.from(signature, 'hex'))),
    signature,
  });

function answer(network: Network, round: number, mode: Mode, response: ServerResponse): void {
  const signature = network.signatureOf(round);
  const exists = signature !== undefined && drandTimeMs(network.chain, round) <= nowMs();
  const good = documentOf(round, signature ?? '');
  const ok = (body: string): void =>
    void response.writeHead(200, { 'content-type': 'application/json' }).end(body);
  switch (mode) {
    case 'honest':
      if (exists) ok(good);
      else response.writeHead(425).end('{}');
      break;
    case 'lies':
      ok(documentOf(round, ownNetwork('somebody else').signatureOf(round) ?? ''));
      break;
    case 'wrong round':
      ok(documentOf(round - 1, network.signatureOf(round - 1) ?? signature ?? ''));
      break;
    case 'replays':
      ok(documentOf(round, network.signatureOf(round + 1) ?? ''));
      break;
    case 'malformed':
      ok(good.slice(0, -1));
      break;
    case 'spells differently':
      ok(good.replace(/[0-9a-f]{96}/, (text) => text.toUpperCase()));
      break;
    case 'not found':
      response.writeHead(404).end('no such round');
      break;
    case 'too early':
      response.writeHead(425).end();
      break;
    case 'fails':
      response.writeHead(500).end(good);
      break;
    case 'redirects':
      response.writeHead(302, { location: '/elsewhere' }).end(good);
      break;
    case 'huge':
      ok(good + ' '.repeat(1_000_000));
      break;
    case 'huge and slow':
      trickle(response, ' '.repeat(2_000));
      break;
    case 'drips':
      trickle(response, ' ');
      break;
    case 'hangs':
      break;
    case 'closes':
      response.destroy();
      break;
    case 'breaks off':
      response.writeHead(200, { 'content-length': good.length }).write(good.slice(0, 50));
      setTimeout(() => response.destroy(), 20);
  }
}

/** Sends a part, again and again, and never ends. */
function trickle(response: ServerResponse, part: string): void {
  response.writeHead(200);
  const dripping = setInterval(() => response.write(part), 10);
  response.once('close', () => clearInterval(dripping));
}
