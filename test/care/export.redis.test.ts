/** The export of a release: all of it, nobody in it, and a sum over it. */
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { exportCommand } from '../../src/care/export-command.ts';
import { createExportStore } from '../../src/care/export-store.ts';
import { EXPORT_VERSION, exportRelease } from '../../src/care/release-export.ts';
import type { Engine } from '../../src/engine.ts';
import { present } from '../../src/lib/assert.ts';
import { arrive, engineHere, openToday } from '../arrivals/day.ts';
import {
  bookingOf,
  codeOf,
  granted,
  letPass,
  nextRound,
  publishRelease,
  registerMany,
  stateOf,
} from '../support/engine.ts';
import { useRedis } from '../support/redis.ts';

const test = useRedis(['--appendfsync', 'no']);
let directory: string;
let engine: Engine;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'fairslot-export-'));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));
beforeEach(() => {
  engine = engineHere(test.redis);
});

const parts = () => ({
  store: createExportStore(test.redis),
  releases: engine.releases,
  rounds: engine.rounds,
  view: engine.stores.rounds.view,
});
async function exported(release: string, withAccounts = false): Promise<string[]> {
  const { lines } = granted(await exportRelease(parts(), release, withAccounts));
  const found: string[] = [];
  for await (const line of lines) found.push(line);
  return found;
}
// oxlint-disable-next-line typescript/no-explicit-any -- a test looks at what it expects
type Documents = Record<string, any>[];
const documentsOf = (lines: readonly string[]): Documents =>
  lines.map((line) => JSON.parse(line) as Documents[number]);
const kind = (documents: Documents, name: string): Documents =>
  documents.filter((one) => name in one).map((one) => one[name] as Documents[number]);

/** A drawn round with a confirmed and an open offer, who waits, an entry since, a change. */
async function evening() {
  const { release, slots } = await publishRelease(engine, test.redis, { seats: [1, 1, 5] });
  const people = await registerMany(engine, 5);
  const wanted = slots.slice(0, 2);
  const enter = async ({ account, person }: (typeof people)[number]) =>
    granted(
      await engine.rounds.enter(account, release, { beneficiaries: [person], preferences: wanted }),
    );
  for (const one of people.slice(0, 4)) await enter(one);
  await letPass(test.redis, 600);
  await nextRound(engine, release);
  const states = await Promise.all(people.map(({ person }) => stateOf(engine, release, person)));
  const winner = present(people[states.indexOf('OFFERED')], 'a winner');
  granted(
    await engine.bookings.confirm(winner.account, await bookingOf(engine, winner.account, release)),
  );
  await enter(present(people[4], 'somebody'));
  granted(await engine.releases.close(release, { slots: [present(slots[2], 'a slot')] }));
  return { release, slots, people };
}

