/** What anyone may do in an evening, each at its time, and what they believe to have afterwards. */
import { solveCaptcha } from '../../src/demo/captcha.ts';
import type { Call, Client, Reply } from '../../src/demo/client.ts';
import type { News } from '../../src/demo/news.ts';
import type { Mode, Slot } from '../../src/demo/personas.ts';
import { monotonicMs } from '../../src/lib/clock.ts';
import type { Timed } from '../support/timed.ts';
import type { Account, Member } from './arrive.ts';
import { groupOf } from './cast.ts';

export const PHASES = [
  'sign-in',
  'sms',
  'registration',
  'entry',
  'result',
  'confirm',
  'next rounds',
] as const;
export type PhaseName = (typeof PHASES)[number];

/** Times are of the monotonic clock. */
export type Stage = {
  readonly timed: Timed;
  readonly client: Client;
  readonly release: string;
  readonly mode: Mode;
  readonly opensMs: number;
  readonly closesMs: number;
  /** What a minute of the people lasts, over what it does in `createPopulation`. */
  readonly pace: number;
  readonly slots: readonly Slot[];
  /** When a round's result came out; undefined when the release ended without it. */
  readonly outMs: (round: number) => Promise<number | undefined>;
};

/** What one actor was told, which must be true in the end. */
export type Story = {
  /** Of each of their entries that was acknowledged and not withdrawn. */
  readonly entries: Set<string>;
  /** Bookings that were acknowledged and not given back, with their slots. */
  readonly bookings: Map<string, string>;
  /** Whether they were ever given a seat at once. */
  booked: boolean;
  /** The slot of a seat that a borrowed name gave back for its buyer. */
  handedOn: string | undefined;
};
export const newStory = (): Story => ({
  entries: new Set(),
  bookings: new Map(),
  booked: false,
  handedOn: undefined,
});

export type EntryView = {
  readonly entryId: string;
  readonly state: string;
  readonly booking: { readonly bookingId: string; readonly slot: string } | null;
};

export const listenTo = (news: News): Stage['outMs'] => {
  const told = new Map<number, Promise<number | undefined>>();
  return (round) => {
    let known = told.get(round);
    if (!known) {
      // Taken once for all: those who hear of it later were due at the same time.
      known = news.published(round).then((out) => (out ? monotonicMs() : undefined));
      told.set(round, known);
    }
    return known;
  };
};

export type Deeds = ReturnType<typeof createDeeds>;
type Otherwise = { readonly address?: string; readonly account?: Account };

export function createDeeds(stage: Stage, member: Member, story: Story) {
  const { timed, release } = stage;
  const at =
    (phase: PhaseName, dueMs: number, { address, account }: Otherwise = {}) =>
    <T>(call: Omit<Call, 'address'>): Promise<Reply<T>> => {
      const { token, device } = account ?? member.account;
      return timed.ask<T>(
        { phase, group: groupOf(member), dueMs },
        {
          ...call,
          address: address ?? member.person.address,
          bearer: token,
          deviceToken: device,
        },
      );
    };

  /** Undefined where they get none: the route will say so. */
  const solve = async (
    purpose: 'enter' | 'book',
    dueMs: number,
    otherwise: Otherwise = {},
  ): Promise<string | undefined> => {
    const ask = at('entry', dueMs, otherwise);
    const solved = await solveCaptcha(
      <T>(path: string) => ask<T>({ method: 'GET', path }),
      `${purpose}:${release}`,
    );
    return 'refused' in solved ? undefined : (solved.solution ?? '');
  };

  const readSlots = (dueMs: number) =>
    at('entry', dueMs)<unknown>({ method: 'GET', path: `/v1/releases/${release}/slots` });

  const enter = async (
    dueMs: number,
    wishes: readonly Slot[],
    captchaSolution: string | undefined,
    otherwise: Otherwise = {},
  ): Promise<Reply<{ entryId: string }>> => {
    const { beneficiary } = otherwise.account ?? member.account;
    const reply = await at(
      'entry',
      dueMs,
      otherwise,
    )<{ entryId: string }>({
      method: 'PUT',
      path: `/v1/releases/${release}/entry`,
      captchaSolution,
      body: { beneficiaries: [beneficiary], preferences: wishes.map(({ slot }) => slot) },
    });
    if (reply.status === 200) story.entries.add(reply.body.entryId);
    return reply;
  };

  const withdraw = async (dueMs: number, entryId: string): Promise<void> => {
    const path = `/v1/releases/${release}/entry?entryId=${entryId}`;
    const reply = await at('entry', dueMs)<unknown>({ method: 'DELETE', path });
    if (reply.status === 204) story.entries.delete(entryId);
  };

  const book = async (
    dueMs: number,
    slot: string,
    captchaSolution: string | undefined,
    otherwise: Otherwise = {},
  ): Promise<Reply<{ bookingId: string }>> => {
    const { beneficiary } = otherwise.account ?? member.account;
    const reply = await at(
      'entry',
      dueMs,
      otherwise,
    )<{ bookingId: string }>({
      method: 'POST',
      path: '/v1/bookings',
      captchaSolution,
      body: { release, beneficiary, slot },
    });
    if (reply.status === 201) {
      story.bookings.set(reply.body.bookingId, slot);
      story.booked = true;
    }
    return reply;
  };

  const look = async (phase: PhaseName, dueMs: number): Promise<EntryView | undefined> => {
    const path = `/v1/releases/${release}/entry`;
    const reply = await at(phase, dueMs)<{ entries: EntryView[] }>({ method: 'GET', path });
    return reply.status === 200 ? reply.body.entries[0] : undefined;
  };

  const confirm = async (dueMs: number, bookingId: string, slot: string): Promise<boolean> => {
    const path = `/v1/bookings/${bookingId}/confirm`;
    const { status } = await at('confirm', dueMs)<unknown>({ method: 'POST', path });
    if (status === 200) story.bookings.set(bookingId, slot);
    return status === 200;
  };

  const giveBack = async (dueMs: number, bookingId: string): Promise<boolean> => {
    const path = `/v1/bookings/${bookingId}`;
    const { status } = await at('confirm', dueMs)<unknown>({ method: 'DELETE', path });
    if (status === 204) story.bookings.delete(bookingId);
    return status === 204;
  };
  return { solve, readSlots, enter, withdraw, book, look, confirm, giveBack };
}
