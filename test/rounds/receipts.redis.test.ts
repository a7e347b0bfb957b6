/** Receipts as people get them, and what they are good for once a round is sealed. */
import { buffer } from 'node:stream/consumers';
import { beforeEach, describe, expect, it } from 'vitest';
import { createEngine, type Engine } from '../../src/engine.ts';
import { present } from '../../src/lib/assert.ts';
import { isoFromMs } from '../../src/lib/clock.ts';
import { createLog } from '../../src/log.ts';
import { redisNowMs } from '../../src/redis/client.ts';
import { keys } from '../../src/redis/keys.ts';
import { asLottery } from '../../src/rounds/rules.ts';
import { Receipt, receiptTerms, signatureProblem } from '../../src/rounds/receipts.ts';
import { verifyOwn } from '../../src/rounds/verify/verify-own.ts';
import { SECRET } from '../support/app.ts';
import {
  codeOf,
  engineOn,
  entryOf,
  fresh,
  granted,
  letPass,
  nextRound,
  publishRelease,
  register,
  workerOn,
} from '../support/engine.ts';
import { useRedis } from '../support/redis.ts';
import { file } from './files.ts';

const test = useRedis(['--appendfsync', 'no']);

let engine: Engine;
let account: string;
let person: string;
let release: string;
let slots: readonly string[];

beforeEach(async () => {
  engine = engineOn(test.redis);
  account = fresh('account');
  person = await register(engine, account);
  ({ release, slots } = await publishRelease(engine, test.redis, { seats: [1, 1] }));
});

const enter = async (preferences = slots, by = engine) =>
  granted(await by.rounds.enter(account, release, { beneficiaries: [person], preferences }));
const termsOf = async () => {
  const { manifest, hash } = granted(await engine.releases.published(release));
  return receiptTerms(granted(asLottery(manifest)), hash);
};
const draw = async (): Promise<void> => {
  await letPass(test.redis, 600);
  await nextRound(engine, release);
};
/** What the verifier says of a receipt, given all that is published. */
async function lookUp(receipt: Receipt) {
  const rounds = granted(await engine.rounds.rounds(release));
  const files = await Promise.all(
    rounds.map(async ({ round }) =>
      file(`round ${round}`, await buffer(engine.stores.rounds.transcript(release, round))),
    ),
  );
  return verifyOwn(files, { receipt: { name: 'receipt', text: JSON.stringify(receipt) } });
}

describe('a receipt', () => {
  it('is given for entering, signed with the key of the manifest, at a time of Redis', async () => {
    const beforeMs = await redisNowMs(test.redis);
    const { receipt, leaf, entryId } = await enter();
    const afterMs = await redisNowMs(test.redis);
    expect(Receipt.parse(receipt)).toEqual(receipt);
    expect(signatureProblem(receipt, await termsOf())).toBeUndefined();
    expect(receipt).toMatchObject({ leaf, entry: { entry: entryId, prefs: slots, size: 1 } });
    expect(receipt.issued_at >= isoFromMs(beforeMs)).toBe(true);
    expect(receipt.issued_at <= isoFromMs(afterMs)).toBe(true);
  });

  it('says nothing of a person or an account', async () => {
    const text = JSON.stringify((await enter()).receipt);
    expect(text).not.toContain(person);
    expect(text).not.toContain(account);
  });

  it('is for the whole of a group, and the categories that its people share', async () => {
    const other = await register(engine, account);
    const beneficiaries = [person, other];
    const { receipt } = granted(
      await engine.rounds.enter(account, release, { beneficiaries, preferences: slots }),
    );
    expect(receipt.entry).toMatchObject({ cats: [], size: 2 });
    expect((await entryOf(engine, account, release)).receipt?.entry).toEqual(receipt.entry);
  });

  it('is found in the files once its round is published', async () => {
    const { receipt, entryId } = await enter();
    await draw();
    expect(await lookUp(receipt)).toMatchObject({
      accepted: true,
      entry: { id: entryId, round: 0, place: 1, of: 1, standings: [{ state: 'holds' }] },
    });
  });

  it('can be had again as long as the entry may be edited', async () => {
    const { receipt } = await enter();
    const again = present((await entryOf(engine, account, release)).receipt, 'a receipt');
    expect(again.entry).toEqual(receipt.entry);
    expect(again.issued_at >= receipt.issued_at).toBe(true);
    expect(signatureProblem(again, await termsOf())).toBeUndefined();
    await draw();
    expect((await entryOf(engine, account, release)).receipt).toBeNull();
    expect(await lookUp(again)).toMatchObject({ accepted: true });
  });

  it('is replaced by an edit: only the last one counts', async () => {
    const first = await enter();
    const last = await enter(slots.toReversed());
    expect(last.receipt.leaf).not.toBe(first.receipt.leaf);
    await draw();
    expect(await lookUp(last.receipt)).toMatchObject({ accepted: true });
    expect(await lookUp(first.receipt)).toMatchObject({
      accepted: false,
      reason: expect.stringContaining('edited'),
    });
  });
});

