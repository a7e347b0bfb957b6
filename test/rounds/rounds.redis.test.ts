/** Whole rounds, drawn by workers that meet, pause and die. */
import { beforeEach, describe, expect, it } from 'vitest';
import type { Engine } from '../../src/engine.ts';
import { present } from '../../src/lib/assert.ts';
import { redisNowMs } from '../../src/redis/client.ts';
import { keys } from '../../src/redis/keys.ts';
import type { Step } from '../../src/rounds/drawing.ts';
import { conductingWithLead, LEASE_MS } from '../../src/rounds/lead.ts';
import { entryIdOf, packEntry } from '../../src/rounds/rules.ts';
import {
  bookingOf,
  codeOf,
  dyingStore,
  engineOn,
  fresh,
  granted,
  letPass,
  nextRound,
  publishRelease,
  putEntry,
  registerMany,
  type ReleaseWishes,
  restore,
  snapshot,
  verify,
  watchedStore,
  workerOn,
} from '../support/engine.ts';
import { useRedis } from '../support/redis.ts';

const test = useRedis(['--appendfsync', 'no']);

let engine: Engine;
let release: string;
let slots: readonly string[];

const open = async (wishes: Partial<ReleaseWishes> = {}): Promise<void> => {
  const all = { seats: [3, 2], ...wishes };
  ({ release, slots } = await publishRelease(engine, test.redis, all));
};
beforeEach(async () => {
  engine = engineOn(test.redis);
  await open();
});

type Wish = { readonly person: string; readonly id: string; readonly prefs: readonly number[] };
const wishes = (count: number): Wish[] =>
  Array.from({ length: count }, (_wish, number) => {
    const person = fresh('person');
    const prefs = number % 3 === 0 ? [1] : [number % 2, (number + 1) % 2];
    return { person, id: entryIdOf(engine.secrets, release, person), prefs };
  });

const put = async (all: readonly Wish[]): Promise<void> => {
  for (const { person, prefs } of all) await putEntry(engine, release, prefs, [person]);
};

const views = (all: readonly Wish[]) =>
  engine.stores.rounds.view(
    release,
    all.map(({ id }) => id),
  );
const digest = async (round = 0) =>
  present(await engine.stores.rounds.round(release, round), 'a round').digest;

/** Calls of a worker to its store for one round: cut, two reads, tree, seal, four stages, flip. */
const CALLS = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];

