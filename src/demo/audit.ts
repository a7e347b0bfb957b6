/**
 * What the server itself says once the release is over: each person's own list of bookings, and the
 * published rounds with their transcripts, as any outsider would fetch them.
 */
import { msFromIso } from '../lib/clock.ts';
import { verifyChain } from '../rounds/verify/verify.ts';
import type { Client } from './client.ts';
import type { Member, Slot } from './personas.ts';

export type Round = {
  readonly round: number;
  readonly digest: string;
  /** Epoch ms. */
  readonly publishedAtMs: number;
  /** As downloaded: gzipped NDJSON. */
  readonly transcript: Buffer;
};

const ADDRESS = '127.3.0.3';
const LIVE = new Set(['booked', 'offered']);

/** The slots of a person's live bookings, from their own account. */
export async function liveBookings(
  client: Client,
  { person, token, device }: Pick<Member, 'person' | 'token' | 'device'>,
): Promise<string[]> {
  const { bookings } = await client.read<{ bookings: { slot: string; state: string }[] }>(
    '/v1/bookings',
    person.address,
    { bearer: token, deviceToken: device },
  );
  return bookings.filter(({ state }) => LIVE.has(state)).map(({ slot }) => slot);
}

/** Seats of each slot as published. */
export async function capacities(client: Client, release: string): Promise<Map<string, number>> {
  const path = `/v1/releases/${release}/slots`;
  const { slots } = await client.read<{ slots: Slot[] }>(path, ADDRESS);
  return new Map(slots.map(({ slot, seats }) => [slot, seats]));
}

export async function publishedRounds(client: Client, release: string): Promise<Round[]> {
  const path = `/v1/releases/${release}/rounds`;
  const { rounds } = await client.read<{
    rounds: { round: number; digest: string; publishedAt: string }[];
  }>(path, ADDRESS);
  return Promise.all(
    rounds.map(async ({ round, digest, publishedAt }) => ({
      round,
      digest,
      publishedAtMs: msFromIso(publishedAt),
      transcript: await client.download(`${path}/${round}/transcript`, ADDRESS),
    })),
  );
}

export type Verdict = {
  /** Where and why, in words; undefined when every round follows from what is published. */
  readonly refused: string | undefined;
  /** What no file can show, in words. */
  readonly trust: string;
  /** Entries sealed in each round, and entries it gave a seat to. */
  readonly rounds: readonly { readonly entries: number; readonly served: number }[];
};

/** Recomputes the rounds, and compares their digests with those that the engine publishes. */
export async function verifyRounds(rounds: readonly Round[]): Promise<Verdict> {
  const report = await verifyChain(
    rounds.map(({ round, transcript }) => ({
      name: `round ${round}`,
      open: () => once(transcript),
    })),
  );
  if (!report.accepted) {
    const { file, line, reason } = report;
    return { refused: `${file}, line ${line}: ${reason}`, trust: '', rounds: [] };
  }
  const other = rounds.find(({ digest }, index) => digest !== report.rounds[index]?.digest);
  const refused = other && `round ${other.round}: the engine publishes another digest`;
  return { refused, trust: report.trust, rounds: report.rounds };
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(bytes);
}
