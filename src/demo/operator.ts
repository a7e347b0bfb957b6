/**
 * The operator's part: opens the release and watches the seats, over the same HTTP API as
 * everybody.
 */
import { isoFromMs, msFromIso, nowMs, sleep } from '../lib/clock.ts';
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

/** As `POST /v1/admin/releases` takes them. Times are RFC 3339. */
export type Terms = {
  readonly mode: Mode;
  readonly opensAt: string;
  readonly closesAt?: string;
  readonly endsAt: string;
  readonly roundEveryS?: number;
  readonly confirmWithinS?: number;
};

export type Operator = {
  /** Creates, fills and publishes a release by these terms, its own apart. */
  readonly publish: (terms: Terms, sites: readonly Site[]) => Promise<void>;
  /** The same for an evening; it opens a few seconds later. */
  readonly openRelease: (mode: Mode, sites: readonly Site[]) => Promise<Times>;
  readonly seats: () => Promise<SeatView>;
  /** Notes the seats twice a second from the opening on, until stopped. */
  readonly watchSeats: (opensAtMs: number) => { readonly stop: () => Promise<SeatSample[]> };
};

export const RELEASE = 'pune-2021-04-11';

export type Script = {
  readonly release: string;
  readonly title: string;
  /** What a minute of the evening lasts, ms. */
  readonly minuteMs: number;
};
const DEMO: Script = { release: RELEASE, title: 'Pune, 11 April 2021', minuteMs: MINUTE_MS };
const ADDRESS = '127.3.0.1';

/** From publishing to the opening, or less where time runs faster: sprinters get into position. */
const OPENS_AFTER_MS = 4_000;
/** Citizens who come last have time to read and to act. */
const WINDOW_MS = LAST_ARRIVAL_MS + 3 * MINUTE_MS;
const ROUND_EVERY_S = 3;
export const CONFIRM_WITHIN_S = 4;
/** Four rounds after the first one. */
const ROUNDS_LAST = 4.5;
const SAMPLE_EVERY_MS = 500;
const DAY_MS = 86_400_000;

/** How the sites are read: one session each. */
const columnsOf = ({ endsAt }: Terms): URLSearchParams =>
  new URLSearchParams({
    // The day of the appointments is still to come, or no booking would bind anybody.
    date: isoFromMs(msFromIso(endsAt) + DAY_MS).slice(0, 10),
    service: 'COVISHIELD',
    dose: '1',
    minAge: String(MIN_AGE),
    bands: '09:00-17:00',
    centre: 'site_id',
    name: 'site_name',
    seats: 'doses_given',
  });

export function createOperator(client: Client, operatorKey: string, script = DEMO): Operator {
  const { release, title } = script;
  const pace = script.minuteMs / MINUTE_MS;
  const paced = (seconds: number): number => Math.max(1, Math.round(seconds * pace));
  const ask = async <T>(method: 'GET' | 'POST', path: string, body?: unknown): Promise<T> => {
    const call = { method, path: `/v1/admin/releases${path}`, address: ADDRESS, body } as const;
    const reply: Reply<T> = await client.send({ ...call, bearer: operatorKey });
    if (reply.status < 300 && reply.status > 0) return reply.body;
    throw new Error(`${method} ${call.path} answered ${reply.status} ${reply.code ?? ''}`);
  };
  const seats = async (): Promise<SeatView> =>
    (await ask<{ seats: SeatView }>('GET', `/${release}`)).seats;

  const publish: Operator['publish'] = async (terms, sites) => {
    await ask('POST', '', {
      release,
      title,
      ...terms,
      idTypes: [ID_TYPE],
      limits: { preferences: MOST_WISHES },
    });
    await ask('POST', `/${release}/import?${columnsOf(terms).toString()}`, sitesToCsv(sites));
    await ask('POST', `/${release}/publish`);
  };

  const openRelease = async (mode: Mode, sites: readonly Site[]): Promise<Times> => {
    const opensAtMs = nowMs() + OPENS_AFTER_MS * Math.min(1, pace);
    const closesAtMs = opensAtMs + WINDOW_MS * pace;
    const roundEveryS = paced(ROUND_EVERY_S);
    const roundsMs = ROUNDS_LAST * roundEveryS * 1_000;
    const endsAtMs = mode === 'lottery' ? closesAtMs + roundsMs : closesAtMs;
    const terms = {
      mode,
      opensAt: isoFromMs(opensAtMs),
      endsAt: isoFromMs(endsAtMs),
      ...(mode === 'lottery' && {
        closesAt: isoFromMs(closesAtMs),
        roundEveryS,
        confirmWithinS: paced(CONFIRM_WITHIN_S),
      }),
    };
    await publish(terms, sites);
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
  return { publish, openRelease, seats, watchSeats };
}