describe('an export', () => {
  it('holds manifest, slots, rounds, entries, bookings, changes and events, and sums up', async () => {
    const { release, slots } = await evening();
    const lines = await exported(release);
    const { total } = granted(await exportRelease(parts(), release, false));
    expect(total).toBe(lines.length);
    const documents = documentsOf(lines);
    const [head, manifest] = documents;
    const { hash, manifest: published } = granted(await engine.releases.published(release));
    expect(head).toMatchObject({
      fairslot_export: EXPORT_VERSION,
      release,
      mode: 'lottery',
      manifest_hash: hash,
      counts: { slots: 3, rounds: 1, entries: 5, bookings: 2 },
    });
    expect(manifest).toEqual({ manifest: published });
    expect(kind(documents, 'slot')).toMatchObject([
      { slot: slots[0], centre: 'c0', free: 0 },
      { slot: slots[1], centre: 'c1', free: 0 },
      { slot: slots[2], centre: 'c2', free: 5 },
    ]);
    const [round] = granted(await engine.rounds.rounds(release));
    expect(kind(documents, 'round')).toMatchObject([
      { digest: present(round, 'a round').digest, seal: { round: 0, count: 4 } },
    ]);
    const entries = kind(documents, 'entry');
    expect(entries.map(({ state }) => state as string).toSorted()).toEqual([
      'booked',
      'entered',
      'offered',
      'waiting',
      'waiting',
    ]);
    for (const entry of entries)
      expect(entry).toMatchObject({ size: 1, preferences: slots.slice(0, 2), categories: [] });
    expect(entries.filter((one) => one['new_in'] === null)).toMatchObject([{ state: 'entered' }]);
    const bookings = kind(documents, 'booking');
    expect(bookings).toHaveLength(2);
    expect(bookings).toContainEqual(
      expect.objectContaining({
        state: 'booked',
        given_by: 0,
        pool: 'open',
        seats: 1,
        visit: null,
      }),
    );
    expect(kind(documents, 'change')).toMatchObject([{ change: 'closed', slot: slots[2] }]);
    const events = kind(documents, 'audit').map(({ event }) => String(event).split(' ')[0]);
    expect(events).toEqual(expect.arrayContaining(['published', 'entered', 'booked', 'drawn']));

    const last = present(lines.at(-1), 'a last line');
    const sha256 = createHash('sha256').update(lines.slice(0, -1).join('')).digest('hex');
    expect(JSON.parse(last)).toEqual({
      end: {
        lines: { slot: 3, round: 1, entry: 5, booking: 2, change: 1, audit: events.length },
        sha256,
      },
    });
  });

  it('names nobody, unless it is asked to', async () => {
    const { release, people } = await evening();
    const hashes = people.flatMap(({ account, person }) => [account, person]);
    const text = (await exported(release)).join('');
    expect(hashes.filter((one) => text.includes(one))).toEqual([]);
    expect(text).not.toMatch(/Asha|Kale|P1234/);
    const named = kind(documentsOf(await exported(release, true)), 'entry');
    const of = ({ account, person }: { account: string; person: string }) => `${account} ${person}`;
    expect(
      named.map(({ account, people: [person] }) => of({ account, person })).toSorted(),
    ).toEqual(people.map(of).toSorted());
  });

  it('says who came, of a release that books at once', async () => {
    const { release, slots } = await openToday(engine, test.redis);
    const [came, stays] = await registerMany(engine, 2);
    const slot = present(slots[0], 'a slot');
    for (const { account, person: beneficiary } of [came, stays].map((one) => present(one, 'one')))
      granted(await engine.bookings.book(account, { release, beneficiary, slot }));
    const { account, person } = present(came, 'somebody');
    const [booked] = await engine.bookings.list(account);
    const { bookingId, securityCode = '' } = present(booked, 'a booking') as {
      bookingId: string;
      securityCode?: string;
    };
    granted(await arrive(engine, { account, person, booking: bookingId, code: securityCode }));
    const bookings = kind(documentsOf(await exported(release)), 'booking');
    expect(bookings.map(({ visit, given_by: by }) => `${visit} ${by}`).toSorted()).toEqual([
      'arrived null',
      'null null',
    ]);
  });

  it('is written whole or not at all, packed where its name says so', async () => {
    const { release } = await evening();
    const options = { out: join(directory, 'one.ndjson.gz'), withAccounts: false };
    const sums = await exportCommand(parts(), release, options);
    const lines = gunzipSync(readFileSync(options.out)).toString('utf8').split('\n');
    expect(JSON.parse(present(lines.at(-2), 'a line'))).toEqual({ end: sums });
    const failing = { ...parts(), view: () => Promise.reject(new Error('away')) };
    const other = { ...options, out: join(directory, 'other.ndjson') };
    await expect(exportCommand(failing, release, other)).rejects.toThrow('away');
    expect(readdirSync(directory)).toEqual(['one.ndjson.gz']);
    const before = readFileSync(options.out);
    const again = await exportCommand(parts(), release, options);
    expect(again).toEqual({ problem: `${options.out} is there already` });
    expect(readFileSync(options.out).equals(before)).toBe(true);
    expect(codeOf(await exportRelease(parts(), 'no-such-release', false))).toBe('RELEASE_UNKNOWN');
  });
});
