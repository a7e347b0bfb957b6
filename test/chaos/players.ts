/**
 * People who enter, edit, withdraw, confirm, cancel, and try to be in two places at once: each by
 * dice of their own, so that a seed plays the same wishes again.
 */
import { isoFromMs, msFromIso, nowMs, sleep } from '../../src/lib/clock.ts';
import { between, type Random } from '../../src/demo/random.ts';
import { createAccessTokens } from '../../src/gates/access-tokens.ts';
import { SECRET } from '../support/app.ts';
import type { Standing } from './audit.ts';
import type { Call, Client, Written } from './client.ts';
import type { Write } from './history.ts';
import type { Release } from './operator.ts';

/** Who enters together, under one account; the first of them leads. */
export type Party = {
  readonly account: string;
  readonly token: string;
  readonly people: readonly string[];
};

export type Noted = { readonly writes: Write[] };

const accessTokens = createAccessTokens([SECRET]);
export const tokenOf = async (account: string): Promise<string> =>
  (await accessTokens.issue({ account, epoch: 0 })).accessToken;

const REGISTER_WITHIN_MS = 30_000;

/** An account of one person or, sometimes, of two who enter as a group. */
export async function register(
  client: Client,
  random: Random,
  account: string,
  writes: Write[],
): Promise<Party | undefined> {
  const token = await tokenOf(account);
  const people: string[] = [];
  const size = random() < 0.15 ? 2 : 1;
  while (people.length < size) {
    const number = `${account}-${people.length}`.replaceAll(/[^\da-z]/g, '').slice(-22);
    const body = {
      name: 'Asha Kale',
      birthYear: 1960,
      gender: 'female',
      idType: 'passport',
      idNumber: number,
    };
    const call = { method: 'POST', path: '/v1/beneficiaries', bearer: token, body } as const;
    const added = await client.write(call, nowMs() + REGISTER_WITHIN_MS);
    const { outcome, startedAtMs, endedAtMs } = added;
    const person = outcome === 'acknowledged' ? added.body.beneficiaryId : '';
    const sent = { release: '', person, outcome, startedAtMs, endedAtMs };
    writes.push({ ...sent, kind: 'register', account });
    if (outcome !== 'acknowledged') return undefined;
    people.push(person);
  }
  return { account, token, people };
}

export type Seat = {
  readonly client: Client;
  readonly random: Random;
  readonly noted: Noted;
  readonly party: Party;
  readonly release: Release;
  /** Loopback address to call from; 127.0.0.1 unless said. */
  readonly from?: string;
};

const leadOf = ({ party }: Seat): string => party.people[0] ?? '';

/** Sends a write and notes what came of it. */
async function write<T extends Write>(
  { client, noted, release, party, from }: Seat,
  call: Omit<Call, 'bearer'>,
  describe: (written: Written) => Omit<T, 'release' | 'person' | keyof typeof NOTHING>,
): Promise<Written> {
  const written = await client.write(
    { ...call, bearer: party.token, from },
    release.endsAtMs + GRACE_MS,
  );
  const { outcome, startedAtMs, endedAtMs } = written;
  const person = party.people[0] ?? '';
  noted.writes.push({
    release: release.release,
    person,
    startedAtMs,
    endedAtMs,
    outcome,
    ...describe(written),
  } as unknown as Write);
  return written;
}
const NOTHING = { startedAtMs: 0, endedAtMs: 0, outcome: 'unknown' };

/** For so long after the end an answer is still asked for. */
const GRACE_MS = 65_000;

const chosen = <T>(random: Random, items: readonly T[]): T | undefined =>
  items[between(random, 0, items.length - 1)];

function wishes({ random, release }: Seat): string[] {
  const wanted = new Set<string>();
  const count = between(random, 1, Math.min(3, release.slots.length));
  while (wanted.size < count) wanted.add(chosen(random, release.slots) ?? '');
  return [...wanted];
}

export async function standingOf({ client, party, release }: Seat): Promise<Standing | undefined> {
  const path = `/v1/releases/${release.release}/entry`;
  const found = await client.read(path, party.token);
  return found?.entries[0];
}

