/**
 * The published rounds of a release as everybody is told of them: one reading a second for all who
 * ask, and of that only what is new, since a published round never changes.
 */
import { present } from '../lib/assert.ts';
import { isoFromMs } from '../lib/clock.ts';
import { createFresh } from '../lib/fresh.ts';
import { BRIEFLY_KEPT, type Prepared, prepare } from '../http/prepared.ts';
import { isRefusal, type Refusal } from '../refusal.ts';
import type { ReleaseService } from '../releases/service.ts';
import type { RoundStore } from './store.ts';

/** Rounds of all releases that a process keeps; the list that is longest unused goes first. */
const KEPT_ROUNDS = 100_000;

type PublishedRound = {
  readonly round: number;
  readonly digest: string;
  readonly publishedAt: string;
};
type StoredRound = Awaited<ReturnType<RoundStore['rounds']>>[number];
type RoundList = { readonly rounds: readonly PublishedRound[]; readonly answer: Prepared };

const shown = ({ round, digest, publishedAtMs }: StoredRound): PublishedRound => ({
  round,
  digest,
  publishedAt: isoFromMs(publishedAtMs),
});

type Parts = {
  readonly store: Pick<RoundStore, 'rounds'>;
  readonly releases: Pick<ReleaseService, 'published' | 'read'>;
};

export function createRoundList({ store, releases }: Parts) {
  const read = async (
    release: string,
    known: readonly PublishedRound[] = [],
  ): Promise<readonly PublishedRound[]> => {
    const { published } = present(await releases.read(release), 'a published release');
    const last = known.at(-1);
    const from = last?.round ?? 0;
    const found = (await store.rounds(release, from, published)).map(shown);
    if (!last) return found;
    // A digest has all before it in it. Another one: a Redis that took over had lost rounds, which
    // are drawn again.
    const [again, ...added] = found;
    if (again?.digest !== last.digest) return read(release);
    return added.length === 0 ? known : [...known, ...added];
  };

  const kept = createFresh<RoundList>(
    { ...BRIEFLY_KEPT, most: KEPT_ROUNDS, weigh: ({ rounds }) => rounds.length + 1 },
    async (release, before) => {
      const rounds = await read(release, before?.rounds);
      return before?.rounds === rounds ? before : { rounds, answer: await prepare({ rounds }) };
    },
  );

  return {
    async rounds(release: string): Promise<readonly PublishedRound[] | Refusal> {
      const found = await releases.published(release);
      return isRefusal(found) ? found : read(release);
    },

    /** The same as an answer, which may be a second old. */
    async roundList(release: string): Promise<Prepared | Refusal> {
      const found = await releases.published(release);
      return isRefusal(found) ? found : (await kept(release)).answer;
    },
  };
}
