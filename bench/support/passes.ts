/** Access tokens, device tokens and solved captchas for many, made as the engine makes them, at one try each. */
import { solveChallenge } from 'altcha-lib';
import { deriveKey } from 'altcha-lib/algorithms/pbkdf2';
import { createAccessTokens } from '../../src/gates/access-tokens.ts';
import { createAltcha } from '../../src/gates/captcha/altcha.ts';
import { subjectOf } from '../../src/gates/captcha/captcha.ts';
import { createTickets, TICKET_LIFETIME_MS } from '../../src/gates/captcha/ticket.ts';
import { createDeviceTokens } from '../../src/gates/devices.ts';
import type { Who } from '../../src/gates/limits.ts';
import { present } from '../../src/lib/assert.ts';
import { nowMs } from '../../src/lib/clock.ts';
import type { Secrets } from '../../src/lib/secrets.ts';
import { SECRET } from './engine.ts';
import { type Citizen, inBatches, RELEASE } from './pune.ts';

export type Passes = {
  /** '' without captcha. */
  readonly device: (index: number) => string;
  /** Fresh ones for one request of each: a ticket lives for five minutes. */
  readonly headers: () => Promise<Record<string, string>[]>;
};

export async function createPasses(
  secrets: Secrets,
  citizens: readonly Citizen[],
  captcha: boolean,
  purpose = `enter:${RELEASE}`,
): Promise<Passes> {
  if (!captcha) return { device: () => '', headers: async () => [] };
  const minting = createDeviceTokens([SECRET]);
  const solve = createSolver(secrets);
  const devices = await inBatches(citizens.length, () => minting.mint());

  return {
    device: (index) => devices[index]?.device ?? '',
    headers: () =>
      inBatches(citizens.length, async (index) => {
        const { device = '', deviceToken = '' } = devices[index] ?? {};
        const who = { address: '', account: citizens[index]?.account ?? '', device };
        return {
          'device-token': deviceToken,
          'captcha-solution': await solve(purpose, who),
        };
      }),
  };
}

/** Values of Authorization, one each; `deviceOf`: the device that a token is of, none where left out. */
export function bearersOf(
  citizens: readonly Citizen[],
  deviceOf: (index: number) => string = () => '',
): Promise<string[]> {
  const tokens = createAccessTokens([SECRET]);
  return inBatches(citizens.length, async (index) => {
    const { account } = present(citizens[index], 'a citizen');
    const grant = { account, epoch: 0, device: deviceOf(index) };
    return `Bearer ${(await tokens.issue(grant)).accessToken}`;
  });
}

/** Makes values of Captcha-Solution; `wrong`: with a ticket of ours and nothing that solves it. */
export function createSolver(secrets: Secrets) {
  const tickets = createTickets(secrets);
  const altcha = createAltcha(secrets);
  return async (purpose: string, who: Who, wrong = false): Promise<string> => {
    const subject = subjectOf(secrets, purpose, who);
    const expiresAtMs = nowMs() + TICKET_LIFETIME_MS;
    const { challenge, answer } = await altcha.challenge(expiresAtMs, 1);
    const ticket = tickets.issue({ kind: 'altcha', purpose, subject, answer, expiresAtMs });
    if (wrong) return `${tickets.textOf(ticket)} unsolved`;
    const solution = await solveChallenge({ challenge, deriveKey });
    const response = Buffer.from(JSON.stringify({ challenge, solution })).toString('base64');
    return `${tickets.textOf(ticket)} ${response}`;
  };
}
