/** Our check of a solution against altcha-lib's own, and the work that a challenge asks for. */
import { solveChallenge, verifySolution } from 'altcha-lib';
import { deriveKey } from 'altcha-lib/algorithms/pbkdf2';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createAltcha } from '../../src/gates/captcha/altcha.ts';
import { secrets } from '../support/app.ts';

const altcha = createAltcha(secrets);
const EXPIRES_AT_MS = Date.UTC(2099, 0, 1);
const encode = (payload: unknown): string =>
  Buffer.from(JSON.stringify(payload)).toString('base64');

async function solved(tries: number) {
  const { challenge, answer } = await altcha.challenge(EXPIRES_AT_MS, tries);
  const solution = await solveChallenge({ challenge, deriveKey });
  return { answer, challenge, solution };
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
      expect(altcha.verify(encode(one), one.answer)).toBe(true);
      expect(await theirs(one)).toBe(true);
    }
  });

  test('is worth nothing for another challenge', async () => {
    const [one, other] = [await solved(5), await solved(5)];
    expect(altcha.verify(encode(one), other.answer)).toBe(false);
    expect(altcha.verify(encode(one), '')).toBe(false);
  });

  test('counts by the key that was found, whatever else is sent along', async () => {
    const { answer, solution } = await solved(2);
    expect(altcha.verify(encode({ solution, challenge: 'none' }), answer)).toBe(true);
  });

  test('with any digit of the key changed passes neither check', async () => {
    const one = await solved(2);
    const key = one.solution?.derivedKey ?? '';
    for (let at = 0; at < key.length; at++) {
      const digit = key[at] === '0' ? '1' : '0';
      const derivedKey = key.slice(0, at) + digit + key.slice(at + 1);
      const guessed = { ...one, solution: { counter: 0, derivedKey } };
      expect(altcha.verify(encode(guessed), one.answer)).toBe(false);
      expect(await theirs(guessed)).toBe(false);
    }
  });

  test('cannot be read off the answer or the challenge', async () => {
    const { answer, challenge, solution } = await solved(2);
    const told = [answer, ...Object.values(challenge.parameters).map(String)];
    for (const derivedKey of told)
      expect(altcha.verify(encode({ solution: { derivedKey } }), answer)).toBe(false);
    expect(told).not.toContain(solution?.derivedKey);
  });

  test('that is anything else is wrong, and no fault of ours', async () => {
    const { answer } = await solved(1);
    fc.assert(
      fc.property(fc.anything(), fc.string(), (value, text) => {
        let payload = text;
        try {
          payload = encode(value);
        } catch {
          // what is no JSON is sent as text
        }
        expect(altcha.verify(payload, answer)).toBe(false);
        expect(altcha.verify(text, answer)).toBe(false);
      }),
    );
  });
});
