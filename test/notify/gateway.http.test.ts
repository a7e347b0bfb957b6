/** The driver `http` and a gateway that behaves, or does not. */
import { once } from 'node:events';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isoFromMs, monotonicMs, nowMs } from '../../src/lib/clock.ts';
import { createGateway } from '../../src/notify/gateway.ts';
import type { GatewaySettings } from '../../src/notify/gateway-request.ts';
import {
  accept,
  after,
  answers,
  SELF_SIGNED,
  startGateway,
  type TestGateway,
} from '../support/gateway.ts';

const TIMEOUT_MS = 400;
const LETTER = {
  reference: 'q1Z8Yp0r7hQ2mJcT5wLxEg',
  account: 'account',
  mobile: '+919812345678',
  template: 'otp',
  text: '123456 "is" your OTP & more',
} as const;

let gateway: TestGateway;
beforeEach(async () => {
  gateway = await startGateway();
});
afterEach(() => gateway.close());

const driver = (settings: Partial<GatewaySettings> = {}) =>
  createGateway({
    url: gateway.url,
    method: 'POST',
    headers: { authorization: 'Bearer key' },
    body: '{"to":"{mobile}","text":"{text}","id":"{id}"}',
    timeoutMs: TIMEOUT_MS,
    ...settings,
  });
const deliver = (settings?: Partial<GatewaySettings>) => driver(settings)(LETTER);

it('hands over an SMS in one request, with its id in header and body', async () => {
  expect(await deliver()).toEqual({ outcome: 'sent' });
  const [received] = gateway.state.received;
  expect(gateway.state.received).toHaveLength(1);
  expect(received).toMatchObject({
    method: 'POST',
    path: '/send',
    headers: {
      authorization: 'Bearer key',
      'content-type': 'application/json',
      'idempotency-key': LETTER.reference,
    },
  });
  expect(JSON.parse(String(received?.body))).toEqual({
    to: LETTER.mobile,
    text: LETTER.text,
    id: LETTER.reference,
  });
});

it('hands over an SMS in a query, to gateways that want it there', async () => {
  const url = `${gateway.url}?to={mobile_digits}&text={text}`;
  expect(await deliver({ url, method: 'GET' })).toEqual({ outcome: 'sent' });
  const [received] = gateway.state.received;
  const { searchParams } = new URL(String(received?.path), gateway.url);
  expect(Object.fromEntries(searchParams)).toEqual({ to: '919812345678', text: LETTER.text });
  expect(received).toMatchObject({ method: 'GET', body: '' });
});

describe('an answer', () => {
  it.each([200, 201, 202, 204])('%i says that it was sent', async (status) => {
    gateway.state.behave = answers(status);
    expect(await deliver()).toEqual({ outcome: 'sent' });
  });

  it.each([400, 406, 409, 410, 413, 415, 422, 451])(
    '%i says that this SMS never will be',
    async (status) => {
      gateway.state.behave = answers(status);
      expect(await deliver()).toEqual({ outcome: 'refused', reason: `status-${status}` });
    },
  );

  it.each([401, 402, 403, 404, 405, 408, 425, 429, 500, 502, 503, 504])(
    '%i says nothing about this SMS: it is tried again',
    async (status) => {
      gateway.state.behave = answers(status);
      expect(await deliver()).toEqual({
        outcome: 'away',
        reason: `status-${status}`,
        retryAfterMs: 0,
      });
    },
  );

  it.each([
    ['7', 7_000, 7_000],
    ['999999999', 300_000, 300_000],
    [new Date(nowMs() + 60_000).toUTCString(), 50_000, 60_000],
    [isoFromMs(0), 0, 0],
    ['soon', 0, 0],
    ['-5', 0, 0],
  ])('with Retry-After %s says when', async (header, least, most) => {
    gateway.state.behave = answers(429, { 'retry-after': header });
    const delivery = await deliver();
    if (delivery.outcome !== 'away') throw new Error(delivery.outcome);
    expect(delivery.retryAfterMs).toBeGreaterThanOrEqual(least);
    expect(delivery.retryAfterMs).toBeLessThanOrEqual(most);
  });

  it.each([301, 302, 307, 308])('%i takes the SMS nowhere else', async (status) => {
    const elsewhere = await startGateway();
    gateway.state.behave = answers(status, { location: elsewhere.url });
    expect(await deliver()).toMatchObject({ outcome: 'away', reason: `status-${status}` });
    expect(elsewhere.state.received).toEqual([]);
    await elsewhere.close();
  });

  it('of any length is believed by its status, in time', async () => {
    gateway.state.behave = (response) => {
      response.writeHead(200);
      const pump = (): void => {
        while (!response.destroyed && response.write('x'.repeat(65_536)));
        if (!response.destroyed) response.once('drain', pump);
      };
      pump();
    };
    const startMs = monotonicMs();
    expect(await deliver()).toEqual({ outcome: 'sent' });
    expect(monotonicMs() - startMs).toBeLessThan(TIMEOUT_MS);
  });

  it('whose body never ends was an answer', async () => {
    gateway.state.behave = (response) => void response.writeHead(200).write('x');
    expect(await deliver()).toEqual({ outcome: 'sent' });
  });
});

describe('a gateway that', () => {
  it('does not answer costs no more than the time-out', async () => {
    gateway.state.behave = after(5_000);
    const startMs = monotonicMs();
    expect(await deliver()).toEqual({ outcome: 'away', reason: 'timeout' });
    expect(monotonicMs() - startMs).toBeLessThan(2 * TIMEOUT_MS);
  });

  it('is not there, hangs up or speaks something else is away', async () => {
    gateway.state.behave = (response) => response.destroy();
    expect(await deliver()).toMatchObject({ outcome: 'away', reason: 'und-err-socket' });
    gateway.state.behave = (response) => void response.socket?.end('SMTP ready\r\n');
    expect(await deliver()).toMatchObject({ outcome: 'away' });
    const { port } = gateway;
    await gateway.close();
    expect(await deliver({ url: `http://127.0.0.1:${port}/` })).toMatchObject({
      outcome: 'away',
      reason: 'econnrefused',
    });
    gateway = await startGateway(accept);
  });

  it('has no certificate that we trust gets nothing', async () => {
    let asked = 0;
    const impostor = createServer(SELF_SIGNED, (_request, response) => {
      asked += 1;
      response.end();
    });
    impostor.listen(0, '127.0.0.1');
    await once(impostor, 'listening');
    const { port } = impostor.address() as AddressInfo;
    expect(await deliver({ url: `https://127.0.0.1:${port}/` })).toEqual({
      outcome: 'away',
      reason: 'depth-zero-self-signed-cert',
    });
    expect(asked).toBe(0);
    impostor.close();
  });
});
