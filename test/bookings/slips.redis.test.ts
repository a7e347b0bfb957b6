/** Who gets the slip of which booking. */
import { beforeEach, describe, expect, it } from 'vitest';
import { securityCodeOf } from '../../src/bookings/security-code.ts';
import type { SlipFacts } from '../../src/bookings/slip/facts.ts';
import { createSlips, placeLines } from '../../src/bookings/slips.ts';
import type { Engine } from '../../src/engine.ts';
import { present } from '../../src/lib/assert.ts';
import {
  bookingOf,
  codeOf,
  engineOn,
  fresh,
  granted,
  letPass,
  nextRound,
  publishRelease,
  register,
} from '../support/engine.ts';
import { useRedis } from '../support/redis.ts';

const test = useRedis(['--appendfsync', 'no']);

let engine: Engine;
let account: string;
let release: string;
let booking: string;
/** What was asked to be printed. */
let printed: SlipFacts[];

const slip = (by = account, id = booking) =>
  createSlips({
    ...engine,
    print: async (facts) => {
      printed.push(facts);
      return Buffer.from('a slip');
    },
  }).of(by, id);

/** An offer to the people of one account. */
async function offered(count = 1): Promise<void> {
  const opened = await publishRelease(engine, test.redis, { seats: [4], confirmWithinS: 900 });
  ({ release } = opened);
  account = fresh('account');
  const people = Array.from({ length: count }, (_, n) =>
    register(engine, account, { birthYear: 1960 + n }),
  );
  const request = { beneficiaries: await Promise.all(people), preferences: opened.slots };
  granted(await engine.rounds.enter(account, release, request));
  await letPass(test.redis, 600);
  await nextRound(engine, release);
  booking = await bookingOf(engine, account, release);
}

beforeEach(async () => {
  engine = engineOn(test.redis);
  printed = [];
  await offered();
});

describe('a slip', () => {
  it('is for a confirmed booking, with all that was booked', async () => {
    granted(await engine.bookings.confirm(account, booking));
    expect(granted(await slip()).toString()).toBe('a slip');
    const [person] = await engine.people.listBeneficiaries(account);
    expect(printed).toEqual([
      {
        title: `The release ${release}`,
        people: [
          {
            name: 'Asha Kale',
            birthYear: 1960,
            idType: 'Passport',
            idMasked: `XXXX${present(person, 'a person').idLast4}`,
          },
        ],
        service: 'COVISHIELD',
        dose: 1,
        centre: 'Centre 0',
        place: [],
        date: '2099-01-01',
        from: '09:00',
        to: '11:00',
        bookingId: booking,
        securityCode: securityCodeOf(engine.secrets, booking),
      },
    ]);
  });

  it('names all people of a group, the lead first', async () => {
    await offered(3);
    granted(await engine.bookings.confirm(account, booking));
    granted(await slip());
    expect(printed[0]?.people.map(({ birthYear }) => birthYear)).toEqual([1960, 1961, 1962]);
  });

  it('is refused for an offer, and for a booking that is over', async () => {
    expect(await slip()).toMatchObject({ refused: 'SLIP_NOT_BOOKED', extra: { state: 'offered' } });
    await letPass(test.redis, 901);
    expect(await slip()).toMatchObject({ refused: 'SLIP_NOT_BOOKED', extra: { state: 'lapsed' } });
    await offered();
    granted(await engine.bookings.confirm(account, booking));
    granted(await slip());
    granted(await engine.bookings.cancel(account, booking));
    expect(await slip()).toMatchObject({
      refused: 'SLIP_NOT_BOOKED',
      extra: { state: 'cancelled' },
    });
    expect(printed).toHaveLength(1);
  });

  it("is not to be had of somebody else's booking, or of none", async () => {
    granted(await engine.bookings.confirm(account, booking));
    const other = fresh('account');
    await register(engine, other);
    expect(codeOf(await slip(other))).toBe('BOOKING_UNKNOWN');
    const [where, entry] = booking.split('.');
    for (const id of ['nonsense', `${where}.${entry}.7`, `nowhere.${entry}.0`])
      expect(codeOf(await slip(account, id))).toBe('BOOKING_UNKNOWN');
    expect(printed).toEqual([]);
  });
});

describe('the place of a centre', () => {
  const centre = { centre: 'c0', name: 'Centre 0' };
  const lines = (directory: unknown): string[] =>
    placeLines({ ...centre, directory } as Parameters<typeof placeLines>[0]);

  it('is what its directory says, as far as it says anything', () => {
    const known = { pincode: 411011, state_name: 'Maharashtra', district_name: 'Pune', lat: 18.5 };
    expect(placeLines(centre)).toEqual([]);
    expect(lines(known)).toEqual(['Pune', 'Maharashtra', '411011']);
    expect(lines({ address: 'Mangalwar Peth', block_name: ' ', state_name: null })).toEqual([
      'Mangalwar Peth',
    ]);
    for (const odd of [null, 'Pune', 7, []]) expect(lines(odd)).toEqual([]);
  });
});
