/**
 * Rounds at national scale, from the cut to the publication, in a process that does nothing else: a
 * first one of many entries, then small ones while nearly all of these wait; and the verifier.
 */
import type { Progress } from '../src/progress.ts';
import type { Engine } from '../src/engine.ts';
import { assert } from '../src/lib/assert.ts';
import type { RedisAddress } from '../src/redis/client.ts';
import { documentText } from '../src/rounds/draw/entry-table.ts';
import { entryIdOf } from '../src/rounds/rules.ts';
import type { Job, Report } from './support/drawer.ts';
import { withEngine } from './support/engine.ts';
import { type Hand, startHandOf } from './support/hand.ts';
import { hashesMs } from './support/hashes.ts';
import { rounded, sum } from './support/numbers.ts';
import { entries as entriesOption } from './support/options.ts';
import { openRelease, RELEASE, wishesFor } from './support/pune.ts';
import type { Chart, Goal, Scenario } from './support/scenario.ts';
import { enterStrangers, makeDue, type Strangers } from './support/strangers.ts';

/** For a million; more may take as much longer as they are more. */
const GOAL_MS = 10_000;
const GOAL_ENTRIES = 1_000_000;
const GOAL_RSS_MIB = 1024;
const LATER_GOAL_MS = 500;
/** Seats that come back before a later round, and entries that are new in it. */
const LATER = 1_000;

/** Of fewer, a later round may leave nobody waiting. */
const LEAST_ENTRIES = 50;

export type DrawOptions = { readonly entries: number };

export const measureDraw = ({ entries }: DrawOptions, progress: Progress) =>
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
      return {
        entries,
        totalMs: first.ms,
        phases: first.phases,
        cpuMs: first.cpuMs,
        phasesCpu: first.phasesCpu,
        rssMiB: first.rssMiB,
        floorMs: Math.round(floorMs),
        ratio: rounded(first.ms / floorMs, 1),
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

type Drawer = Hand<Job, Report>;

async function startDrawer({ address }: { readonly address: RedisAddress }): Promise<Drawer> {
  const drawer = startHandOf<Job, Report>(new URL('support/drawer.ts', import.meta.url));
  await drawer.ask({ job: 'start', address });
  return drawer;
}

/** A round with seats to give to those who wait, and one with none. */
async function drawLater(
  strangers: Strangers,
  entries: number,
  drawer: Drawer,
  progress: Progress,
) {
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
  const leafBytes = 1 + Math.round(sum(lengths) / SAMPLE);
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

type Figures = Awaited<ReturnType<typeof measureDraw>>;

const goalsOf = ({ entries, totalMs, rssMiB, verifyMs, later }: Figures): Goal[] => {
  const many = entries.toLocaleString('en');
  return [
    {
      name: `a round of ${many} entries, from the cut to published`,
      figure: totalMs,
      unit: 'ms',
      atMost: (GOAL_MS * Math.max(entries, GOAL_ENTRIES)) / GOAL_ENTRIES,
    },
    { name: 'its memory, at most', figure: rssMiB, unit: 'MiB', atMost: GOAL_RSS_MIB },
    {
      name: 'checking it / drawing it',
      figure: rounded(verifyMs / totalMs),
      unit: 'ratio',
      atMost: 1,
    },
    {
      name: `a later round, while ${many} wait`,
      figure: later.ms,
      unit: 'ms',
      atMost: LATER_GOAL_MS,
    },
  ];
};

function chartsOf({ phases, phasesCpu, totalMs, verifyMs, floorMs }: Figures): Chart[] {
  const names = Object.keys(phases);
  const parts = (of: Readonly<Record<string, number>>) =>
    names.map((name, place) => [place, of[name] ?? 0] as const);
  return [
    {
      title: 'Phases of the round',
      description: `${names.join(', ')}: in this order, ${totalMs} ms together.`,
      kind: 'bars',
      x: { label: '', categories: names },
      y: { label: 'milliseconds' },
      series: [
        { name: 'time', points: parts(phases) },
        { name: 'CPU of the main thread', points: parts(phasesCpu) },
      ],
    },
    {
      title: 'Drawing, checking, and the least it can cost',
      description: 'The least is the same number of SHA-256 calls, and nothing else.',
      kind: 'bars',
      x: { label: '', categories: ['drawn', 'checked by anyone', 'hashes alone'] },
      y: { label: 'milliseconds' },
      series: [
        {
          name: 'time',
          points: [
            [0, totalMs],
            [1, verifyMs],
            [2, floorMs],
          ],
        },
      ],
    },
  ];
}

export const draw: Scenario<DrawOptions> = {
  name: 'draw',
  summary: 'a round of that many entries, from the cut to the publication; and smaller ones',
  options: [entriesOption(LEAST_ENTRIES)],
  inAll: { mostS: 110, options: { entries: GOAL_ENTRIES } },
  quick: { entries: 300 },
  run: async (options, progress) => {
    const figures = await measureDraw(options, progress);
    return { figures, goals: goalsOf(figures), charts: chartsOf(figures), errors: 0 };
  },
};
