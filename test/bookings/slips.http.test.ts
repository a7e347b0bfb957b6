/** The slip over HTTP: what a browser gets, and how often. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { isRefusal } from '../../src/refusal.ts';
import { createLog } from '../../src/log.ts';
import { serveApi, type TestApi } from '../support/api.ts';
import { tokenOf } from '../support/app.ts';
import { fresh, granted, publishRelease, register } from '../support/engine.ts';
import { useRedis } from '../support/redis.ts';
import { readSlip, scan } from '../support/slips.ts';

const test = useRedis(['--appendfsync', 'no']);

let api: TestApi;
beforeAll(async () => {
  api = await serveApi(test.redis, createLog('silent'), { LIMIT_SLIP_PER_ACCOUNT: '2' });
});
afterAll(() => api.close());

async function booked(): Promise<{ token: string; booking: string }> {
  const { engine } = api;
  const account = fresh('account');
  const beneficiary = await register(engine, account);
  const { release, slots } = await publishRelease(engine, test.redis, {
    mode: 'immediate',
    seats: [1],
  });
  const wish = { release, beneficiary, slot: slots[0] ?? '' };
  const { bookingId } = granted(await engine.bookings.book(account, wish));
  return { token: await tokenOf(account), booking: bookingId };
}

it('is a PDF that no cache keeps, with a limit of its own', async () => {
  const { token, booking } = await booked();
  const at = `/v1/bookings/${booking}/slip`;
  const got = await api.call('GET', at, { token });
  expect(got.status).toBe(200);
  expect(got.headers).toMatchObject({
    'content-type': 'application/pdf',
    'content-disposition': 'inline; filename="appointment-slip.pdf"',
    'cache-control': 'private, no-store',
    'content-length': String(got.bytes.length),
  });
  const { drawn, pages } = await readSlip(got.bytes);
  expect(pages).toBe(1);
  expect(drawn).toContain('Asha Kale');
  expect(drawn).toContain('1 January 2099');
  expect(await scan(got.bytes)).toBe(booking);
  const own = await api.engine.slips.of('somebody', booking);
  expect(isRefusal(own)).toBe(true);
  expect((await api.call('GET', at, { token })).bytes).toEqual(got.bytes);
  const third = await api.call('GET', at, { token });
  expect(third).toMatchObject({ status: 429 });
  expect(third.json).toMatchObject({ code: 'TOO_MANY_REQUESTS' });
  expect((await api.call('GET', '/v1/bookings', { token })).status).toBe(200);
});

it('is for nobody without the account it is of', async () => {
  const { booking } = await booked();
  const at = `/v1/bookings/${booking}/slip`;
  expect((await api.call('GET', at)).status).toBe(401);
  const other = await api.call('GET', at, { token: await tokenOf(fresh('account')) });
  expect(other.status).toBe(404);
  expect(other.json).toMatchObject({ code: 'BOOKING_UNKNOWN' });
});
