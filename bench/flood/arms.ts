/** Prepares honest people and attackers: all that they have before the first request. */
import { createAccessTokens } from '../../src/gates/access-tokens.ts';
import { createDeviceTokens } from '../../src/gates/devices.ts';
import { present } from '../../src/lib/assert.ts';
import { nowMs } from '../../src/lib/clock.ts';
import type { Secrets } from '../../src/lib/secrets.ts';
import { SECRET } from '../support/engine.ts';
import { createSolver } from '../support/passes.ts';
import { type Citizen, inBatches, RELEASE, type Wishes } from '../support/pune.ts';
import type { Arms, Insider, KindName, Solved, Stranger } from './kinds.ts';
import type { Person } from './visit.ts';

/** Addresses that attack, each with a device; and accounts that do. */
export const STRANGERS = 300;
export const INSIDERS = 60;
/** Devices that ask for OTPs for one mobile after another. */
const PUMPERS = 5;
const TOKENS = 200;
const HOUR_MS = 3_600_000;
const ANOTHER_SECRET = 'what somebody believes to be our secret, or hopes is';

/** Everyone has an address of their own; a /24 holds many of the honest, a few of the attackers. */
const HONEST = { net: 1, inNetwork: 250 };
const HOSTILE = { net: 64, inNetwork: 10 };
const addressOf = ({ net, inNetwork }: typeof HONEST, number: number): string =>
  `127.${net}.${Math.floor(number / inNetwork)}.${1 + (number % inNetwork)}`;

export type Counts = Readonly<Partial<Record<KindName, number>>>;
type Known<T> = T & { readonly device: string; readonly account: string };

export function createArmoury(secrets: Secrets, wishes: Wishes) {
  const minting = createDeviceTokens([SECRET]);
  const tokens = createAccessTokens([SECRET]);
  const solve = createSolver(secrets);
  const bearerOf = async (account: string, device: string, by = tokens): Promise<string> =>
    `Bearer ${(await by.issue({ account, epoch: 0, device })).accessToken}`;

  const person = async ({ account, person }: Citizen, number: number): Promise<Person> => {
    const { device, deviceToken } = await minting.mint();
    return {
      from: addressOf(HONEST, number),
      mobile: `+9188${String(number).padStart(8, '0')}`,
      deviceToken,
      bearer: await bearerOf(account, device),
      beneficiary: person,
      preferences: wishes(number),
    };
  };

  const insider = async (
    { account, person }: Citizen,
    { from, deviceToken, device }: Known<Stranger>,
  ): Promise<Known<Insider>> => ({
    from,
    deviceToken,
    device,
    account,
    bearer: await bearerOf(account, device),
    beneficiary: person,
  });

  /**
   * `citizens`: those whose accounts attack. `army`: attackers of another one have other addresses
   * and devices. `counts`: requests of each kind.
   */
  const arms = async (
    url: string,
    citizens: readonly Citizen[],
    army: number,
    counts: Counts,
  ): Promise<Arms> => {
    const strangers = await inBatches(STRANGERS, async (number) => {
      const { device, deviceToken } = await minting.mint();
      const from = addressOf({ ...HOSTILE, net: HOSTILE.net + army }, number);
      return { from, deviceToken, device, account: '' };
    });
    const insiders = await inBatches(citizens.length, (number) =>
      insider(nth(citizens, number), nth(strangers, number)),
    );
    const solved = <T extends Stranger>(
      by: readonly Known<T>[],
      count: number,
      purpose: string,
      wrong = false,
    ): Promise<Solved<T>[]> =>
      inBatches(count, async (number) => {
        const one = nth(by, number);
        const who = { address: one.from, account: one.account, device: one.device };
        return { by: one, solution: await solve(purpose, who, wrong) };
      });
    const enter = `enter:${RELEASE}`;
    const half = Math.floor(insiders.length / 2);
    const replayers = insiders.slice(half);
    const forger = createAccessTokens([ANOTHER_SECRET]);
    const past = createAccessTokens([SECRET], () => nowMs() - HOUR_MS);
    const { account } = nth(insiders, 0);
    const { otpManyMobiles = 1, otpOneMobile = 1, unsolvedCaptcha = 1 } = counts;
    return {
      url,
      release: RELEASE,
      slot: nth(wishes(0), 0),
      strangers,
      insiders,
      forgedTokens: await inBatches(TOKENS, (number) => forge(number)),
      expiredTokens: await inBatches(TOKENS, () => bearerOf(account, '', past)),
      otpManyMobiles: await solved(strangers.slice(-PUMPERS), otpManyMobiles, 'otp'),
      otpOneMobile: await solved(strangers, otpOneMobile, 'otp'),
      unsolved: await solved(insiders.slice(0, half), unsolvedCaptcha, enter, true),
      replayed: await solved(replayers, replayers.length, enter),
    };

    /** The first half names our key but is signed with another; the rest is the other's own. */
    async function forge(number: number): Promise<string> {
      const other = await bearerOf(`account ${number}`, '', forger);
      if (number >= TOKENS / 2) return other;
      const [, payload, signature] = other.split('.');
      return [(await bearerOf(account, '')).split('.')[0], payload, signature].join('.');
    }
  };
  return { person, arms };
}

const nth = <T>(list: readonly T[], number: number): T =>
  present(list[number % list.length], 'one of them');
