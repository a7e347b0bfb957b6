/**
 * Proof of work by ALTCHA (altcha-lib, version 2 of its protocol): the asker derives keys until one
 * starts as the challenge says. The key that it must find is one of the first `tries`, so that the
 * work has an end that can be told; and since the challenge signs that key, checking a solution
 * costs a hash and not the work.
 */
import { createHmac, randomInt } from 'node:crypto';
import { createChallenge } from 'altcha-lib';
import { deriveKey } from 'altcha-lib/algorithms/pbkdf2';
import type { Challenge } from 'altcha-lib/types';
import { z } from 'zod';
import { jcs } from '../../lib/jcs.ts';
import { parseJson } from '../../lib/json.ts';
import { equalSecrets, type Secrets } from '../../lib/secrets.ts';
import type { Ticket } from './ticket.ts';

export type Altcha = {
  /** Work for this ticket and no other. `tries`: the most that are needed; half, on average. */
  readonly challenge: (ticket: Ticket, tries: number) => Promise<Challenge>;
  /**
   * `response`: what the ALTCHA widget gives, base64 of JSON. The ticket, which has not expired, is
   * what sets the time. Checked as altcha-lib's verifySolution does, at a sixth of its cost: that
   * imports its keys anew each time, and waits for other threads.
   */
  readonly verify: (response: string, ticket: Ticket) => boolean;
};

/** Runs natively in browsers too: a script in C gains little over a phone of the same speed. */
const ALGORITHM = 'PBKDF2/SHA-256';
/** Iterations of one try: about 0.1 ms of a server's core, which a challenge costs us once. */
const ITERATIONS_PER_TRY = 1_000;

const Text = z.string().regex(/^[ -~]{1,200}$/);
/** What the widget sends: the challenge as we made it, and what solves it. */
const Payload = z.object({
  challenge: z.object({
    parameters: z.strictObject({
      algorithm: Text,
      cost: z.int(),
      data: z.strictObject({ ticket: Text }),
      expiresAt: z.int(),
      keyLength: z.int(),
      keyPrefix: Text,
      keySignature: Text,
      nonce: Text,
      salt: Text,
    }),
    signature: Text,
  }),
  solution: z.object({ derivedKey: z.string().regex(/^[0-9a-f]{64}$/) }),
});

export function createAltcha(secrets: Secrets): Altcha {
  const hmacSignatureSecret = secrets.key('captcha-altcha/1').toString('hex');
  const hmacKeySignatureSecret = secrets.key('captcha-altcha-key/1').toString('hex');
  const isSigned = (what: string | Buffer, signature: string, key: string): boolean =>
    equalSecrets(signature, createHmac('sha256', key).update(what).digest('hex'));

  return {
    challenge: ({ nonce, expiresAtMs }, tries) =>
      createChallenge({
        hmacSignatureSecret,
        hmacKeySignatureSecret,
        algorithm: ALGORITHM,
        cost: ITERATIONS_PER_TRY,
        counter: randomInt(tries),
        data: { ticket: nonce },
        expiresAt: Math.ceil(expiresAtMs / 1000),
        deriveKey,
      }),
    verify: (response, { nonce }) => {
      const text = Buffer.from(response, 'base64').toString('utf8');
      const { data: payload } = Payload.safeParse(parseJson(text));
      if (!payload) return false;
      const { parameters, signature } = payload.challenge;
      const derivedKey = Buffer.from(payload.solution.derivedKey, 'hex');
      return (
        parameters.data.ticket === nonce &&
        isSigned(jcs(parameters), signature, hmacSignatureSecret) &&
        isSigned(derivedKey, parameters.keySignature, hmacKeySignatureSecret)
      );
    },
  };
}
