/**
 * One question to one drand endpoint. Endpoints are strangers: whatever comes back is an answer of
 * the closed list, within a time and a size, and a signature only counts if it is the network's.
 */
import { z } from 'zod';
import { parseJson } from '../../lib/json.ts';
import { type DrandChain, isDrandSignature } from './beacon.ts';

/** What an endpoint's answer was; labels of a metric. */
export const ANSWER_OUTCOMES = [
  'ok',
  'not_yet',
  'timeout',
  'unreachable',
  'bad_status',
  'malformed',
  'wrong_round',
  'bad_signature',
] as const;
export type AnswerOutcome = (typeof ANSWER_OUTCOMES)[number];

export type Answer =
  | { readonly outcome: 'ok'; readonly signature: string }
  | { readonly outcome: Exclude<AnswerOutcome, 'ok'>; readonly detail?: string };

/** An answer is about 250 bytes. */
const BODY_LIMIT_BYTES = 4 * 1024;
/** The round is not there: of an older relay, and of a newer one. */
const NOT_YET_STATUSES = [404, 425];

/**
 * `randomness` is left alone: it is the hash of the signature, which is what we use, so it can
 * neither help nor harm. Other members may come and go.
 */
const Published = z.object({
  round: z.int().min(1),
  signature: z.string().regex(/^[0-9a-f]{96}$/),
});

export type Question = {
  readonly endpoint: string;
  readonly chain: DrandChain;
  readonly round: number;
  /** For all of it, to the last byte of the body. */
  readonly timeoutMs: number;
};

/** Never rejects. */
export async function askEndpoint(question: Question): Promise<Answer> {
  const { endpoint, chain, round, timeoutMs } = question;
  const late = AbortSignal.timeout(timeoutMs);
  try {
    const response = await fetch(`${endpoint}/${chain.chain}/public/${round}`, {
      signal: late,
      redirect: 'manual', // an endpoint answers itself; one that moved is a matter of the setting
      headers: { accept: 'application/json', 'accept-encoding': 'identity' },
    });
    if (response.status === 200) return judge(await readBody(response), chain, round);
    await response.body?.cancel();
    const outcome = NOT_YET_STATUSES.includes(response.status) ? 'not_yet' : 'bad_status';
    return { outcome, detail: `status ${response.status}` };
  } catch (error) {
    return late.aborted ? { outcome: 'timeout' } : { outcome: 'unreachable', ...detailOf(error) };
  }
}

/** Undefined when it is longer than any answer. */
async function readBody(response: Response): Promise<string | undefined> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    if (size > BODY_LIMIT_BYTES) return undefined; // leaving the loop closes the connection
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function judge(text: string | undefined, chain: DrandChain, round: number): Answer {
  if (text === undefined)
    return { outcome: 'malformed', detail: `more than ${BODY_LIMIT_BYTES} bytes` };
  const read = Published.safeParse(parseJson(text));
  if (!read.success) return { outcome: 'malformed' };
  const { signature } = read.data;
  if (read.data.round !== round)
    return { outcome: 'wrong_round', detail: `round ${read.data.round}` };
  return isDrandSignature(chain, round, signature)
    ? { outcome: 'ok', signature }
    : { outcome: 'bad_signature' };
}

/** fetch says why a connection failed in the code of its error's cause. */
function detailOf(error: unknown): { detail?: string } {
  const cause = error instanceof Error ? error.cause : undefined;
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  return typeof code === 'string' ? { detail: code } : {};
}
