/**
 * Proofs as they are served. Anyone may ask for any, over and over, so each process reads a part of
 * a tree and hashes it once, and proves from memory after that.
 */
import { LRUCache } from 'lru-cache';
import { atMost } from '../lib/at-most.ts';
import { isRefusal, refuse, type Refusal } from '../refusal.ts';
import type { ReleaseService } from '../releases/service.ts';
import { chunkOf, type Proof, proofIn, type Subtree, subtreeOf } from './proofs.ts';
import type { Seal } from './draw/seal.ts';
import type { RoundStore } from './store.ts';

export const PROOF_LIMITS = {
  /** Of parts of trees that a process keeps; what is longest unused goes first. */
  keptBytes: 80 * 2 ** 20,
  /** What one counts for beside its hashes and ids. */
  leastBytes: 1_024,
  /** Parts that a process reads at once: a chunk of 48 KiB, or the roots of all of a round. */
  readAtOnce: 16,
};

type Part = number | 'roots';

type Parts = {
  readonly store: Pick<RoundStore, 'newIn' | 'seal' | 'treePart'>;
  readonly releases: Pick<ReleaseService, 'published'>;
};

const sizeOf = ({ ids, levels }: Subtree): number =>
  levels.reduce((sum, { length }) => sum + length, PROOF_LIMITS.leastBytes + ids.length);

export function createProving({ store, releases }: Parts, limits = PROOF_LIMITS) {
  const inTurn = atMost(limits.readAtOnce);
  const kept = new LRUCache<string, Subtree, () => Promise<Buffer | null>>({
    maxSize: limits.keptBytes,
    sizeCalculation: sizeOf,
    ignoreFetchAbort: true, // one that was crowded out while it was read is still an answer
    fetchMethod: async (_key, _stale, { context: read }) => {
      const rows = await inTurn(read);
      return rows ? subtreeOf(rows) : undefined;
    },
  });
  /** A root has one tree: what is kept under it never goes stale. */
  const subtree = ({ release, round, root }: Seal, part: Part): Promise<Subtree | undefined> =>
    kept.fetch(`${root} ${part}`, { context: () => store.treePart(release, round, part) });

  return {
    /**
     * How an entry hangs in the tree of a sealed round: the one that it was last new in, unless
     * another is asked for.
     */
    async proof(release: string, entryId: string, asked?: number): Promise<Proof | Refusal> {
      const found = await releases.published(release);
      if (isRefusal(found)) return found;
      const round = asked ?? (await store.newIn(release, entryId));
      const text = await store.seal(release, round);
      if (text === null) return refuse('PROOF_UNKNOWN');
      const seal = JSON.parse(text) as Seal;
      const upper = await subtree(seal, 'roots');
      const number = upper ? chunkOf(upper.ids, entryId) : -1;
      const chunk = number < 0 ? undefined : await subtree(seal, number);
      const proof = upper && chunk && proofIn(seal, upper, chunk, entryId);
      return proof ?? refuse('PROOF_UNKNOWN');
    },
  };
}
