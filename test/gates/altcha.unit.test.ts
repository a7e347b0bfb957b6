/** Our check of a solution against altcha-lib's own, and the work that a challenge asks for. */
import { solveChallenge, verifySolution } from 'altcha-lib';
import { deriveKey } from 'altcha-lib/algorithms/pbkdf2';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createAltcha } from '../../src/gates/captcha/altcha.ts';
import { createTickets } from '../../src/gates/captcha/ticket.ts';
import { secrets } from '../support/app.ts';

const altcha = createAltcha(secrets);
const tickets = createTickets(secrets);
const issue = () => tickets.issue({ kind: 'altcha', purpose: 'device', subject: 'somebody' });
const encode = (payload: unknown): string =>
  Buffer.from(JSON.stringify(payload)).toString('base64');

async function solved(tries: number) {
  const ticket = issue();
  const challenge = await altcha.challenge(ticket, tries);
  const solution = await solveChallenge({ challenge, deriveKey });
  return { ticket, challenge, solution };
}
const theirs = async (payload: Awaited<ReturnType<typeof solved>>): Promise<boolean> => {
  const { challenge, solution } = payload;
  const keys = {
    hmacSignatureSecret: secrets.key('captcha-altcha/1').toString('hex'),
    hmacKeySignatureSecret: secrets.key('captcha-altcha-key/1').toString('hex'),
  };
  const given = solution ?? { counter: 0, derivedKey: '' };
  return (await verifySolution({ ...keys, challenge, solution: given, deriveKey })).verified;
};

describe('a proof of work', () => {
  test('is solved within the tries that were said, and passes both checks', async () => {
    for (let round = 0; round < 10; round++) {
      const one = await solved(20);
      expect(one.solution?.counter).toBeLessThan(20);
      expect(altcha.verify(encode(one), one.ticket)).toBe(true);
      expect(await theirs(one)).toBe(true);
      expect(altcha.verify(encode(one), issue())).toBe(false);
    }
  });

  test('passes whatever the order of its members, as another client may write them', async () => {
    const { ticket, challenge, solution } = await solved(2);
    const parameters = Object.fromEntries(Object.entries(challenge.parameters).toReversed());
    const turned = { solution, challenge: { signature: challenge.signature, parameters } };
    expect(altcha.verify(encode(turned), ticket)).toBe(true);
  });

  test('with any of it changed passes neither check', async () => {
    const one = await solved(2);
    for (const name of Object.keys(one.challenge.parameters)) {
      const value = one.challenge.parameters[name as 'nonce'] as unknown;
      const other =
        typeof value === 'number' ? value + 1 : typeof value === 'string' ? `${value}0` : {};
      const parameters = { ...one.challenge.parameters, [name]: other };
      const changed = { ...one, challenge: { ...one.challenge, parameters } };
      expect(altcha.verify(encode(changed), one.ticket), name).toBe(false);
      expect(await theirs(changed), name).toBe(false);
    }
    const derivedKey = one.solution?.derivedKey.replace(/^./, (digit) =>
      digit === '0' ? '1' : '0',
    );
    const guessed = { ...one, solution: { counter: 0, derivedKey: String(derivedKey) } };
    expect(altcha.verify(encode(guessed), one.ticket)).toBe(false);
    expect(await theirs(guessed)).toBe(false);
  });

  test('that is anything else is wrong, and no fault of ours', () => {
    const ticket = issue();
    fc.assert(
      fc.property(fc.anything(), fc.string(), (value, text) => {
        let payload = text;
        try {
          payload = encode(value);
        } catch {
          // what is no JSON is sent as text
        }
        expect(altcha.verify(payload, ticket)).toBe(false);
        expect(altcha.verify(text, ticket)).toBe(false);
      }),
    );
  });
});
