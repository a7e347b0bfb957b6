/** A process that floods: so many requests a second, whatever becomes of them. */
import { present } from '../../src/lib/assert.ts';
import { atRate } from '../support/open-loop.ts';
import { createClient } from './client.ts';
import { type Arms, type Kind, type KindName, KINDS } from './kinds.ts';

export type HostileJob =
  | { readonly job: 'arm'; readonly arms: Arms }
  | {
      readonly job: 'flood';
      /** The kind of each request, in this order. */
      readonly kinds: readonly KindName[];
      /** Requests a second. */
      readonly rate: number;
      /** Slow connections go on until they are answered, rather than leave with the last request. */
      readonly stay: boolean;
    };
/** By kind: how often it was answered what. */
export type Tally = Partial<Record<KindName, Record<string, number>>>;

let arms: Arms | undefined;
let send: ReturnType<typeof createClient> | undefined;
const fired: Partial<Record<KindName, number>> = {};

async function flood({ kinds, rate, stay }: HostileJob & { job: 'flood' }): Promise<Tally> {
  if (!arms || !send) throw new Error('the first job is to arm');
  const tally: Tally = {};
  const over = new AbortController();
  const pending: Promise<void>[] = [];
  const [armed, sending] = [arms, send];
  const fire = async (name: KindName): Promise<void> => {
    const kind: Kind = KINDS[name];
    const number = fired[name] ?? 0;
    fired[name] = number + 1;
    const label = await kind.fire(armed, number, sending, over.signal);
    const answers = (tally[name] ??= {});
    answers[label] = (answers[label] ?? 0) + 1;
  };
  await atRate(kinds.length, rate, (next) => {
    pending.push(fire(present(kinds[next], 'a kind')));
  });
  if (!stay) over.abort();
  await Promise.all(pending);
  return tally;
}

async function work(job: HostileJob): Promise<Tally> {
  if (job.job === 'flood') return flood(job);
  arms = job.arms;
  send = createClient(arms.url);
  for (const name of Object.keys(fired)) delete fired[name as KindName];
  return {};
}

process.on('message', (job: HostileJob) => {
  work(job).then(
    (tally) => process.send?.(tally),
    (error: unknown) => {
      process.stderr.write(`${String(error)}\n`);
      process.exit(1);
    },
  );
});
