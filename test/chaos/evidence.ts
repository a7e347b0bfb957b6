/** Reads, over HTTP as anybody could, what stands once all releases are over and all is up. */
import { createGunzip } from 'node:zlib';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { assert, present } from '../../src/lib/assert.ts';
import { msFromIso, nowMs, sleep } from '../../src/lib/clock.ts';
import { jcs } from '../../src/lib/jcs.ts';
import type { Ledger } from '../../src/rounds/draw/ledger.ts';
import { verifyChain } from '../../src/rounds/verify/verify.ts';
import { OPERATOR_KEY } from '../support/app.ts';
import type { Evidence, ReleaseFacts, RoundFacts, Standing } from './audit.ts';
import type { Client } from './client.ts';
import type { Sighting, Write } from './history.ts';
import type { Release } from './operator.ts';
import { type Party, tokenOf } from './players.ts';

/** From the end of everything to all of it being drawn and settled: leads, deadlines, restarts. */
const QUIET_WITHIN_MS = 60_000;
const READ_WITHIN_MS = 30_000;
/** Accounts that are asked at once. */
const AT_ONCE = 16;

export type Played = {
  readonly releases: readonly Release[];
  /** Ends of releases of the series that may or may not have been published, in epoch ms. */
  readonly unheardEndsMs: readonly number[];
  /** By release: who tried to get something there. */
  readonly parties: ReadonlyMap<string, readonly Party[]>;
  readonly writes: readonly Write[];
  readonly sightings: readonly Sighting[];
};

export async function gather(client: Client, played: Played): Promise<Evidence> {
  const { writes, sightings } = played;
  const isThere = await Promise.all(played.releases.map((release) => untilOver(client, release)));
  const releases = played.releases.filter((_release, index) => isThere[index]);
  const vanished = played.releases.filter((_release, index) => !isThere[index]);
  const facts: ReleaseFacts[] = [];
  for (const release of releases)
    facts.push(await factsOf(client, release, laterIn(release, releases, played.unheardEndsMs)));
  const standings = await someAtOnce(toAsk(releases, played.parties), ({ release, party }) =>
    standingsOf(client, release, party),
  );
  return {
    writes,
    sightings,
    releases: facts,
    vanished: vanished.map(({ release }) => release),
    standings: standings.flat(),
    registered: await registeredOf(client, writes),
  };
}

/**
 * Whose standing in which release is read: of all who played there and, in a series, of all who
 * played in an earlier release of it, for they may have been carried there.
 */
export function toAsk(
  releases: readonly Release[],
  parties: Played['parties'],
): { readonly release: string; readonly party: Party }[] {
  return releases.flatMap((one) => {
    const sources = one.series
      ? releases.filter(({ series, endsAtMs }) => series && endsAtMs < one.endsAtMs)
      : [];
    const asked = new Set([one, ...sources].flatMap(({ release }) => parties.get(release) ?? []));
    return Array.from(asked, (party) => ({ release: one.release, party }));
  });
}

/**
 * Into which releases standing entries may be carried; undefined where there may be one of which
 * nobody heard.
 */
export function laterIn(
  { series, endsAtMs }: Release,
  all: readonly Release[],
  unheardEndsMs: readonly number[],
): string[] | undefined {
  if (series && unheardEndsMs.some((ms) => ms > endsAtMs)) return undefined;
  return all
    .filter((one) => series && one.series && one.endsAtMs > endsAtMs)
    .map(({ release }) => release);
}

/** Who is registered with each account that was told that somebody is. */
async function registeredOf(
  client: Client,
  writes: readonly Write[],
): Promise<Map<string, string[]>> {
  const accounts = new Set(
    writes.flatMap((write) =>
      write.kind === 'register' && write.outcome === 'acknowledged' ? [write.account] : [],
    ),
  );
  const lists = await someAtOnce([...accounts], async (account) => {
    const { beneficiaries } = await must(client, '/v1/beneficiaries', await tokenOf(account));
    return [
      account,
      beneficiaries.map((one: { beneficiaryId: string }) => one.beneficiaryId),
    ] as const;
  });
  return new Map(lists);
}

async function someAtOnce<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const done: R[] = [];
  for (let at = 0; at < items.length; at += AT_ONCE)
    done.push(...(await Promise.all(items.slice(at, at + AT_ONCE).map(work))));
  return done;
}

