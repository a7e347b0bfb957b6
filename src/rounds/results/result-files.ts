/**
 * Result files as they are served: made once by each process, from what the worker kept of the
 * round, and sent from memory after that. Redis is asked no more than whether the round is still
 * the one that it was, some times a second for all who ask.
 */
import { LRUCache } from 'lru-cache';
import { atMost } from '../../lib/at-most.ts';
import { createFresh } from '../../lib/fresh.ts';
import { type Prepared, prepare, sizeOf } from '../../http/prepared.ts';
import { isRefusal, refuse, type Refusal } from '../../refusal.ts';
import type { DrawnManifest, Manifest } from '../../releases/manifest.ts';
import type { ReleaseService } from '../../releases/service.ts';
import { layOutPools, type Pools } from '../draw/pools.ts';
import { chunksBetween, idsOf } from '../proofs.ts';
import { fileOfPrefix, idsBetween, keptResultFile, type ResultHead } from './results.ts';
import { asLottery } from '../rules.ts';
import type { RoundStore } from '../store.ts';

export const RESULT_LIMITS = {
  /** Of files that a process keeps; what is longest unused goes first. */
  keptBytes: 128 * 2 ** 20,
  /** What one counts for at least, with what the process needs to find it. */
  leastBytes: 1_024,
  /** Files that a process makes at once, each from up to 100 KB of Redis. */
  madeAtOnce: 16,
  /** Rounds that a process remembers, whether they are out or not. */
  keptRounds: 64,
  /** How often it is looked at whether a round is out, and still the one that it was. */
  lookedAtEveryMs: 250,
  /** How long anybody waits for that look who could be answered from memory. */
  patienceMs: 250,
  /** How long any cache on the way may remember that a round is not out. */
  notYetCachedS: 1,
} as const;

const REMEMBERED = { cachedForS: RESULT_LIMITS.notYetCachedS };

/** A round that is out. */
type Out = {
  readonly manifest: DrawnManifest;
  readonly pools: Pools;
  readonly head: ResultHead;
  readonly prefixLength: number;
  /** Of each chunk of its tree: its first entry id. */
  readonly firstIds: Buffer;
};

type Parts = {
  readonly store: Pick<RoundStore, 'round' | 'resultsOf' | 'resultOffers' | 'treePart'>;
  readonly releases: Pick<ReleaseService, 'published'>;
};

export function createResultFiles({ store, releases }: Parts) {
  const { keptBytes, leastBytes, madeAtOnce } = RESULT_LIMITS;
  const inTurn = atMost(madeAtOnce);
  const kept = new LRUCache<string, Promise<Prepared | Refusal>>({ maxSize: keptBytes });
  const outOf = rememberRounds({ store, releases });

  const make = async (out: Out, prefix: string): Promise<Prepared | Refusal> => {
    const { release, round } = out.head;
    const { low, high } = idsBetween(prefix);
    const [offers, ...chunks] = await Promise.all([
      store.resultOffers(release, round, fileOfPrefix(prefix)),
      ...chunksBetween(out.firstIds, low, high).map((chunk) =>
        store.treePart(release, round, chunk),
      ),
    ]);
    const there = chunks.filter((chunk) => chunk !== null);
    // Deleted since, as some days after a release is over.
    if (!offers || there.length < chunks.length) return refuse('RESULT_FILE_UNKNOWN', REMEMBERED);
    const ids = Buffer.concat(there.map(idsOf));
    return prepare(keptResultFile(out, out.head, prefix, { offers, ids }));
  };

  const keep = (key: string, out: Out, prefix: string): Promise<Prepared | Refusal> => {
    const making = inTurn(() => make(out, prefix));
    kept.set(key, making, { size: leastBytes });
    const weigh = async (): Promise<void> => {
      const made = await making;
      if (isRefusal(made)) kept.delete(key);
      else kept.set(key, making, { size: leastBytes + sizeOf(made) });
    };
    weigh().catch(() => kept.delete(key)); // whoever asked hears of it
    return making;
  };

  return {
    /** The file of a published round that has the entries whose ids begin with `prefix`. */
    resultFile: async (
      release: string,
      round: number,
      prefix: string,
    ): Promise<Prepared | Refusal> => {
      const out = await outOf(release, round);
      if (isRefusal(out)) return out;
      const { prefixLength } = out;
      const key = `${out.head.digest} ${prefix}`;
      return prefix.length === prefixLength
        ? (kept.get(key) ?? keep(key, out, prefix))
        : refuse('RESULT_FILE_UNKNOWN', { ...REMEMBERED, extra: { prefixLength } });
    },
  };
}

/** What is read of a round before any of its files; for a moment, also that it is not out. */
function rememberRounds({ store, releases }: Parts) {
  const laidOut = new WeakMap<Manifest, Pools>();
  const poolsOf = (manifest: Manifest): Pools => {
    const pools = laidOut.get(manifest) ?? layOutPools(manifest);
    laidOut.set(manifest, pools);
    return pools;
  };

  const read = async (
    release: string,
    round: number,
    before: Out | Refusal | undefined,
  ): Promise<Out | Refusal> => {
    const found = await releases.published(release);
    if (isRefusal(found)) return { ...found, ...REMEMBERED };
    const manifest = asLottery(found.manifest);
    if (isRefusal(manifest)) return refuse('ROUND_UNKNOWN', REMEMBERED);
    // In this order: all of it stands there before the round counts.
    const published = await store.round(release, round);
    if (!published) return refuse('ROUND_UNKNOWN', REMEMBERED);
    const { digest } = published;
    // Another one: a Redis that took over had lost the round, which was drawn again.
    if (before && !isRefusal(before) && before.head.digest === digest) return before;
    const [results, roots] = await Promise.all([
      store.resultsOf(release, round),
      store.treePart(release, round, 'roots'),
    ]);
    if (results?.digest !== digest || !roots) return refuse('RESULT_FILE_UNKNOWN', REMEMBERED);
    const { prefixLength } = results;
    const head = { digest, release, round };
    return { manifest, pools: poolsOf(manifest), head, prefixLength, firstIds: idsOf(roots) };
  };

  const { lookedAtEveryMs: freshForMs, patienceMs, keptRounds: most } = RESULT_LIMITS;
  const fresh = createFresh<Out | Refusal>({ freshForMs, patienceMs, most }, (key, before) => {
    const [release = '', round] = key.split(' ');
    return read(release, Number(round), before);
  });
  return (release: string, round: number): Promise<Out | Refusal> => fresh(`${release} ${round}`);
}
