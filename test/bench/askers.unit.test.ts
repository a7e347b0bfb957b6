/** Whoever asks for the bench: that it reads what it is answered, and judges it right. */
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { expect, it, onTestFinished, vi } from 'vitest';
import { unexpectedIn } from '../../bench/rush/expected.ts';
import { isRaced } from '../../bench/soak/traffic.ts';
import { fire } from '../../bench/support/fire.ts';
import { pour } from '../../bench/support/pour.ts';

const PIECES = ['HTTP/1.1 200 OK\r\nconte', 'nt-length: 5\r\n\r', '\nhel', 'lo'];

it('takes an answer whose head comes in pieces', async () => {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', () => {
      for (const [place, piece] of PIECES.entries())
        setTimeout(() => socket.write(piece), place * 20);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const poured = await pour(`http://127.0.0.1:${port}`, { path: '/', headers: {} }, 6, 2);
  expect(poured).toMatchObject({ errors: 0, rps: expect.any(Number) });
});

it('says what it was answered where that should not have been', async () => {
  const server = createHttpServer((_request, response) => void response.writeHead(401).end());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const said = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  onTestFinished(() => said.mockRestore());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const volley = await fire(url, 2, [{ path: '/' }, { path: '/' }, { path: '/' }]);
  expect(volley).toMatchObject({ rps: 0, errors: 3 });
  expect(said).toHaveBeenCalledWith(`${url} answered 401 3 times\n`);
});

it('takes no visit that was overtaken for a fault, and every silence for one', () => {
  const one = { phase: 'entry', group: 'people', dueMs: 0, ms: 1 };
  const overtaken = { ...one, status: 409, code: 'ENTRY_SEALED' };
  const lost = { ...one, status: 0, code: 'ECONNRESET' };
  expect(unexpectedIn([overtaken, lost], isRaced)).toEqual({ 'people, entry: 0 ECONNRESET': 1 });
});