/** Longer than any run. */
const STANDS_FOR_MS = 24 * 3_600_000;

/** Puts the party's entry, or edits it. */
export const enter = (seat: Seat): Promise<Written> => {
  const { party, release, random } = seat;
  const preferences = wishes(seat);
  const stands = release.series && random() < 0.7;
  return write(
    seat,
    {
      method: 'PUT',
      path: `/v1/releases/${release.release}/entry`,
      body: {
        beneficiaries: party.people,
        preferences,
        ...(stands && { carryOverUntil: isoFromMs(release.endsAtMs + STANDS_FOR_MS) }),
      },
    },
    ({ outcome, body }) => {
      const isIn = outcome === 'acknowledged';
      const receiptAtMs = isIn ? receiptTime(body.receipt) : 0;
      const entryId = isIn ? body.entryId : '';
      return { kind: 'enter', preferences, stands, receiptAtMs, entryId };
    },
  );
};

/** A receipt's own word of when; the document is signed as it stands. */
const receiptTime = (receipt: { readonly issued_at: string }): number =>
  msFromIso(receipt.issued_at);

const withdraw = (seat: Seat, entryId: string): Promise<Written> =>
  write(
    seat,
    { method: 'DELETE', path: `/v1/releases/${seat.release.release}/entry?entryId=${entryId}` },
    () => ({ kind: 'withdraw' }),
  );

const confirm = (seat: Seat, booking: string): Promise<Written> =>
  write(seat, { method: 'POST', path: `/v1/bookings/${booking}/confirm` }, () => ({
    kind: 'confirm',
    booking,
  }));

const cancel = (seat: Seat, booking: string): Promise<Written> =>
  write(seat, { method: 'DELETE', path: `/v1/bookings/${booking}` }, () => ({
    kind: 'cancel',
    booking,
  }));

const book = (seat: Seat): Promise<Written> => {
  const slot = chosen(seat.random, seat.release.slots) ?? '';
  const body = { release: seat.release.release, beneficiary: leadOf(seat), slot };
  return write(seat, { method: 'POST', path: '/v1/bookings', body }, ({ outcome, body }) => ({
    kind: 'book',
    slot,
    booking: outcome === 'acknowledged' ? body.bookingId : '',
  }));
};

/** Plays one party's part in one release, until it is over. */
export async function play(seat: Seat): Promise<void> {
  const { random, release } = seat;
  await sleep(between(random, 0, Math.max(0, release.closesAtMs - nowMs() - 500)));
  const act = release.mode === 'lottery' ? playLottery : playImmediate;
  while (nowMs() < release.endsAtMs) {
    await act(seat);
    await sleep(between(random, 200, 1_000));
  }
}

async function playLottery(seat: Seat): Promise<void> {
  const { random, noted, release } = seat;
  const standing = await standingOf(seat);
  const dice = random();
  switch (standing?.state) {
    case undefined:
    case 'cancelled':
    case 'standing': {
      const before = noted.writes.some(
        (one) => one.release === release.release && one.person === leadOf(seat),
      );
      // Who was there already comes back now and then only.
      if (!before || dice < 0.3) await enter(seat);
      return;
    }
    case 'entered':
      if (dice < 0.25) await enter(seat);
      else if (dice < 0.33) await withdraw(seat, standing.entryId);
      return;
    case 'waiting':
      if (dice < 0.06) await withdraw(seat, standing.entryId);
      return;
    case 'offered':
      if (dice < 0.75) await confirm(seat, standing.booking?.bookingId ?? '');
      else if (dice < 0.87) await cancel(seat, standing.booking?.bookingId ?? '');
      return;
    case 'booked':
      if (dice < 0.06) await cancel(seat, standing.booking?.bookingId ?? '');
      return;
    default:
  }
}

async function playImmediate(seat: Seat): Promise<void> {
  const { random } = seat;
  const standing = await standingOf(seat);
  if (standing?.state !== 'booked') await book(seat);
  else if (random() < 0.15) await cancel(seat, standing.booking?.bookingId ?? '');
}
