/** The drand network that new releases name: quicknet, or one that the operator describes. Pure. */
import { bls12_381 } from '@noble/curves/bls12-381.js';
import { z } from 'zod';
import { parseJson } from '../../lib/json.ts';
import { type DrandChain, QUICKNET, termsProblem } from './beacon.ts';

/** What `GET /{chain}/info` of a drand endpoint answers, as far as it matters here. */
const ChainInfo = z.object({
  hash: z.string().regex(/^[0-9a-f]{64}$/),
  public_key: z
    .string()
    .regex(/^[0-9a-f]{192}$/)
    .refine(isKey, 'no point of G2'),
  period: z.int().min(1).max(3_600),
  genesis_time: z.int().min(0),
  schemeID: z.literal('bls-unchained-g1-rfc9380').optional(),
});

/** A setting: the text of an `/info`, or nothing for quicknet. */
export const DrandChainText = z.string().transform((text, context): DrandChain => {
  if (text.trim() === '') return QUICKNET;
  const refuse = (message: string): never => {
    context.addIssue({ code: 'custom', message });
    return z.NEVER;
  };
  const read = ChainInfo.safeParse(parseJson(text));
  if (!read.success) return refuse(`is no drand chain: ${z.prettifyError(read.error)}`);
  const { hash: chain, public_key, period: period_s, genesis_time } = read.data;
  const found = { chain, genesis_time, period_s, public_key };
  const problem = termsProblem({ kind: 'drand', ...found, seal_margin_s: 1 });
  return problem === undefined ? found : refuse(problem);
});

/**
 * A key that nothing verifies under would let releases be published that can never be drawn, and
 * one that has two spellings would let two manifests mean the same network.
 */
function isKey(text: string): boolean {
  try {
    const point = bls12_381.G2.Point.fromHex(text);
    point.assertValidity();
    return !point.is0() && point.toHex() === text;
  } catch {
    return false;
  }
}
