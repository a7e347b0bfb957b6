/** One topology for some minutes: releases, players, the monkey, and the audit of it all. */
import { nowMs, sleep } from '../../src/lib/clock.ts';
import { between, type Random, seededRandom } from '../../src/demo/random.ts';
import { audit, type Verdict } from './audit.ts';
import { type Client, createClient, type Service } from './client.ts';
import { gather } from './evidence.ts';
import type { Sighting, Write } from './history.ts';
import { type Field, openField, type Topology } from './machines.ts';
import { newToll, type Pace, rage, type Toll } from './monkey.ts';
import { change, publish, type Release, watch } from './operator.ts';
import { type Party, play, register } from './players.ts';

export type ChaosOptions = {
  readonly topology: Topology;
  /** How long things are killed, in ms; then everything is left to end, and audited. */
  readonly lengthMs: number;
  readonly seed: number;
  /** Accounts of each wave of releases. */
  readonly parties: number;
  readonly pace: Pace;
  /** One line at a time. */
  readonly tell: (line: string) => void;
  /** Aborted when nobody waits for the report any more. */
  readonly signal?: AbortSignal;
};

export type ChaosReport = Verdict & {
  readonly toll: Toll;
  readonly service: Service;
  readonly releases: number;
};

/** Between two waves of releases; they overlap. */
const WAVE_EVERY_MS = 11_000;
const WINDOW_MS = 5_000;
const LENGTH_MS = 18_000;
const LOTTERIES = 2;

type Stage = {
  readonly client: Client;
  readonly random: Random;
  readonly seed: number;
  readonly topology: Topology;
  readonly releases: Release[];
  readonly unheardEndsMs: number[];
  readonly parties: Map<string, Party[]>;
  readonly writes: Write[];
  readonly sightings: Sighting[];
  readonly watching: AbortController;
};

export async function chaos(options: ChaosOptions): Promise<ChaosReport> {
  const { topology, lengthMs, seed, tell, pace, signal } = options;
  const dice = (name: string): Random => seededRandom(`chaos ${seed} ${topology} ${name}`);
  const field = await openField(topology, dice('field'));
  tell(`${topology}: up, seed ${seed}`);
  const client = createClient(() => [field.url], dice('client'), signal);
  const stage: Stage = {
    client,
    random: dice('stage'),
    seed,
    topology,
    releases: [],
    unheardEndsMs: [],
    parties: new Map(),
    writes: [],
    sightings: [],
    watching: new AbortController(),
  };
  const toll = newToll();
  try {
    await underFire(stage, field, { ...options, pace, lengthMs }, dice('monkey'), toll);
    tell(
      `${topology}: ${toll.kills} kills, ${toll.pauses} pauses; waiting for all to be up and over`,
    );
    await field.settle();
    const evidence = await gather(client, stage);
    stage.watching.abort();
    const verdict = audit(evidence);
    return { ...verdict, toll, service: client.service, releases: stage.releases.length };
  } finally {
    stage.watching.abort();
    client.close();
    await field.stop();
  }
}

async function underFire(
  stage: Stage,
  field: Field,
  { lengthMs, parties, pace, tell, topology }: ChaosOptions,
  dice: Random,
  toll: Toll,
): Promise<void> {
  const calm = new AbortController();
  const underWay = (): string[] =>
    stage.releases.filter(({ endsAtMs }) => endsAtMs > nowMs()).map(({ release }) => release);
  const raging = rage(field, dice, pace, underWay, toll, calm.signal);
  const endsAtMs = nowMs() + lengthMs;
  const waves: Promise<void>[] = [];
  for (let wave = 0; wave === 0 || nowMs() + LENGTH_MS < endsAtMs; wave++) {
    const playing = playWave(stage, wave, parties);
    playing.catch(() => undefined); // told at the end
    waves.push(playing);
    await sleep(Math.max(0, Math.min(WAVE_EVERY_MS, endsAtMs - nowMs())));
    const { attempts, unanswered } = stage.client.service;
    tell(
      `${topology}: wave ${wave}, ${toll.kills} kills, ${toll.pauses} pauses, ` +
        `${stage.writes.length} writes, ${unanswered} of ${attempts} requests without an answer`,
    );
  }
  await sleep(Math.max(0, endsAtMs - nowMs()));
  calm.abort();
  await raging;
  await Promise.all(waves);
}

/** Two lotteries, of which one is of a series, and a release that books at once. */
async function playWave(stage: Stage, wave: number, count: number): Promise<void> {
  const { client, random, releases, parties, sightings, watching, writes, topology, seed } = stage;
  const name = `${topology}-${seed}-${wave}`;
  const wishes = Array.from({ length: LOTTERIES + 1 }, (_, number) => ({
    release: `${name}-${number}`,
    mode: number < LOTTERIES ? ('lottery' as const) : ('immediate' as const),
    ...(number === 0 && { series: `series-${topology}-${seed}` }),
    seats: Array.from({ length: 4 }, () => between(random, 1, Math.ceil(count / 12))),
    windowMs: WINDOW_MS,
    lengthMs: LENGTH_MS,
  }));
  const registering = Promise.all(
    Array.from({ length: count }, (_, number) =>
      register(client, random, `${name}-p${number}`, writes),
    ),
  );
  const found = await Promise.all(
    wishes.map((wish) =>
      // Whoever stands is carried into releases of the series alone.
      publish(client, random, wish, wish.series === undefined ? [] : stage.unheardEndsMs),
    ),
  );
  const opened = found.filter((release) => release !== undefined);
  releases.push(...opened);
  for (const { release } of opened) parties.set(release, []);
  const known = (await registering).filter((party) => party !== undefined);
  const playing = known.flatMap((party) => {
    const at = between(random, 0, opened.length - 1);
    // Some try to be in two places at once.
    const places = new Set([at, ...(random() < 0.3 ? [(at + 1) % opened.length] : [])]);
    return [...places].flatMap((place) => {
      const release = opened[place];
      if (!release) return [];
      parties.get(release.release)?.push(party);
      const own = seededRandom(`${name} ${party.account} ${place}`);
      return [play({ client, random: own, noted: { writes }, party, release })];
    });
  });
  const lotteries = opened.filter(({ mode }) => mode === 'lottery');
  for (const release of lotteries)
    void watch(client, release, sightings, watching.signal).catch(() => undefined);
  await Promise.all([
    ...playing,
    ...lotteries.filter(() => random() < 0.6).map((one) => change(client, random, one, writes)),
  ]);
}