describe('a round', () => {
  it('gives its results at one instant', async () => {
    const all = wishes(60);
    await put(all);
    await letPass(test.redis, 600);
    const seen = new Set<string>();
    const watch = async (): Promise<void> => {
      for (let now = ''; now !== 'OFFERED WAITING'; seen.add(now))
        now = [...new Set((await views(all)).map(({ state }) => state))].toSorted().join(' ');
    };
    await Promise.all([watch(), nextRound(engine, release)]);
    const whole = ['ENTERED', 'SEALED', 'OFFERED WAITING'];
    expect([...seen].filter((one) => !whole.includes(one))).toEqual([]);
  });

  it('is the same, byte for byte, in whatever order and at whatever time people entered', async () => {
    const all = wishes(12);
    const empty = await snapshot(test.redis);
    const transcripts: Buffer[] = [];
    const digests: string[] = [];
    const orders = [all, all.toReversed(), all.toSorted((a, b) => (a.id < b.id ? -1 : 1))];
    for (const [number, order] of orders.entries()) {
      await restore(test.redis, empty);
      await put(order.slice(0, 6));
      await letPass(test.redis, 100 * number);
      await put(order.slice(6));
      await letPass(test.redis, 600);
      await engine.stores.drawing.cut(release);
      await test.redis.hset(keys.release(release), 'cut_at_ms', 1_800_000_000_000);
      await nextRound(engine, release);
      digests.push(await digest());
      const chunks: Buffer[] = [];
      for await (const chunk of engine.stores.rounds.transcript(release, 0)) chunks.push(chunk);
      transcripts.push(Buffer.concat(chunks));
    }
    expect(new Set(digests).size).toBe(1);
    for (const transcript of transcripts) expect(transcript.equals(transcripts[0]!)).toBe(true);
  });

  it('takes place without entries the first time, and later only when something is new', async () => {
    await letPass(test.redis, 600);
    expect(await nextRound(engine, release)).toBe(0);
    await letPass(test.redis, 600);
    expect(await workerOn(engine).step(release)).toMatchObject({ step: 'WAITING' });
    await put(wishes(1));
    await letPass(test.redis, 60);
    expect(await nextRound(engine, release)).toBe(1);
    expect(await verify(engine, release)).toMatchObject({ accepted: true });
  });

  it('takes place for the seats of a reserve once they are for everyone, though nothing is new', async () => {
    const pools = [{ pool: 'elder', percent: 50 }, { pool: 'open' }];
    await open({ seats: [2, 2], pools, dereserveAfterRound: 1 });
    await put(wishes(4).map((one) => ({ ...one, prefs: [0, 1] })));
    await letPass(test.redis, 600);
    const offers: number[] = [];
    for (let round = 0; round <= 2; round++) {
      expect(await nextRound(engine, release)).toBe(round);
      offers.push(await test.redis.hlen(keys.offers(release, round)));
      await letPass(test.redis, 60);
    }
    expect(offers).toEqual([2, 0, 2]);
    expect(await workerOn(engine).step(release)).toMatchObject({ step: 'WAITING' });
    expect(await verify(engine, release)).toMatchObject({ accepted: true });
  });

  it('is not drawn before its time, nor after the end of the release', async () => {
    const worker = workerOn(engine);
    await put(wishes(1));
    expect(await worker.step(release)).toMatchObject({ step: 'WAITING' });
    await letPass(test.redis, 600);
    await worker.step(release);
    await put(wishes(1));
    expect(await worker.step(release)).toMatchObject({ step: 'WAITING' });
    await letPass(test.redis, 7_200);
    const steps = [await worker.step(release), await worker.step(release)];
    expect(steps.at(-1)).toEqual({ step: 'OVER' });
    expect((await engine.rounds.rounds(release)) as unknown[]).toHaveLength(1);
  });

  it('publishes its seal before it is drawn, and its record after', async () => {
    await put(wishes(3));
    expect(codeOf(await engine.rounds.round(release, 0))).toBe('ROUND_UNKNOWN');
    await letPass(test.redis, 600);
    await expect(workerOn(engine, dyingStore(engine, 5)).step(release)).rejects.toThrow('died');
    const sealed = granted(await engine.rounds.round(release, 0));
    expect(sealed).toMatchObject({ round: 0, seal: { count: 3 } });
    expect(sealed).not.toHaveProperty('seed');
    expect(codeOf(await engine.rounds.transcript(release, 0))).toBe('ROUND_UNKNOWN');
    expect(await engine.rounds.rounds(release)).toEqual([]);
    await nextRound(engine, release);
    expect(granted(await engine.rounds.round(release, 0))).toMatchObject({
      seal: sealed['seal'],
      seed: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
  });

  it('gives back what was cancelled, by a draw and to nobody before', async () => {
    await open({ seats: [1] });
    const people = await registerMany(engine, 3);
    for (const { account, person } of people.slice(0, 2)) {
      const request = { beneficiaries: [person], preferences: slots };
      granted(await engine.rounds.enter(account, release, request));
    }
    await letPass(test.redis, 600);
    await nextRound(engine, release);
    const stateOf = async ({ account }: { account: string }) =>
      granted(await engine.rounds.list(account, release))[0]?.state;
    const [first, second, third] = people as [
      (typeof people)[0],
      (typeof people)[0],
      (typeof people)[0],
    ];
    const winner = (await stateOf(first)) === 'offered' ? first : second;
    const waiter = winner === first ? second : first;
    const offer = await bookingOf(engine, winner.account, release);
    granted(await engine.bookings.cancel(winner.account, offer));
    granted(
      await engine.rounds.enter(third.account, release, {
        beneficiaries: [third.person],
        preferences: slots,
      }),
    );
    expect([await stateOf(waiter), await stateOf(third)]).toEqual(['waiting', 'entered']);
    await letPass(test.redis, 60);
    await nextRound(engine, release);
    expect([await stateOf(waiter), await stateOf(third)]).toEqual(['offered', 'waiting']);
    expect(await verify(engine, release)).toMatchObject({ accepted: true });
  });
});

describe('a release that has gone idle', () => {
  /** One seat, nobody in, and the time of round 1 long over. */
  const idle = async (wished: Partial<ReleaseWishes> = {}): Promise<void> => {
    await open({ seats: [1], ...wished });
    await letPass(test.redis, 600);
    await nextRound(engine, release);
    await letPass(test.redis, 600);
    expect(await step()).toBe('WAITING');
  };
  const step = async () => (await workerOn(engine).step(release)).step;
  const dueInMs = async (): Promise<number> => {
    const reading = present(await engine.stores.releases.read(release), 'a state');
    return reading.nextRoundAtMs - reading.nowMs;
  };
  /** Enters for the only slot; when the result is due, in ms from now. */
  const enter = async (id: string, prefs = [0]): Promise<number> => {
    const packed = packEntry({ persons: [`person of ${id}`], prefs, categories: [] });
    const entry = { id, packed, account: id, enterBeforeMs: Infinity };
    const reply = await engine.stores.rounds.enter(release, entry);
    if (reply.outcome !== 'ENTERED') throw new Error(reply.outcome);
    return reply.resultAtMs - (await redisNowMs(test.redis));
  };
  const ids = (count: number): string[] => wishes(count).map(({ id }) => id);
  const sealed = async (round: number) => {
    const { seal } = granted(await engine.rounds.round(release, round));
    return (seal as { readonly count: number }).count;
  };

  it('draws the first who comes with all who come until the next round', async () => {
    await idle();
    const [first = '', ...others] = ids(20);
    expect(await enter(first)).toBeGreaterThan(59_000);
    expect(await step()).toBe('WAITING');
    await letPass(test.redis, 50);
    for (const one of others) await enter(one);
    expect(await step()).toBe('WAITING');
    await letPass(test.redis, 11);
    expect(await nextRound(engine, release)).toBe(1);
    expect(await sealed(1)).toBe(20);
    expect(await verify(engine, release)).toMatchObject({ accepted: true });
  });

  it('has one window, whoever enters again, edits, withdraws or sends twice', async () => {
    await idle();
    const [one = '', other = ''] = ids(2);
    await enter(one);
    await letPass(test.redis, 30);
    const acts = [
      () => enter(one),
      () => enter(one, [0]),
      () => enter(other),
      () => engine.stores.rounds.withdraw(release, one),
      () => engine.stores.rounds.withdraw(release, other),
      () => enter(other),
    ];
    for (const act of acts) {
      await act();
      expect(await dueInMs()).toBeLessThan(30_001);
      expect(await dueInMs()).toBeGreaterThan(20_000);
    }
    await letPass(test.redis, 31);
    expect(await nextRound(engine, release)).toBe(1);
  });

  it('has another window where the first one ended without an entry', async () => {
    await idle();
    const [one = '', other = ''] = ids(2);
    await enter(one);
    await engine.stores.rounds.withdraw(release, one);
    await letPass(test.redis, 61);
    expect(await step()).toBe('WAITING');
    expect(await enter(other)).toBeGreaterThan(59_000);
    expect(await step()).toBe('WAITING');
  });

  it('gives a seat that comes back by lot, and not to whoever enters with its return', async () => {
    await open({ seats: [1] });
    const people = await registerMany(engine, 1);
    const [holder] = people as [(typeof people)[0]];
    const request = { beneficiaries: [holder.person], preferences: slots };
    granted(await engine.rounds.enter(holder.account, release, request));
    await letPass(test.redis, 600);
    await nextRound(engine, release);
    await letPass(test.redis, 61);
    const [buyer = '', other = ''] = ids(2);
    granted(
      await engine.bookings.cancel(
        holder.account,
        await bookingOf(engine, holder.account, release),
      ),
    );
    expect(await enter(buyer)).toBeGreaterThan(59_000);
    // The round that the seat was due in is cut, and nothing delays it.
    expect(await step()).toBe('PUBLISHED');
    expect(await sealed(1)).toBe(0);
    expect(await step()).toBe('WAITING');
    await enter(other);
    await letPass(test.redis, 61);
    expect(await nextRound(engine, release)).toBe(2);
    expect(await sealed(2)).toBe(2);
    expect(await verify(engine, release)).toMatchObject({ accepted: true });
  });

  it('hurries for an operator whoever has opened a window', async () => {
    await idle();
    const [one = ''] = ids(1);
    await enter(one);
    granted(await engine.releases.close(release, { slots: [...slots] }));
    expect(await nextRound(engine, release)).toBe(1);
    expect(await sealed(1)).toBe(1);
  });

  it('still draws whoever comes shortly before its end', async () => {
    await idle({ endsInS: 1_230 });
    const [one = '', other = ''] = ids(2);
    const dueMs = await enter(one);
    expect(dueMs).toBeGreaterThan(20_000);
    expect(dueMs).toBeLessThan(28_001);
    await letPass(test.redis, dueMs / 1_000 - 0.5);
    await enter(other);
    await letPass(test.redis, 0.6);
    expect(await nextRound(engine, release)).toBe(1);
    expect(await sealed(1)).toBe(2);
  });

  it('draws at once who comes when no window would fit any more', async () => {
    await idle();
    const [one = ''] = ids(1);
    const endsAtMs = (await redisNowMs(test.redis)) + 1_900;
    await test.redis.hset(keys.release(release), 'ends_at_ms', endsAtMs);
    expect(await enter(one)).toBeLessThan(1);
    await test.redis.hset(keys.release(release), 'ends_at_ms', endsAtMs + 60_000); // time to look
    expect(await nextRound(engine, release)).toBe(1);
  });
});

describe('two workers', () => {
  it('that draw a round at the same time publish it once', async () => {
    await put(wishes(30));
    await letPass(test.redis, 600);
    await Promise.all([1, 2, 3].map(() => workerOn(engine).step(release)));
    expect(await engine.rounds.rounds(release)).toHaveLength(1);
    expect(await verify(engine, release)).toMatchObject({ accepted: true });
    const drawn = (await test.redis.xrange(keys.audit(release), '-', '+')).filter(([, fields]) =>
      String(fields[1]).startsWith('drawn'),
    );
    expect(drawn).toHaveLength(1);
  });

  it('do not both lead, and the lead passes on when it is not renewed', async () => {
    const lead = (worker: string) => engine.stores.drawing.lead(release, worker, 10_000);
    const leaders = await Promise.all(['one', 'two', 'three'].map(lead));
    expect(leaders.filter(Boolean)).toHaveLength(1);
    expect(await lead('one')).toBe(leaders[0]);
    await letPass(test.redis, 11);
    expect(await lead('four')).toBe(true);
    expect(await lead('one')).toBe(false);
  });

  it('keep the lead for as long as a step takes, and no longer than they live', async () => {
    const { drawing } = engine.stores;
    const ends = Promise.withResolvers<Step>();
    const forgotten: string[] = [];
    const conducts = (worker: string, taken: Promise<Step>) => {
      const forget = () => void forgotten.push(worker);
      return conductingWithLead({ step: () => taken, forget }, drawing, worker).step(release);
    };
    const step = conducts('one', ends.promise);
    await expect.poll(() => test.redis.pttl(keys.lease(release))).toBeGreaterThan(0);
    await letPass(test.redis, LEASE_MS / 1_000 - 3);
    const renewed = async () => expect(await drawing.lead(release, 'two', LEASE_MS)).toBe(false);
    await expect
      .poll(() => test.redis.pttl(keys.lease(release)), { timeout: 5_000 })
      .toBeGreaterThan(LEASE_MS - 2_000);
    await renewed();
    const over: Step = { step: 'OVER' };
    ends.resolve(over);
    expect(await step).toBe(over);
    await letPass(test.redis, LEASE_MS / 1_000 + 1);
    expect(await conducts('two', Promise.resolve(over))).toBe(over);
    expect(await conducts('one', Promise.resolve(over))).toMatchObject({ step: 'WAITING' });
    expect(forgotten).toEqual(['one']);
  });
});

describe('a worker', () => {
  it.each(CALLS)(
    'that dies at call %i leaves a round that ends with the same digest',
    async (at) => {
      await put(wishes(20));
      await letPass(test.redis, 600);
      await engine.stores.drawing.cut(release);
      const cut = await snapshot(test.redis);
      await nextRound(engine, release);
      const undisturbed = await digest();
      await restore(test.redis, cut);
      await expect(workerOn(engine, dyingStore(engine, at)).step(release)).rejects.toThrow('died');
      await nextRound(engine, release);
      expect(await digest()).toBe(undisturbed);
      expect(await verify(engine, release)).toMatchObject({ accepted: true });
    },
  );

  // The flip writes the digest once more (ADR 24), and so is none of them.
  it.each(CALLS.slice(1, -1))(
    'that wakes at call %i, two rounds late, changes nothing',
    async (at) => {
      await put(wishes(20));
      await letPass(test.redis, 600);
      const { promise: woken, resolve: wake } = Promise.withResolvers<void>();
      const { promise: paused, resolve: pause } = Promise.withResolvers<void>();
      const sleeps = watchedStore(engine, async (call) => {
        if (call === at) pause();
        if (call >= at) await woken;
      });
      const late = workerOn(engine, sleeps).step(release);
      await paused;
      await nextRound(engine, release);
      await put(wishes(5));
      await letPass(test.redis, 60);
      await engine.stores.drawing.cut(release); // round 1 is being drawn when the sleeper wakes
      const before = await snapshot(test.redis);
      wake();
      await late;
      expect(await snapshot(test.redis)).toEqual(before);
      expect(await nextRound(engine, release)).toBe(1);
      expect(await verify(engine, release)).toMatchObject({ accepted: true });
    },
  );

  it('whose release is lost says so at once', async () => {
    const worker = workerOn(engine);
    await worker.step(release);
    await test.redis.flushall();
    await expect(worker.step(release)).rejects.toThrow();
  });

  it('goes on from the transcripts of others, and refuses to from a damaged one', async () => {
    const first = workerOn(engine);
    await put(wishes(10));
    await letPass(test.redis, 600);
    await first.step(release);
    await put(wishes(5));
    await letPass(test.redis, 60);
    const key = keys.transcript(release, 0);
    const last = String((await test.redis.hlen(key)) - 1);
    const chunk = present(await test.redis.hgetBuffer(key, last), 'bytes');
    await test.redis.hset(key, last, Buffer.from(chunk.map((byte) => byte ^ 1)));
    await expect(workerOn(engine).step(release)).rejects.toThrow('damaged');
    expect(await engine.rounds.rounds(release)).toHaveLength(1);
    await test.redis.hset(key, last, chunk);
    expect(await nextRound(engine, release)).toBe(1);
    expect(await verify(engine, release)).toMatchObject({ accepted: true });
  });
});
