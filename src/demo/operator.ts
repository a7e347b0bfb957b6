/**
 * The operator's part: opens the release and watches the seats, over the same HTTP API as
 * everybody.
 */
import { isoFromMs, nowMs, sleep } from '../lib/clock.ts';
import type { Client, Reply } from './client.ts';
import {
  ID_TYPE,
  LAST_ARRIVAL_MS,
  MIN_AGE,
  MINUTE_MS,
  MOST_WISHES,
  sitesToCsv,
  type Site,
} from './population.ts';
import type { Mode } from './personas.ts';
import type { SeatSample, SeatView } from './tally.ts';

/** Epoch ms. In immediate mode the release closes when it ends. */
export type Times = {
  readonly opensAtMs: number;
  readonly closesAtMs: number;
  readonly endsAtMs: number;
};

export type Operator = {
  /** Creates, fills and publishes the release; it opens a few seconds later. */
  readonly openRelease: (mode: Mode, sites: readonly Site[]) => Promise<Times>;
  readonly seats: () => Promise<SeatView>;
  /** Notes the seats twice a second from the opening on, until stopped. */
  readonly watchSeats: (opensAtMs: number) => { readonly stop: () => Promise<SeatSample[]> };
};

export const RELEASE = 'pune-2021-04-11';
const TITLE = 'Pune, 11 April 2021';
const ADDRESS = '127.3.0.1';

/** From publishing to the opening: the sprinters get into position. */
const OPENS_AFTER_MS = 4_000;
/** Citizens who come last have time to read and to act. */
const WINDOW_MS = LAST_ARRIVAL_MS + 3 * MINUTE_MS;
const ROUND_EVERY_S = 3;
export const CONFIRM_WITHIN_S = 4;
/** Four rounds after the first one. */
const ROUNDS_LAST_MS = 4.5 * ROUND_EVERY_S * 1_000;
const SAMPLE_EVERY_MS = 500;
const DAY_MS = 86_400_000;

export function createOperator(client: Client, operatorKey: string): Operator {
  const ask = async <T>(method: 'GET' | 'POST', path: string, body?: unknown): Promise<T> => {
    const call = { method, path: `/v1/admin/releases${path}`, address: ADDRESS, body } as const;
    const reply: Reply<T> = await client.send({ ...call, bearer: operatorKey });
    if (reply.status < 300 && reply.status > 0) return reply.body;
    throw new Error(`${method} ${call.path} answered ${reply.status} ${reply.code ?? ''}`);
  };
  const seats = async (): Promise<SeatView> =>
    (await ask<{ seats: SeatView }>('GET', `/${RELEASE}`)).seats;

  const openRelease = async (mode: Mode, sites: readonly Site[]): Promise<Times> => {
    const opensAtMs = nowMs() + OPENS_AFTER_MS;
    const closesAtMs = opensAtMs + WINDOW_MS;
    const endsAtMs = mode === 'lottery' ? closesAtMs + ROUNDS_LAST_MS : closesAtMs;
    await ask('POST', '', {
      release: RELEASE,
      title: TITLE,
      mode,
      opensAt: isoFromMs(opensAtMs),
      endsAt: isoFromMs(endsAtMs),
      idTypes: [ID_TYPE],
      limits: { preferences: MOST_WISHES },
      ...(mode === 'lottery' && {
        closesAt: isoFromMs(closesAtMs),
        roundEveryS: ROUND_EVERY_S,
        confirmWithinS: CONFIRM_WITHIN_S,
      }),
    });
    const terms = new URLSearchParams({
      // The day of the appointments is still to come, or no booking would bind anybody.
      date: isoFromMs(endsAtMs + DAY_MS).slice(0, 10),
      service: 'COVISHIELD',
      dose: '1',
      minAge: String(MIN_AGE),
      bands: '09:00-17:00',
      centre: 'site_id',
      name: 'site_name',
      seats: 'doses_given',
    });
    await ask('POST', `/${RELEASE}/import?${terms.toString()}`, sitesToCsv(sites));
    await ask('POST', `/${RELEASE}/publish`);
    return { opensAtMs, closesAtMs, endsAtMs };
  };

  const watchSeats: Operator['watchSeats'] = (opensAtMs) => {
    const over = new AbortController();
    const watch = async (): Promise<SeatSample[]> => {
      const samples: SeatSample[] = [];
      await sleep(Math.max(0, opensAtMs - nowMs()));
      while (!over.signal.aborted) {
        const askedAtMs = nowMs();
        samples.push({ atMs: askedAtMs - opensAtMs, ...(await seats()) });
        await sleep(Math.max(0, askedAtMs + SAMPLE_EVERY_MS - nowMs()));
      }
      return samples;
    };
    const samples = watch();
    samples.catch(() => undefined); // told to whoever stops the watch
    const stop = (): Promise<SeatSample[]> => {
      over.abort();
      return samples;
    };
    return { stop };
  };
  return { openRelease, seats, watchSeats };
}