describe('the time on a receipt', () => {
  it('is not later than the cut of its round, though a failover sets the clock back', async () => {
    const aheadMs = (await redisNowMs(test.redis)) + 60_000;
    await test.redis.xadd(
      keys.audit(release),
      `${aheadMs}-0`,
      'e',
      'of a Redis with another clock',
    );
    const { receipt } = await enter();
    expect(receipt.issued_at).toBe(isoFromMs(aheadMs));
    await test.redis.hset(keys.release(release), { closes_at_ms: 0, next_round_at_ms: 0 });
    await test.redis.hset(keys.release(release), { value_at_ms: 0 });
    await nextRound(engine, release);
    const seal = present(await engine.stores.rounds.seal(release, 0), 'a seal');
    expect(seal).toContain(`"sealed_at":"${receipt.issued_at}"`);
  });

  it('tells the round, even within the millisecond of a cut or with the clock set back', async () => {
    const { receipt: early } = await enter();
    const late = { account: fresh('account'), person: '' };
    late.person = await register(engine, late.account);
    await letPass(test.redis, 600);
    const request = { beneficiaries: [late.person], preferences: slots };
    const { receipt } = granted(await engine.rounds.enter(late.account, release, request));
    const cutAtMs = await test.redis.hget(keys.release(release), 'cut_at_ms');
    const cutAt = isoFromMs(Number(cutAtMs));
    expect(early.issued_at <= cutAt).toBe(true);
    expect(receipt.issued_at > cutAt).toBe(true);
    const seen = await entryOf(engine, late.account, release);
    expect(present(seen.receipt, 'a receipt').issued_at > cutAt).toBe(true);
    await nextRound(engine, release);
    expect(await lookUp(receipt)).toMatchObject({ accepted: null });
    await letPass(test.redis, 60);
    await nextRound(engine, release);
    expect(await lookUp(receipt)).toMatchObject({ accepted: true, entry: { round: 1 } });
    expect(await lookUp(early)).toMatchObject({ accepted: true, entry: { round: 0 } });
  });
});

describe('the key', () => {
  const NEWER = 'a newer secret of more than 32 characters';
  const withKeys = (...receiptSecrets: [string, ...string[]]): [Engine, string[]] => {
    const lines: string[] = [];
    const log = createLog('error', { write: (line) => void lines.push(line) });
    const config = { secret: SECRET, receiptSecrets };
    return [createEngine(test.redis, config, { log, onBeaconAnswer: () => undefined }), lines];
  };

  it('of a release stays its own when a newer one comes', async () => {
    const [rotated] = withKeys(NEWER, SECRET);
    const { receipt } = await enter(slots, rotated);
    expect(signatureProblem(receipt, await termsOf())).toBeUndefined();
    const next = await publishRelease(rotated, test.redis, { seats: [1] });
    const { manifest } = granted(await rotated.releases.published(next.release));
    expect(manifest).toMatchObject({ receipt_key: rotated.receipts.newest });
    expect(rotated.receipts.newest).not.toEqual(engine.receipts.newest);
    const listed = rotated.receipts.jwks.map(({ kid }) => kid);
    expect(listed).toEqual([rotated.receipts.newest.kid, receipt.kid]);
  });

  it('that is gone lets nobody enter without a receipt', async () => {
    const [keyless, lines] = withKeys(NEWER);
    const request = { beneficiaries: [person], preferences: slots };
    expect(codeOf(await keyless.rounds.enter(account, release, request))).toBe('UNAVAILABLE');
    expect(await test.redis.exists(keys.entering(release))).toBe(0);
    expect(lines.join()).toContain('is not configured here');
    await enter();
    expect((await entryOf(keyless, account, release)).receipt).toBeNull();
    await letPass(test.redis, 600);
    expect(await workerOn(keyless).step(release)).toMatchObject({ step: 'PUBLISHED' });
  });
});
