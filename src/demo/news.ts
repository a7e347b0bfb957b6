/**
 * The public state of a release, read by one watcher and told to everybody who waits for a round.
 */
import { sleep } from '../lib/clock.ts';
import type { Client } from './client.ts';

export type News = {
  /** True once this round's result is out; false when the release ended without it. */
  readonly published: (round: number) => Promise<boolean>;
  /** How the result files of a round that is out are cut, in bits; undefined where it has none. */
  readonly prefixLength: (round: number) => Promise<number | undefined>;
  /** Resolves when the release has ended; rejects when the engine does not say. */
  readonly ended: Promise<void>;
};

const LOOK_EVERY_MS = 200;
const ADDRESS = '127.3.0.2';

export function followRelease(client: Client, release: string): News {
  const known = { rounds: 0, over: false, change: Promise.withResolvers<void>() };
  const published = async (round: number): Promise<boolean> => {
    while (known.rounds <= round && !known.over) await known.change.promise;
    return known.rounds > round;
  };
  const documents = new Map<number, Promise<{ results?: { prefixLength: number } }>>();
  /** As every cache on the way has it, once somebody has asked. */
  const prefixLength = async (round: number): Promise<number | undefined> => {
    const path = `/v1/releases/${release}/rounds/${round}`;
    const document = documents.get(round) ?? client.read(path, ADDRESS);
    documents.set(round, document);
    return (await document).results?.prefixLength;
  };
  const watch = async (): Promise<void> => {
    while (!known.over) {
      const path = `/v1/releases/${release}`;
      const { rounds, state } = await client.read<{ rounds: number; state: string }>(path, ADDRESS);
      known.over = state === 'ended';
      if (known.over || rounds !== known.rounds) {
        known.rounds = rounds;
        known.change.resolve();
        known.change = Promise.withResolvers();
      }
      await sleep(LOOK_EVERY_MS);
    }
  };
  return { published, prefixLength, ended: watch() };
}