const must = async (client: Client, path: string, bearer?: string) =>
  present(await client.read(path, bearer, nowMs() + READ_WITHIN_MS), path);

/** Whether there is such a release at all: false only where the engine says that there is none. */
async function untilOver(client: Client, { release, endsAtMs }: Release): Promise<boolean> {
  await sleep(Math.max(0, endsAtMs - nowMs()));
  const path = `/v1/releases/${release}`;
  const giveUpAtMs = nowMs() + QUIET_WITHIN_MS;
  for (;;) {
    const found = await client.read(path, undefined, nowMs() + READ_WITHIN_MS);
    if (!found && (await client.refusal(path, nowMs())) === 'RELEASE_UNKNOWN') return false;
    const { state } = present(found, path);
    if (state === 'ended') return true;
    assert(nowMs() < giveUpAtMs, `${release} is still ${state}`);
    await sleep(300);
  }
}

async function standingsOf(client: Client, release: string, party: Party): Promise<Standing[]> {
  const { entries } = await must(client, `/v1/releases/${release}/entry`, party.token);
  return entries.map((entry: Standing & { readonly carryOver: object | null }) => ({
    ...entry,
    release,
    stands: entry.carryOver !== null,
  }));
}

async function factsOf(
  client: Client,
  { release, mode, endsAtMs }: Release,
  later: readonly string[] | undefined,
): Promise<ReleaseFacts> {
  const path = `/v1/releases/${release}`;
  const { slots } = await must(client, `${path}/slots`);
  const { seats } = await must(client, `/v1/admin/releases/${release}`, OPERATOR_KEY);
  const capacity = Object.fromEntries(
    slots.map((one: { slot: string; seats: number }) => [one.slot, one.seats]),
  );
  const shared = { release, mode, capacity, endsAtMs, seats };
  if (mode === 'immediate') {
    const nothing = { digests: [], recomputed: [], rounds: [], later };
    return { ...shared, ...nothing, changes: { closed: [], lost: [] } };
  }
  const listed = await must(client, `${path}/rounds`);
  const files: Buffer[] = [];
  for (const { round } of listed.rounds) {
    const of = `${path}/rounds/${round}/transcript`;
    files.push(present(await client.download(of, nowMs() + READ_WITHIN_MS), of));
  }
  const { recomputed, held } = await recompute(files);
  const rounds: RoundFacts[] = [];
  for (const file of files) rounds.push(await readRound(file, held[rounds.length] ?? {}));
  return {
    ...shared,
    later,
    digests: listed.rounds.map(({ digest }: { digest: string }) => digest),
    recomputed,
    rounds,
    changes: await must(client, `${path}/changes`),
  };
}

/** What the verifier makes of the files, as `draw verify` does; as far as it accepts them. */
async function recompute(files: readonly Buffer[]) {
  const recomputed: string[] = [];
  const held: Record<string, number>[] = [];
  await verifyChain(
    files.map((file, round) => ({ name: `round ${round}`, open: () => Readable.from([file]) })),
    {
      onRound: ({ digest, ledger }) => {
        recomputed.push(digest);
        held.push(heldIn(ledger));
      },
    },
  );
  return { recomputed, held };
}

/** Seats held after a round, by slot. */
function heldIn({ cohorts, pools, manifest }: Ledger): Record<string, number> {
  const held: Record<string, number> = {};
  for (const { standing, table } of cohorts) {
    for (const [row, pool] of standing.entries()) {
      if (pool < 0) continue;
      const { slot } = present(manifest.slots[present(pools.slot[pool], 'pool')], 'slot');
      held[slot] = (held[slot] ?? 0) + present(table.sizes[row], 'size');
    }
  }
  return held;
}

/** What a file says, whether or not the verifier accepts it. */
async function readRound(file: Buffer, held: Record<string, number>): Promise<RoundFacts> {
  const whole = await text(Readable.from([file]).pipe(createGunzip()));
  const lines = whole.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line)]));
  const one = (kind: string) =>
    present(
      lines.find((line) => line.kind === kind),
      kind,
    );
  const { seal } = one('seal');
  return {
    round: seal.round,
    cutAtMs: msFromIso(seal.cut_at),
    seal: jcs(seal),
    since: one('since').since,
    entries: lines
      .filter(({ kind }) => kind === 'entry')
      .map(({ entry, prefs }) => ({ entry, preferences: prefs })),
    held,
  };
}
