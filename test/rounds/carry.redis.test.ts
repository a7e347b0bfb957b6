/** Standing entries are entered in the next release of their series, like those put by hand. */
import { describe, expect, it } from 'vitest';
import { keys } from '../../src/redis/keys.ts';
import { entryIdOf } from '../../src/rounds/rules.ts';
import {
  engineOn,
  fresh,
  granted,
  letPass,
  nextRound,
  publishRelease,
  register,
  registerMany,
  verify,
} from '../support/engine.ts';
import { useSeries } from './series.ts';

const series = useSeries();
const {
  open,
  arrive,
  manifestOf,
  untilOf,
  stand,
  enter,
  end,
  states,
  state,
  entry,
  left,
  carry,
  giveMobile,
  messages,
  templates,
} = series;

describe('an entry that got nothing and stands', () => {
  it('is entered in the next release of its series, like one that is put by hand', async () => {
    const winner = await arrive();
    await stand(series.first);
    await stand(series.first, { account: winner.account, people: [winner.person] });
    await letPass(series.redis, 600);
    await nextRound(series.engine, series.first.release);
    const [mine] = await states(series.first, series.who);
    const [wins, loses] = mine === 'OFFERED' ? [series.who, winner] : [winner, series.who];
    expect(await states(series.first, wins, loses)).toEqual(['OFFERED', 'WAITING']);
    await letPass(series.redis, 7_200);
    const second = await open({ places: { date: '2099-01-02' } });

    expect(await carry(second)).toEqual(['ENTERED']);
    expect(await states(second, wins, loses)).toEqual(['NONE', 'ENTERED']);
    expect(await left(series.first)).toBe(0);
    const held = await entry(second, loses);
    expect(held.preferences).toEqual(second.slots);
    expect(held.carryOver).toEqual({ until: await untilOf(series.first), refused: null });
    expect((await entry(series.first, loses)).carryOver).toBeNull();
    expect(await series.engine.stores.people.claimsOf([loses.person])).toEqual([second.release]);

    // By hand, the very same entry is no edit: same people, wishes, categories, id and so chance.
    const packed = () => series.redis.hgetall(keys.entering(second.release));
    const before = await packed();
    expect(granted(await enter(second, loses)).entryId).toBe(held.entryId);
    expect(await packed()).toEqual(before);
    await letPass(series.redis, 600);
    await nextRound(series.engine, second.release);
    expect(await state(second, loses)).toBe('OFFERED');
    expect(await verify(series.engine, second.release)).toMatchObject({ accepted: true });
  });

  it('is told once', async () => {
    await giveMobile();
    await stand(series.first);
    await end(series.first);
    const second = await open();
    await carry(second);
    await carry(second);
    const { title } = await manifestOf(second);
    const until = await untilOf(series.first);
    expect(await messages()).toEqual([{ template: 'carried', title, until }]);
  });

  it('arrives, and the others are told, where the number of one cannot be read', async () => {
    const others = await registerMany(series.engine, 2);
    const mobile = series.engine.secrets.encrypt('+919812345678');
    for (const [index, { account, person }] of [series.who, ...others].entries()) {
      await stand(series.first, { account, people: [person] });
      await series.redis.hset(keys.account(account), 'mobile', index === 1 ? 'unreadable' : mobile);
    }
    await end(series.first);
    const second = await open();
    expect(await carry(second)).toEqual(['ENTERED', 'ENTERED', 'ENTERED']);
    expect(await left(series.first)).toBe(0);
    expect(await templates()).toEqual(['carried', 'carried']);
  });

  it('arrives where nobody can be told', async () => {
    const mute = engineOn(series.redis);
    mute.outbox.send = () => Promise.reject(new Error('no outbox'));
    await stand(series.first);
    await end(series.first);
    expect(await carry(await open(), mute)).toEqual(['ENTERED']);
    expect(await left(series.first)).toBe(0);
  });

  it('goes on for as long as it gets nothing, from what was asked for at first', async () => {
    const both = await open({ seats: [1, 1] });
    await stand(both);
    await end(both);
    // Centre c0 alone is open, then none of them, then both again.
    const less = await open({ seats: [1], places: { date: '2099-01-02' } });
    expect(await carry(less)).toEqual(['ENTERED']);
    expect((await entry(less)).preferences).toEqual(less.slots);
    await end(less);
    const none = await open({ places: { date: '2099-01-03', dose: 2 } });
    expect(await carry(none)).toEqual(['REFUSED']);
    await end(none);
    const again = await open({ seats: [1, 1], places: { date: '2099-01-04' } });
    expect(await carry(again)).toEqual(['ENTERED']);
    expect((await entry(again)).preferences).toEqual(again.slots);
    expect(await Promise.all([both, less, none].map(left))).toEqual([0, 0, 0]);
  });

  it('waits until its release is over, and enters late as any other', async () => {
    // One seat is none for two.
    const other = await register(series.engine, series.who.account);
    await stand(series.first, { account: series.who.account, people: [series.who.person, other] });
    const second = await open({ seats: [2], closesInS: 900, endsInS: 90_000, opensInS: -50 });
    expect(await carry(second)).toEqual([]);
    await letPass(series.redis, 600);
    await series.engine.stores.drawing.cut(series.first.release);
    await letPass(series.redis, 7_200);
    expect(await carry(second)).toEqual([]); // its last round is being drawn
    await nextRound(series.engine, series.first.release);
    await nextRound(series.engine, second.release);
    expect(await carry(second)).toEqual(['ENTERED']);
    await letPass(series.redis, 60);
    expect(await nextRound(series.engine, second.release)).toBe(1);
    expect(await state(second)).toBe('OFFERED');
    expect(await verify(series.engine, second.release)).toMatchObject({ accepted: true });
  });

  it('is carried into no release that is not open, not of its series or before its own', async () => {
    const before = await open({ opensInS: -100 });
    await stand(series.first);
    await end(series.first);
    const later = await open({ opensInS: 60 });
    const other = await publishRelease(series.engine, series.redis, {
      seats: [1],
      series: fresh('series'),
    });
    const alone = await publishRelease(series.engine, series.redis, { seats: [1] });
    const over = await open();
    await end(over);
    for (const one of [before, later, other, alone, over]) expect(await carry(one)).toEqual([]);
    expect(await left(series.first)).toBe(1);
  });

  it('is for the next release that still runs, not for the one after it', async () => {
    await stand(series.first);
    await end(series.first);
    const [second, third] = [await open({ opensInS: -50 }), await open({ opensInS: -40 })];
    expect(await carry(third)).toEqual([]);
    expect(await carry(second)).toEqual(['ENTERED']);
  });
});

