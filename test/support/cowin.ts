/** Releases that the CoWIN surface shows, and a client of the kind that was written for it. */
import { createHash } from 'node:crypto';
import svgCaptcha from 'svg-captcha';
import type { CalendarCenter } from '../../bench/support/calendar.ts';
import type { Engine } from '../../src/engine.ts';
import { present } from '../../src/lib/assert.ts';
import { isoFromMs } from '../../src/lib/clock.ts';
import { redisNowMs, type Redis } from '../../src/redis/client.ts';
import { ReleaseTerms } from '../../src/releases/rules.ts';
import type { TestApi } from './api.ts';
import type { CallOptions } from './app.ts';
import { fresh, granted, lastSms } from './engine.ts';

/** Of a district that no other test has, so that tests of one file do not see each other. */
let districts = 1_000;

export type CowinWishes = {
  readonly mode: 'lottery' | 'immediate';
  /** Of the first doses of each session. */
  readonly seats?: number;
  readonly centres?: number;
  /** YYYY-MM-DD. */
  readonly date?: string;
  readonly opensInS?: number;
  readonly closesInS?: number;
  readonly endsInS?: number;
  readonly preferences?: number;
  readonly idTypes?: readonly string[];
  readonly minAge?: number;
  readonly vaccine?: string;
  readonly dose2Seats?: number;
  /** The places of another release, as from the same saved reply. */
  readonly like?: CowinRelease;
};

export type CowinRelease = {
  readonly release: string;
  readonly stateId: number;
  readonly districtId: number;
  readonly pincode: number;
  /** DD-MM-YYYY. */
  readonly date: string;
  readonly centers: readonly CalendarCenter[];
};

export const BANDS = ['09:00AM-11:00AM', '11:00AM-01:00PM'] as const;

/** Publishes a release from a reply as a portal would have given it. */
export async function publishCowin(
  engine: Engine,
  redis: Redis,
  wishes: CowinWishes,
): Promise<CowinRelease> {
  const { mode, seats = 2, centres = 1, date = '2099-01-01', minAge = 18 } = wishes;
  const release = fresh('cowin');
  const districtId = wishes.like?.districtId ?? ++districts;
  const pincode = 400_000 + districtId;
  const day = date.split('-').toReversed().join('-');
  const made = Array.from({ length: centres }, (_centre, index): CalendarCenter => {
    const session = {
      session_id: crypto.randomUUID(),
      date: day,
      available_capacity: seats + (wishes.dose2Seats ?? 0),
      available_capacity_dose1: seats,
      available_capacity_dose2: wishes.dose2Seats ?? 0,
      min_age_limit: minAge,
      allow_all_age: true,
      vaccine: wishes.vaccine ?? 'COVISHIELD',
      slots: BANDS,
    };
    return {
      center_id: districtId * 100 + index,
      name: `Centre ${index} of ${districtId}`,
      address: 'Station Road',
      state_name: 'Maharashtra',
      district_name: `District ${districtId}`,
      block_name: 'Haveli',
      pincode,
      lat: 18,
      long: 73,
      from: '09:00:00',
      to: '13:00:00',
      fee_type: 'Free',
      sessions: [session],
    };
  });
  const centers = wishes.like?.centers ?? made;
  const nowMs = await redisNowMs(redis);
  const at = (seconds: number): string => isoFromMs(nowMs + seconds * 1000);
  const terms = ReleaseTerms.parse({
    release,
    title: 'Vaccination',
    mode,
    opensAt: at(wishes.opensInS ?? -60),
    endsAt: at(wishes.endsInS ?? 7_200),
    idTypes: wishes.idTypes ?? ['aadhaar', 'passport'],
    limits: { preferences: wishes.preferences },
    ...(mode === 'lottery' && { closesAt: at(wishes.closesInS ?? 600), confirmWithinS: 900 }),
  });
  granted(await engine.releases.create(terms));
  const ids = { stateId: 21, districtId };
  granted(await engine.releases.importCalendarInto(release, centers, ids));
  granted(await engine.releases.publish(release, nowMs));
  return { release, ...ids, pincode, date: day, centers };
}

/** As what is kept for a second had grown old. */
export const aSecond = (): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, 1_050);
  });

export const ROOT = '/api/v2';

/** A client as they were written in 2021: it knows the portal's routes, and no draw. */
export function oldClient(api: TestApi, redis: Redis, mobile: string, from?: string) {
  let token = '';
  const options = (body?: unknown): CallOptions => ({
    ...(token !== '' && { token }),
    ...(body !== undefined && { body }),
    ...(from !== undefined && { from }),
  });
  const get = (path: string) => api.call('GET', `${ROOT}${path}`, options());
  const post = (path: string, body: unknown) => api.call('POST', `${ROOT}${path}`, options(body));

  return {
    get,
    post,
    token: () => token,
    useToken: (other: string) => {
      token = other;
    },

    signIn: async (): Promise<void> => {
      const asked = await post('/auth/public/generateOTP', { mobile });
      const { message } = await lastSms(api.engine, redis);
      const otp = message.template === 'otp' ? message.otp : '';
      const hash = createHash('sha256').update(otp).digest('hex');
      const { txnId } = asked.json;
      const proved = await post('/auth/public/confirmOTP', { otp: hash, txnId });
      token = String(proved.json.token);
    },

    register: async (name: string, idNumber: string, birthYear = '1970'): Promise<string> => {
      const { json } = await post('/registration/beneficiary/new', {
        name,
        birth_year: birthYear,
        gender_id: 2,
        photo_id_type: 8,
        photo_id_number: idNumber,
        comorbidity_ind: 'N',
        consent_version: '1',
      });
      return String(json.beneficiary_reference_id);
    },

    calendar: (districtId: number, date: string) =>
      get(`/appointment/sessions/calendarByDistrict?district_id=${districtId}&date=${date}`),

    schedule: (ask: {
      readonly session: string;
      readonly slot?: string;
      readonly people: readonly string[];
      readonly captcha?: string;
      readonly dose?: number;
    }) =>
      post('/appointment/schedule', {
        dose: ask.dose ?? 1,
        session_id: ask.session,
        slot: ask.slot ?? BANDS[0],
        beneficiaries: ask.people,
        ...(ask.captcha !== undefined && { captcha: ask.captcha }),
      }),

    beneficiaries: async () => {
      const { json } = await get('/appointment/beneficiaries');
      return json.beneficiaries;
    },
  };
}

/**
 * Reads an image captcha as programs did in 2021: each letter is one path, whose commands, but for
 * their numbers, are the same whenever it is drawn.
 */
export function readCaptcha(svg: string): string {
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
  const shapes = new Map(
    letters.split('').map((letter) => {
      const { data } = svgCaptcha.create({ size: 1, charPreset: letter, noise: 0, color: true });
      return [shapeOf(present(pathsOf(data)[0], 'a path')), letter] as const;
    }),
  );
  return pathsOf(svg)
    .flatMap((path) => {
      const letter = shapes.get(shapeOf(path));
      const at = Number(/^M(-?[\d.]+)/.exec(path)?.[1]);
      return letter === undefined ? [] : [{ letter, at }];
    })
    .toSorted((one, other) => one.at - other.at)
    .map(({ letter }) => letter)
    .join('');
}
/** What is filled: noise is only drawn. */
const pathsOf = (svg: string): string[] =>
  [...svg.matchAll(/<path fill="(?!none)[^"]*" d="([^"]*)"/g)].map((match) => match[1] ?? '');
const shapeOf = (path: string): string => path.replaceAll(/[^A-Za-z]/g, '');
