/**
 * The connections of a server are for many networks: none of them can take all, and who is served
 * makes room for who comes.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ConnectionTerms, DropReason } from '../../src/http/connections.ts';
import { NetworksText } from '../../src/http/networks.ts';
import { listen, type ListenOptions, PATIENCE, type Server } from '../../src/http/server.ts';
import { present } from '../../src/lib/assert.ts';
import { sleep } from '../../src/lib/clock.ts';

const CONNECTIONS = 8;
const OF_A_NETWORK = 4;
const ASK = 'GET / HTTP/1.1\r\nhost: x\r\n\r\n';
const BUSY = 'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n1';

let server: Server | undefined;
let dropped: DropReason[];
let sockets: Socket[];
/** How long the server takes for an answer. */
let slowlyMs: number;
const serve = async (terms: ConnectionTerms & Partial<ListenOptions> = {}): Promise<void> => {
  const app = {
    handler: (incoming: IncomingMessage, outgoing: ServerResponse) => {
      incoming.resume().once('end', () => setTimeout(() => outgoing.end('ok'), slowlyMs));
    },
    leave: () => undefined,
    onDropped: (reason: DropReason) => void dropped.push(reason),
  };
  const options = { host: '127.0.0.1', port: 0, connections: CONNECTIONS, ...terms };
  server = await listen(app, options);
};
beforeEach(() => {
  dropped = [];
  sockets = [];
  slowlyMs = 0;
});
afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  await server?.close();
  server = undefined;
});

const dial = async (from: string): Promise<Socket> => {
  const port = Number(new URL(present(server, 'the server').url).port);
  const socket = connect({ port, host: '127.0.0.1', localAddress: from });
  socket.on('error', () => undefined);
  sockets.push(socket);
  await once(socket, 'connect');
  return socket;
};
/** Whether a request over it is answered; the connection stays open. */
const answers = async (socket: Socket): Promise<boolean> => {
  const answer = once(socket, 'data').then(([data]) => String(data).includes('200 OK'));
  const closed = once(socket, 'close').then(() => false);
  if (socket.destroyed) return false;
  socket.write(ASK);
  return Promise.race([answer.catch(() => false), closed]);
};
const reaches = async (from: string): Promise<boolean> => answers(await dial(from));
/** One after another, from as many addresses of a network. */
const open = async (count: number, network: string, use: (socket: Socket) => unknown) => {
  const opened: Socket[] = [];
  for (let host = 1; host <= count; host++) {
    const socket = await dial(`${network}.${host}`);
    await use(socket);
    opened.push(socket);
  }
  await sleep(50); // the server has heard of all
  return opened;
};
const busy = (socket: Socket) => socket.write(BUSY);
const idle = async (socket: Socket) => expect(await answers(socket)).toBe(true);

describe('a network', () => {
  test('has half of the connections at most, whatever its addresses', async () => {
    await serve();
    await open(OF_A_NETWORK, '127.0.31', busy);
    expect(await reaches('127.0.31.9')).toBe(false);
    expect(dropped).toEqual(['network']);
    expect(await reaches('127.0.32.1')).toBe(true);
    sockets[0]?.destroy();
    await expect.poll(() => reaches('127.0.31.9')).toBe(true);
  });

  test('closes its oldest idle connection for who comes, and no other', async () => {
    await serve();
    const [first, ...others] = await open(OF_A_NETWORK, '127.0.31', idle);
    const [elsewhere] = await open(1, '127.0.32', idle);
    expect(await reaches('127.0.31.9')).toBe(true);
    expect(dropped).toEqual([]);
    await expect.poll(() => first?.closed).toBe(true);
    for (const socket of [...others, elsewhere as Socket]) await idle(socket);
  });

  test('is not counted where it is of trusted proxies', async () => {
    await serve({ trustedProxies: NetworksText.parse('127.0.31.0/24') });
    await open(OF_A_NETWORK + 1, '127.0.31', busy);
    expect(await reaches('127.0.31.9')).toBe(true);
  });
});

describe('a server that is full', () => {
  test('drops who comes where all others are being served', async () => {
    await serve();
    await open(OF_A_NETWORK, '127.0.31', busy);
    await open(OF_A_NETWORK, '127.0.32', busy);
    expect(await reaches('127.0.33.1')).toBe(false);
    expect(dropped).toEqual(['full']);
  });

  test('closes an idle connection for who comes, and none that is being served', async () => {
    await serve();
    const served = await open(OF_A_NETWORK, '127.0.31', busy);
    const [first, second] = await open(OF_A_NETWORK, '127.0.32', idle);
    expect(await reaches('127.0.33.1')).toBe(true);
    await expect.poll(() => first?.closed).toBe(true);
    await idle(second as Socket);
    for (const socket of served) {
      const answer = once(socket, 'data');
      socket.write('2');
      expect(String(await answer)).toContain('200 OK');
    }
    expect(dropped).toEqual([]);
  });
});

describe('an address whose connections are taken by requests that never end', () => {
  const ASKING_MS = 300;
  const SLOWLY = [
    ['nothing', ''],
    ['part of its headers', 'GET / HTTP/1.1\r\nhost: x\r\n'],
    ['part of its body', BUSY],
  ] as const;

  test.each(SLOWLY)('has one for its other people: %s was said', async (_what, said) => {
    await serve({ connectionsPerAddress: 3, patience: { ...PATIENCE, askingMs: ASKING_MS } });
    const from = '127.0.31.1';
    const slow = await Promise.all([dial(from), dial(from), dial(from)]);
    for (const socket of slow) socket.write(said);
    await sleep(50);
    expect(await reaches(from)).toBe(false);
    await sleep(ASKING_MS);
    expect(await reaches(from)).toBe(true);
    await expect.poll(() => slow.filter(({ closed }) => closed).length).toBe(1);
    expect(dropped).toEqual(['address']);
  });

  test('keeps those whose answer takes long', async () => {
    await serve({ connectionsPerAddress: 2, patience: { ...PATIENCE, askingMs: ASKING_MS } });
    slowlyMs = 3 * ASKING_MS;
    const from = '127.0.31.1';
    const [one, other] = [await dial(from), await dial(from)];
    const asked = [answers(one), answers(other)];
    await sleep(2 * ASKING_MS);
    expect(await reaches(from)).toBe(false);
    expect(await Promise.all(asked)).toEqual([true, true]);
  });
});

describe('a machine whose servers are all full', () => {
  test('drops who comes, where node:cluster would pass it round from one to the other', async () => {
    const script = join(import.meta.dirname, '../support/full-machine.ts');
    const machine = spawn(process.execPath, [script], { stdio: ['pipe', 'pipe', 'inherit'] });
    try {
      const [url] = await once(machine.stdout, 'data');
      const port = Number(new URL(String(url)).port);
      const dialled = Array.from({ length: 3 }, () => {
        const socket = connect(port, '127.0.0.1').on('error', () => undefined);
        sockets.push(socket);
        return socket;
      });
      // Well before the others go for saying nothing.
      await Promise.race([...dialled.map((socket) => once(socket, 'close')), sleep(5_000)]);
      expect(dialled.filter((socket) => socket.closed)).toHaveLength(1);
    } finally {
      machine.stdin.end();
      await once(machine, 'exit');
    }
  });
});
