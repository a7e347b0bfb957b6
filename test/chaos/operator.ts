/** The operator's part: publishes releases, changes some under way, and looks at their rounds. */
import { isoFromMs, nowMs, sleep } from '../../src/lib/clock.ts';
import { jcs } from '../../src/lib/jcs.ts';
import { between, type Random } from '../../src/demo/random.ts';
import { OPERATOR_KEY } from '../support/app.ts';
import type { Client } from './client.ts';
import type { Sighting, Write } from './history.ts';

export type Release = {
  readonly release: string;
  readonly mode: 'lottery' | 'immediate';
  readonly series: boolean;
  readonly slots: readonly string[];
  /** Epoch ms. In immediate mode it closes when it ends. */
  readonly closesAtMs: number;
  readonly endsAtMs: number;
};

type Wish = {
  readonly release: string;
  readonly mode: 'lottery' | 'immediate';
  readonly series?: string;
  /** Seats of each slot. */
  readonly seats: readonly number[];
  readonly windowMs: number;
  readonly lengthMs: number;
};

const PUBLISH_WITHIN_MS = 20_000;
const PUBLISH_TRIES = 3;
const CONFIRM_WITHIN_S = 4;

/**
 * Undefined where it did not come about, or nobody heard of it; `unheardEndsMs`: gets the end of one
 * that may be there all the same. While much is down its window can be over before it is published:
 * then there is another try under another name.
 */
export async function publish(
  client: Client,
  random: Random,
  wish: Wish,
  unheardEndsMs: number[],
  tries = PUBLISH_TRIES,
): Promise<Release | undefined> {
  const { release, mode, series, windowMs, lengthMs } = wish;
  const opensAtMs = nowMs();
  const untilMs = opensAtMs + PUBLISH_WITHIN_MS;
  const closesAtMs = opensAtMs + windowMs;
  const endsAtMs = opensAtMs + lengthMs;
  const steps = [
    ['', termsOf(random, wish, { opensAtMs, closesAtMs, endsAtMs })],
    [`/${release}/import?${IMPORT}`, csvOf(wish)],
    [`/${release}/publish`, undefined],
  ] as const;
  for (const [path, body] of steps) {
    const call = {
      method: 'POST',
      path: `/v1/admin/releases${path}`,
      bearer: OPERATOR_KEY,
    } as const;
    const done = await client.write({ ...call, ...(body && { body }) }, untilMs);
    if (done.outcome === 'acknowledged' || DONE_BEFORE.includes(done.code)) continue;
    const isUnheard = body === undefined && done.outcome === 'unknown';
    if (isUnheard) unheardEndsMs.push(endsAtMs);
    const isLate = !isUnheard && done.code === 'RELEASE_TOO_LATE' && tries > 1;
    const again = { ...wish, release: `${release}x` };
    return isLate ? publish(client, random, again, unheardEndsMs, tries - 1) : undefined;
  }
  const found = await client.read(`/v1/releases/${release}/slots`, undefined, untilMs);
  if (!found) {
    unheardEndsMs.push(endsAtMs);
    return undefined;
  }
  const slots = found.slots.map(({ slot }: { slot: string }) => slot);
  const times = { closesAtMs: mode === 'lottery' ? closesAtMs : endsAtMs, endsAtMs };
  return { release, mode, series: series !== undefined, slots, ...times };
}

type Times = Pick<Release, 'closesAtMs' | 'endsAtMs'> & { readonly opensAtMs: number };

function termsOf(random: Random, { release, mode, series }: Wish, times: Times): object {
  const lottery = {
    closesAt: isoFromMs(times.closesAtMs),
    roundEveryS: between(random, 1, 2),
    confirmWithinS: CONFIRM_WITHIN_S,
    ...(series !== undefined && { series }),
  };
  return {
    release,
    title: `The release ${release}`,
    mode,
    opensAt: isoFromMs(times.opensAtMs),
    endsAt: isoFromMs(times.endsAtMs),
    idTypes: ['passport'],
    ...(mode === 'lottery' && lottery),
  };
}

const csvOf = ({ seats }: Wish): string =>
  ['centre_id,centre_name,seats', ...seats.map((count, i) => `c${i},Centre ${i},${count}`)].join(
    '\n',
  );
const IMPORT = new URLSearchParams({
  date: '2099-01-01',
  service: 'COVISHIELD',
  dose: '1',
  minAge: '0',
  bands: '09:00-11:00',
  centre: 'centre_id',
  name: 'centre_name',
  seats: 'seats',
}).toString();

/** What the second answer says where the first was not heard. */
const DONE_BEFORE = ['RELEASE_EXISTS', 'RELEASE_PUBLISHED'];

/** Closes a slot, or takes seats away, while rounds go on. */
export async function change(
  client: Client,
  random: Random,
  { release, slots, closesAtMs, endsAtMs }: Release,
  writes: Write[],
): Promise<void> {
  const atMs = closesAtMs + between(random, 0, endsAtMs - closesAtMs - 2_000);
  await sleep(Math.max(0, atMs - nowMs()));
  const slot = slots[between(random, 0, slots.length - 1)] ?? '';
  const closes = random() < 0.5;
  const seats = between(random, 1, 2);
  const body = closes
    ? { slots: [slot] }
    : { change: `change-${startOf(release)}`, slot, pool: 'open', seats };
  const path = `/v1/admin/releases/${release}/${closes ? 'closures' : 'losses'}`;
  const call = { method: 'POST', path, bearer: OPERATOR_KEY, body } as const;
  const { outcome, startedAtMs, endedAtMs } = await client.write(call, endsAtMs + 10_000);
  const sent = { release, person: '', outcome, startedAtMs, endedAtMs };
  writes.push(
    closes
      ? { ...sent, kind: 'close', slots: [slot] }
      : { ...sent, kind: 'lose', slot, pool: 'open', seats },
  );
}

const startOf = (release: string): string => release.slice(0, 40);

const LOOK_EVERY_MS = 400;

/** Notes digests and seals as they are published, until told to stop. */
export async function watch(
  client: Client,
  { release }: Release,
  sightings: Sighting[],
  signal: AbortSignal,
): Promise<void> {
  const path = `/v1/releases/${release}/rounds`;
  let next = 0;
  while (!signal.aborted) {
    const found = await client.read(path);
    for (const { round, digest } of (found?.rounds ?? []).slice(next)) {
      sightings.push({ release, round, digest });
      next = round + 1;
    }
    if (found) {
      const drawn = await client.read(`${path}/${next}`);
      if (drawn) sightings.push({ release, round: next, seal: jcs(drawn.seal) });
    }
    await sleep(LOOK_EVERY_MS);
  }
}
