/**
 * Proof of work by ALTCHA (altcha-lib, version 2 of its protocol): the asker derives keys until one
 * starts as the challenge says. The key that it must find is one of the first `tries`, so that the
 * work has an end that can be told; and since the challenge signs that key, checking a solution
 * costs a hash and not the work.
 */
import { randomInt } from 'node:crypto';
import { createChallenge, verifySolution } from 'altcha-lib';
import { deriveKey } from 'altcha-lib/algorithms/pbkdf2';
import type { Challenge } from 'altcha-lib/types';
import { z } from 'zod';
import { parseJson } from '../../lib/json.ts';
import type { Secrets } from '../../lib/secrets.ts';
import type { Ticket } from './ticket.ts';

export type Altcha = {
  /** Work for this ticket and no other. `tries`: the most that are needed; half, on average. */
  readonly challenge: (ticket: Ticket, tries: number) => Promise<Challenge>;
  /** `response`: what the ALTCHA widget gives, base64 of JSON. */
  readonly verify: (response: string, ticket: Ticket) => Promise<boolean>;
};

/** Runs natively in browsers too: a script in C gains little over a phone of the same speed. */
const ALGORITHM = 'PBKDF2/SHA-256';
/** Iterations of one try: about 0.1 ms of a server's core, which a challenge costs us once. */
const ITERATIONS_PER_TRY = 1_000;

const Payload = z.object({
  challenge: z.object({
    parameters: z.looseObject({ data: z.object({ ticket: z.string() }) }),
    signature: z.string(),
  }),
  solution: z.object({ counter: z.int(), derivedKey: z.string() }),
});

export function createAltcha(secrets: Secrets): Altcha {
  const keys = {
    hmacSignatureSecret: secrets.key('captcha-altcha/1').toString('hex'),
    hmacKeySignatureSecret: secrets.key('captcha-altcha-key/1').toString('hex'),
  };
  return {
    challenge: ({ nonce, expiresAtMs }, tries) =>
      createChallenge({
        ...keys,
        algorithm: ALGORITHM,
        cost: ITERATIONS_PER_TRY,
        counter: randomInt(tries),
        data: { ticket: nonce },
        expiresAt: Math.ceil(expiresAtMs / 1000),
        deriveKey,
      }),
    verify: async (response, { nonce }) => {
      const text = Buffer.from(response, 'base64').toString('utf8');
      const { data: payload } = Payload.safeParse(parseJson(text));
      if (payload?.challenge.parameters.data.ticket !== nonce) return false;
      const challenge = payload.challenge as unknown as Challenge;
      const { solution } = payload;
      return (await verifySolution({ ...keys, challenge, solution, deriveKey })).verified;
    },
  };
}
