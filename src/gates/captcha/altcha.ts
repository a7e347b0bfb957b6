/**
 * Proof of work by ALTCHA (altcha-lib, version 2 of its protocol): the asker derives keys until one
 * starts as the challenge says. The key that it must find is one of the first `tries`, so that the
 * work has an end that can be told; and since we know that key when we ask for it, its keyed hash
 * stands in the ticket, and checking a solution costs that hash and not the work.
 */
import { createHmac, createSecretKey, randomInt } from 'node:crypto';
import { createChallenge } from 'altcha-lib';
import { deriveKey } from 'altcha-lib/algorithms/pbkdf2';
import type { Challenge } from 'altcha-lib/types';
import { z } from 'zod';
import { parseJson } from '../../lib/json.ts';
import { equalSecrets, type Secrets } from '../../lib/secrets.ts';

export type Altcha = {
  /**
   * Work for one ticket. `expiresAtMs`: the ticket's; `tries`: the most that are needed; half, on
   * average. `answer`: what the ticket must hold.
   */
  readonly challenge: (
    expiresAtMs: number,
    tries: number,
  ) => Promise<{ readonly challenge: Challenge; readonly answer: string }>;
  /** `response`: what the ALTCHA widget gives, base64 of JSON; `answer`: the ticket's. */
  readonly verify: (response: string, answer: string) => boolean;
};

/** Runs natively in browsers too: a script in C gains little over a phone of the same speed. */
const ALGORITHM = 'PBKDF2/SHA-256';
/** Iterations of one try: about 0.1 ms of a server's core, which a challenge costs us once. */
const ITERATIONS_PER_TRY = 1_000;

/** Of what the widget sends, all that cannot be known without the work; the rest is an echo. */
const Payload = z.object({
  solution: z.object({ derivedKey: z.string().regex(/^[0-9a-f]{64}$/) }),
});

export function createAltcha(secrets: Secrets): Altcha {
  const hmacSignatureSecret = secrets.key('captcha-altcha/1').toString('hex');
  const hmacKeySignatureSecret = secrets.key('captcha-altcha-key/1').toString('hex');
  const key = createSecretKey(hmacKeySignatureSecret, 'utf8');

  return {
    challenge: async (expiresAtMs, tries) => {
      const challenge = await createChallenge({
        hmacSignatureSecret,
        hmacKeySignatureSecret,
        algorithm: ALGORITHM,
        cost: ITERATIONS_PER_TRY,
        counter: randomInt(tries),
        expiresAt: Math.ceil(expiresAtMs / 1000),
        deriveKey,
      });
      return { challenge, answer: challenge.parameters.keySignature ?? '' };
    },
    verify: (response, answer) => {
      const text = Buffer.from(response, 'base64').toString('utf8');
      const { data: payload } = Payload.safeParse(parseJson(text));
      if (!payload) return false;
      const found = Buffer.from(payload.solution.derivedKey, 'hex');
      return equalSecrets(answer, createHmac('sha256', key).update(found).digest('hex'));
    },
  };
}
