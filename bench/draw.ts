/**
 * Rounds at national scale, from the cut to the publication, in a process that does nothing else: a
 * first one of many entries, then small ones while nearly all of these wait; and the verifier.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Progress } from '../src/demo/progress.ts';
import type { Engine } from '../src/engine.ts';
import { assert } from '../src/lib/assert.ts';
import type { RedisAddress } from '../src/redis/client.ts';
import { documentText } from '../src/rounds/entry-table.ts';
import { entryIdOf } from '../src/rounds/rules.ts';
import type { Job, Report } from './support/drawer.ts';
import { withEngine } from './support/engine.ts';
import { hashesMs } from './support/hashes.ts';
import { openRelease, RELEASE, wishesFor } from './support/pune.ts';
import { enterStrangers, makeDue, type Strangers } from './support/strangers.ts';

/** For a million; more may take as much longer as they are more. */
const GOAL_MS = 12_000;
const GOAL_ENTRIES = 1_000_000;
const GOAL_RSS_MIB = 1024;
const LATER_GOAL_MS = 500;
/** Seats that come back before a later round, and entries that are new in it. */
const LATER = 1_000;

export const draw = ({ entries }: { readonly entries: number }, progress: Progress) =>
  withEngine(async (bench) => {
    const { engine, redis, server } = bench;
    const published = await openRelease(engine, RELEASE, entries);
    const strangers = { engine, redis, published, wishes: wishesFor(published) };
    await enterStrangers(strangers, 0, entries, progress);
    const [drawer, verifier] = await Promise.all([startDrawer(server), startDrawer(server)]);
    try {
      await makeDue(redis, 0);
      const first = await drawer.ask({ job: 'draw', release: RELEASE });
      const { digest } = first;
      const verified = await verifier.ask({ job: 'verify', release: RELEASE, digest });
      const floorMs = await floorOf(strangers, entries);
      const later = await drawLater(strangers, entries, drawer, progress);
      const goal = (GOAL_MS * Math.max(entries, GOAL_ENTRIES)) / GOAL_ENTRIES;
      return {
        entries,
        totalMs: first.ms,
        goal,
        met: first.ms <= goal,
        phases: first.phases,
        cpuMs: first.cpuMs,
        phasesCpu: first.phasesCpu,
        rssMiB: first.rssMiB,
        rssGoal: GOAL_RSS_MIB,
        floorMs: Math.round(floorMs),
        ratio: Number((first.ms / floorMs).toFixed(1)),
        verifyMs: verified.ms,
        verifyCpuMs: verified.cpuMs,
        verifyRssMiB: verified.rssMiB,
        served: verified.served,
        transcriptBytes: await transcriptBytes(engine),
        later,
      };
    } finally {
      drawer.stop();
      verifier.stop();
    }
  });

type Drawer = { readonly ask: (job: Job) => Promise<Report>; readonly stop: () => void };

async function startDrawer({ address }: { readonly address: RedisAddress }): Promise<Drawer> {
  const child = fork(fileURLToPath(new URL('support/drawer.ts', import.meta.url)));
  const killOnExit = (): void => void child.kill('SIGKILL');
  process.once('exit', killOnExit);
  const ask = async (job: Job): Promise<Report> => {
    child.send(job);
    const [answer] = (await Promise.race([once(child, 'message'), once(child, 'exit')])) as [
      Report | number,
    ];
    assert(typeof answer === 'object', `a process that was to ${job.job} has ended`);
    return answer;
  };
  const stop = (): void => {
    process.removeListener('exit', killOnExit);
    child.kill('SIGKILL'); // it holds nothing that is to be kept
  };
  await ask({ job: 'start', address });
  return { ask, stop };
}

/** A round with seats to give to those who wait, and one with none. */
async function drawLater(
  strangers: Strangers,
  entries: number,
  drawer: Drawer,
  progress: Progress,
): Promise<object> {
  const { engine, redis } = strangers;
  const winners = await engine.stores.rounds.openOffers(RELEASE, 0);
  const freed = winners.slice(0, LATER);
  await Promise.all(
    freed.map((entry) =>
      engine.stores.bookings.cancel({ release: RELEASE, entry, grant: '0' }, undefined),
    ),
  );
  await enterStrangers(strangers, entries, Math.min(LATER, entries), progress);
  await makeDue(redis, 1);
  const { ms, cpuMs, phases } = await drawer.ask({ job: 'draw', release: RELEASE });
  await withdrawOne(engine, entries);
  await makeDue(redis, 2);
  const nothing = await drawer.ask({ job: 'draw', release: RELEASE });
  return {
    ms,
    goal: LATER_GOAL_MS,
    met: ms <= LATER_GOAL_MS,
    cpuMs,
    phases,
    freed: freed.length,
    nothingToGiveMs: nothing.ms,
  };
}

/** Somebody who waits goes: the next round has something to tell and nothing to give. */
async function withdrawOne({ stores, secrets }: Engine, entries: number): Promise<void> {
  for (let index = 0; index < entries; index++) {
    const id = entryIdOf(secrets, RELEASE, secrets.pseudonym('person', String(index)));
    if ((await stores.rounds.withdraw(RELEASE, id)) === 'WITHDRAWN') return;
  }
  assert(false, 'nobody waits');
}

const KEY_MESSAGE_BYTES = 65;
const NODE_MESSAGE_BYTES = 65;
/** Entries whose documents are measured. */
const SAMPLE = 1_000;

/** Milliseconds of a round's hashes alone: leaves, nodes of the tree and rank keys. */
function floorOf({ wishes }: Strangers, entries: number): Promise<number> {
  const id = 'A'.repeat(22);
  const lengths = Array.from(
    { length: SAMPLE },
    (_, index) => documentText('[]', id, JSON.stringify(wishes(index)), 1).length,
  );
  const leafBytes = 1 + Math.round(lengths.reduce((sum, length) => sum + length, 0) / SAMPLE);
  return hashesMs([
    { count: entries, bytes: leafBytes },
    { count: entries, bytes: NODE_MESSAGE_BYTES },
    { count: entries, bytes: KEY_MESSAGE_BYTES },
  ]);
}

async function transcriptBytes({ stores }: Engine): Promise<number> {
  let bytes = 0;
  for await (const chunk of stores.rounds.transcript(RELEASE, 0)) bytes += chunk.length;
  return bytes;
}
