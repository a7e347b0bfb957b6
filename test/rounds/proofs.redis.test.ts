/** Proofs as anyone may ask for them, from the moment that a round is sealed. */
import { buffer } from 'node:stream/consumers';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Engine } from '../../src/engine.ts';
import { present } from '../../src/lib/assert.ts';
import { sleep } from '../../src/lib/clock.ts';
import { keys } from '../../src/redis/keys.ts';
import { pathProblem, Proof } from '../../src/rounds/proofs.ts';
import { createProving, PROOF_LIMITS } from '../../src/rounds/proving.ts';
import { verifyOwn } from '../../src/rounds/verify/verify-own.ts';
import {
  bookingOf,
  codeOf,
  engineOn,
  granted,
  letPass,
  nextRound,
  publishRelease,
  putEntry,
  registerMany,
  workerOn,
} from '../support/engine.ts';
import { useRedis } from '../support/redis.ts';
import { file } from './files.ts';

const test = useRedis(['--appendfsync', 'no']);

let engine: Engine;
let release: string;
let slots: readonly string[];
type Who = Awaited<ReturnType<typeof registerMany>>[number];
let people: Who[];

beforeEach(async () => {
  engine = engineOn(test.redis);
  ({ release, slots } = await publishRelease(engine, test.redis, { seats: [7] }));
  people = await registerMany(engine, 7);
});

const enter = async ({ account, person }: Who) => {
  const request = { beneficiaries: [person], preferences: slots };
  return granted(await engine.rounds.enter(account, release, request));
};
const enterAll = () => Promise.all(people.map(enter));
const proof = (entryId: string, round?: number) => engine.rounds.proof(release, entryId, round);
const draw = async (afterS = 600): Promise<void> => {
  await letPass(test.redis, afterS);
  await nextRound(engine, release);
};

describe('a proof', () => {
  it('is there for every entry as soon as the seal is, and leads to its root', async () => {
    const entered = await enterAll();
    await letPass(test.redis, 600);
    const { drawing } = engine.stores;
    const held = { ...drawing, publish: () => Promise.reject(new Error('not yet')) };
    await expect(workerOn(engine, held).step(release)).rejects.toThrow('not yet');
    const { seal } = granted(await engine.rounds.round(release, 0));
    expect(seal).toMatchObject({ count: 7 });
    const proofs = await Promise.all(
      entered.map(async ({ entryId }) => granted(await proof(entryId))),
    );
    for (const [number, one] of proofs.entries()) {
      expect(Proof.parse(one)).toEqual(one);
      expect(pathProblem(one)).toBeUndefined();
      expect(one).toMatchObject({ release, round: 0, root: (seal as { root: string }).root });
      expect(one.leaf).toBe(entered[number]?.leaf);
    }
    expect(proofs.map(({ index }) => index).toSorted((a, b) => a - b)).toEqual([
      0, 1, 2, 3, 4, 5, 6,
    ]);
    await nextRound(engine, release);
    expect(granted(await proof(proofs[0]!.entry))).toEqual(proofs[0]);
  });

  it('and receipt and transcript fit together', async () => {
    const [first] = await enterAll();
    const { entryId, receipt } = present(first, 'an entry');
    await draw();
    const bytes = await buffer(engine.stores.rounds.transcript(release, 0));
    const document = (name: string, value: unknown) => ({ name, text: JSON.stringify(value) });
    const own = {
      receipt: document('receipt', receipt),
      proof: document('proof', granted(await proof(entryId))),
    };
    expect(await verifyOwn([file('round 0', bytes)], own)).toMatchObject({
      accepted: true,
      entry: { id: entryId, round: 0 },
    });
  });

  it('is not there before the seal, nor for who is in no list', async () => {
    const [first] = await enterAll();
    const { entryId } = present(first, 'an entry');
    expect(codeOf(await proof(entryId))).toBe('PROOF_UNKNOWN');
    const { drawing } = engine.stores;
    const unsealed = { ...drawing, writeSeal: () => Promise.reject(new Error('not yet')) };
    await letPass(test.redis, 600);
    await expect(workerOn(engine, unsealed).step(release)).rejects.toThrow('not yet');
    expect(await test.redis.hlen(keys.tree(release, 0))).toBe(2);
    expect(codeOf(await proof(entryId))).toBe('PROOF_UNKNOWN');
    await nextRound(engine, release);
    granted(await proof(entryId));
    expect(codeOf(await proof('AAAAAAAAAAAAAAAAAAAAAA'))).toBe('PROOF_UNKNOWN');
    expect(codeOf(await proof('_____________________w'))).toBe('PROOF_UNKNOWN');
    expect(codeOf(await proof(entryId, 1))).toBe('PROOF_UNKNOWN');
    expect(codeOf(await engine.rounds.proof('nowhere', entryId))).toBe('RELEASE_UNKNOWN');
  });

  it('is of the round that the entry was last new in, unless another is asked for', async () => {
    const [first] = (await enterAll()) as [Awaited<ReturnType<typeof enter>>];
    await draw();
    const [who] = people as [Who];
    granted(
      await engine.bookings.cancel(who.account, await bookingOf(engine, who.account, release)),
    );
    const [late] = (await registerMany(engine, 1)) as [Who];
    const { entryId } = await enter(late);
    await enter(who);
    await draw(60);
    expect(granted(await proof(entryId))).toMatchObject({ round: 1, count: 2 });
    expect(granted(await proof(first.entryId))).toMatchObject({ round: 1, count: 2 });
    expect(granted(await proof(first.entryId, 0))).toMatchObject({ round: 0, count: 7 });
    expect(codeOf(await proof(entryId, 0))).toBe('PROOF_UNKNOWN');
    expect(await test.redis.hlen(keys.newIn(release))).toBe(2);
  });

  it('is of no round that nobody was new in', async () => {
    await draw();
    expect(granted(await engine.rounds.round(release, 0))).toMatchObject({ seal: { count: 0 } });
    expect(codeOf(await proof('AAAAAAAAAAAAAAAAAAAAAA', 0))).toBe('PROOF_UNKNOWN');
  });
});

