/**
 * How the demo's people and bots pass the captcha: each solves real work for each request that needs
 * it, as any client must.
 */
import { solveChallenge } from 'altcha-lib';
import { deriveKey } from 'altcha-lib/algorithms/pbkdf2';
import type { Challenge } from 'altcha-lib/types';
import type { Reply } from './client.ts';

type Asked =
  | { readonly kind: 'none' }
  | { readonly kind: 'altcha'; readonly ticket: string; readonly challenge: Challenge };

/** Asks the engine with GET. */
type Get = <T>(path: string) => Promise<Reply<T>>;

/**
 * The value of Captcha-Solution for one request; undefined where none is asked for. A refusal to
 * give one is handed on. Throws when there is nothing that a program could solve.
 */
export async function solveCaptcha(
  get: Get,
  purpose: string,
): Promise<{ readonly solution: string | undefined } | { readonly refused: Reply<never> }> {
  const reply = await get<Asked>(`/v1/captcha?purpose=${encodeURIComponent(purpose)}`);
  if (reply.status !== 200) return { refused: reply as Reply<never> };
  const asked = reply.body;
  if (asked.kind === 'none') return { solution: undefined };
  if (asked.kind !== 'altcha') throw new Error('The demo solves no captcha of this kind.');
  const { ticket, challenge } = asked;
  const solution = await solveChallenge({ challenge, deriveKey });
  const payload = Buffer.from(JSON.stringify({ challenge, solution })).toString('base64');
  return { solution: `${ticket} ${payload}` };
}
