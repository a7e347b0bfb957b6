/** An SMS gateway on a port of its own, which takes JSON and counts what it was given. */
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { monotonicMs } from '../../src/lib/clock.ts';

export type Received = {
  readonly atMs: number;
  readonly headers: IncomingHttpHeaders;
  readonly method: string;
  readonly path: string;
  readonly body: string;
};

export type Behave = (response: ServerResponse, received: Received) => void;
export type TestGateway = Awaited<ReturnType<typeof startGateway>>;

export const accept: Behave = (response) => void response.writeHead(202).end('{"queued":true}');
export const answers =
  (status: number, headers: Record<string, string> = {}): Behave =>
  (response) =>
    void response.writeHead(status, headers).end('a body');
export const after =
  (latencyMs: number, behave: Behave = accept): Behave =>
  (response, received) =>
    void setTimeout(() => behave(response, received), latencyMs);

/** `behave` may be changed while it runs; `port`: to come back where one was. */
export async function startGateway(behave: Behave = accept, port = 0) {
  const state = { behave, received: [] as Received[], inHand: 0, mostInHand: 0 };
  const server = createServer((request, response) => {
    state.inHand += 1;
    state.mostInHand = Math.max(state.mostInHand, state.inHand);
    response.once('close', () => {
      state.inHand -= 1;
    });
    const { headers, method = '', url = '' } = request;
    const serve = async (): Promise<void> => {
      const body = await text(request);
      const received = { atMs: monotonicMs(), headers, method, path: url, body };
      state.received.push(received);
      state.behave(response, received);
    };
    serve().catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => {
    server.listen(port, '127.0.0.1', resolve);
  });
  const { port: found } = server.address() as AddressInfo;
  return {
    state,
    port: found,
    url: `http://127.0.0.1:${found}/send`,
    /** How often each SMS was received. */
    times: (): ReadonlyMap<string, number> => {
      const times = new Map<string, number>();
      for (const { headers } of state.received) {
        const id = String(headers['idempotency-key']);
        times.set(id, (times.get(id) ?? 0) + 1);
      }
      return times;
    },
    close: async (): Promise<void> => {
      server.closeAllConnections();
      await new Promise((resolve) => {
        server.close(resolve);
      });
    },
  };
}

/** For 127.0.0.1, signed by nobody but itself; it secures nothing but a test. */
export const SELF_SIGNED = {
  key: `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgvWsjuxkpADDSxCku
cxEXGXB9rmk6Bo4tYbe3OTSpbhyhRANCAATIR8H0Y6s1/HLQNRntwb3ylYRcZ2UY
I5hI5VM7sbAMyEcVi7uYGcAO5lsTh0qnrnr15S1jcdNdsF25Sv6rP1p8
-----END PRIVATE KEY-----`,
  cert: `-----BEGIN CERTIFICATE-----
MIIBWzCCAQKgAwIBAgIBATAKBggqhkjOPQQDAjAUMRIwEAYDVQQDDAkxMjcuMC4w
LjEwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBaMBQxEjAQBgNVBAMM
CTEyNy4wLjAuMTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABMhHwfRjqzX8ctA1
Ge3BvfKVhFxnZRgjmEjlUzuxsAzIRxWLu5gZwA7mWxOHSqeuevXlLWNx012wXblK
/qs/WnyjQzBBMA8GA1UdEwEB/wQFMAMBAf8wDwYDVR0RBAgwBocEfwAAATAdBgNV
HQ4EFgQUWOZfm+8tnCHzkXsWLWyL6LhIiXwwCgYIKoZIzj0EAwIDRwAwRAIgYAOm
gDX8i5QSfgDvfKAdLRNL8asTEBSXSp7mD5GkUKkCIFO+BpfjKiC/n3IO/eqAjaul
c1s4pLKM/zrhWVmWyftS
-----END CERTIFICATE-----`,
};