describe('a process that proves', () => {
  /** More than two chunks. */
  const MANY = 2_100;
  const putMany = async (): Promise<string[]> => {
    const entered = await Promise.all(
      Array.from({ length: MANY }, () => putEntry(engine, release, [0])),
    );
    await draw();
    return entered;
  };
  const stat = async (section: string, name: string): Promise<number> =>
    Number(new RegExp(`${name}[=:](\\d+)`).exec(await test.redis.info(section))?.[1] ?? 0);
  const sent = () => stat('stats', 'total_net_output_bytes');
  const reads = () => stat('commandstats', 'cmdstat_hget:calls');

  it('reads the tree once, and of each entry only its round and the seal', async () => {
    const entered = await putMany();
    const serving = engineOn(test.redis);
    await serving.releases.published(release);
    const [sentBefore, readBefore] = [await sent(), await reads()];
    const proofs = await Promise.all(
      entered.map(async (entry) => granted(await serving.rounds.proof(release, entry))),
    );
    // Three chunks and their roots, however many asked for them at once.
    expect((await reads()) - readBefore).toBe(2 * MANY + 4);
    expect((await sent()) - sentBefore).toBeLessThan(MANY * 700 + 2 * MANY * 48);
    for (const one of proofs) expect(pathProblem(one)).toBeUndefined();
    expect(new Set(proofs.map(({ index }) => index)).size).toBe(MANY);
    expect(new Set(proofs.map(({ root }) => root)).size).toBe(1);
    const before = await reads();
    expect(codeOf(await serving.rounds.proof(release, 'AAAAAAAAAAAAAAAAAAAAAA', 0))).toBe(
      'PROOF_UNKNOWN',
    );
    expect(granted(await serving.rounds.proof(release, entered[0]!, 0))).toEqual(proofs[0]);
    expect((await reads()) - before).toBe(2);
  });

  it('that has no room proves the same, also from what was crowded out while it was read', async () => {
    const entered = await putMany();
    const all = await Promise.all(entered.map(async (entry) => granted(await proof(entry))));
    const proofs = [0, 1_024, 2_048].map((at) => all.find(({ index }) => index === at));
    const { rounds: store } = engine.stores;
    const slow: typeof store = {
      ...store,
      treePart: async (of, round, part) => {
        const rows = await store.treePart(of, round, part);
        if (part === 0) await sleep(100);
        return rows;
      },
    };
    // Room for one chunk.
    const limits = { ...PROOF_LIMITS, keptBytes: 85_000 };
    const cramped = createProving({ store: slow, releases: engine.releases }, limits);
    const ask = (one: Proof | undefined) => cramped.proof(release, present(one, 'a proof').entry);
    expect(await Promise.all(proofs.map(ask))).toEqual(proofs);
    const before = await reads();
    for (const one of [...proofs, ...proofs]) expect(await ask(one)).toEqual(one);
    expect((await reads()) - before).toBeGreaterThanOrEqual(2 * 6 + 4);
  });

  it('asks again for what it could not read', async () => {
    const [entry] = await putMany();
    const { rounds: store } = engine.stores;
    let faults = 2;
    const faulty: typeof store = {
      ...store,
      treePart: async (...where) => {
        if (faults-- > 0) throw new Error('Connection is closed.');
        return store.treePart(...where);
      },
    };
    const serving = createProving({ store: faulty, releases: engine.releases });
    const ask = () => serving.proof(release, present(entry, 'an entry'));
    await expect(Promise.all([ask(), ask()])).rejects.toThrow('closed');
    await expect(ask()).rejects.toThrow('closed');
    expect(granted(await ask())).toEqual(granted(await proof(entry!)));
  });
});