describe('a group', () => {
  it.each([false, true])('is shown to stand, whoever of it is listed first', async (isOther) => {
    const other = await register(series.engine, series.who.account);
    const people = isOther ? [other, series.who.person] : [series.who.person, other];
    await stand(series.first, { account: series.who.account, people });
    const shown = { beneficiaries: people, carryOver: { refused: null } };
    expect(await entry(series.first)).toMatchObject({ state: 'entered', ...shown });
    await end(series.first);
    expect(await entry(series.first)).toMatchObject({ state: 'over', ...shown });
  });

  it('is carried as one, with the categories that its people have by then', async () => {
    const other = await register(series.engine, series.who.account);
    await stand(series.first, { account: series.who.account, people: [other, series.who.person] });
    await end(series.first);
    await series.engine.stores.people.attest(series.who.person, ['senior']);
    await series.engine.stores.people.attest(other, ['senior']);
    const second = await open({
      seats: [4],
      pools: [{ pool: 'senior', percent: 50 }, { pool: 'open' }],
    });
    expect(await carry(second)).toEqual(['ENTERED']);
    expect(await entry(second)).toMatchObject({
      entryId: entryIdOf(series.engine.secrets, second.release, other),
      beneficiaries: [other, series.who.person],
      categories: ['senior'],
    });
    expect(await series.engine.stores.people.claimsOf([series.who.person, other])).toEqual([
      second.release,
      second.release,
    ]);
  });
});
