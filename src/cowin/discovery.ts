/** Discovery: what can be had where, the same bytes for all who may have the same. */
import { LRUCache } from 'lru-cache';
import { addDays } from '../lib/days.ts';
import {
  CALENDAR_DAYS,
  calendarFrom,
  calendarOfCentre,
  type Part,
  sessionsOn,
  type Wanted,
} from './answers.ts';
import type { WhereAsked } from '../rounds/service.ts';
import type { Catalogue } from './catalogue.ts';
import type { Area, Atlas, ReleasePlaces } from './places.ts';
import { type Prepared, prepare, sizeOf } from '../http/prepared.ts';

export const DISCOVERY_LIMITS = {
  /** Of prepared answers that a process keeps; what is longest unused goes first. */
  keptBytes: 256 * 2 ** 20,
  /** What one counts for at least, with what the process needs to find it. */
  leastBytes: 1_024,
} as const;

/** As clients of the surface know it: for how long they may keep a list. */
const LIST_TTL_HOURS = 24;
const MAKERS = { day: sessionsOn, calendar: calendarFrom, centre: calendarOfCentre } as const;
export type Kind = keyof typeof MAKERS;

export type Question = Wanted & { readonly kind: Kind; readonly area: Area };

/** Where an account has asked already. */
export type AskedIn = () => Promise<WhereAsked>;

export type Discovery = ReturnType<typeof createDiscovery>;

export function createDiscovery(catalogue: Catalogue) {
  const { keptBytes, leastBytes } = DISCOVERY_LIMITS;
  const kept = new LRUCache<string, Promise<Prepared>>({ maxSize: keptBytes });
  const lists = new WeakMap<Atlas, Map<string, Promise<Prepared>>>();

  const make = (key: string, { kind, ...wanted }: Question, parts: readonly Part[]) => {
    const making = prepare(MAKERS[kind](parts, wanted));
    kept.set(key, making, { size: leastBytes });
    const weigh = async (): Promise<void> => {
      kept.set(key, making, { size: leastBytes + sizeOf(await making) });
    };
    weigh().catch(() => kept.delete(key)); // whoever asked hears of it
    return making;
  };

  /** What changes with the atlas only. */
  const list = async (name: string, of: (atlas: Atlas) => object): Promise<Prepared> => {
    const atlas = await catalogue.atlas();
    const here = lists.get(atlas) ?? new Map<string, Promise<Prepared>>();
    lists.set(atlas, here);
    const known = here.get(name) ?? prepare({ ...of(atlas), ttl: LIST_TTL_HOURS });
    here.set(name, known);
    return known;
  };

  return {
    /** `askedIn`: left out for who is nobody in particular. */
    find: async (question: Question, askedIn?: AskedIn): Promise<Prepared> => {
      const atlas = await catalogue.atlas();
      const end = addDays(question.date, question.kind === 'day' ? 1 : CALENDAR_DAYS);
      const places = (atlas.areas.get(question.area) ?? []).filter((part) =>
        concerns(part, question, end),
      );
      const asked = await askedIn?.();
      const parts = await Promise.all(
        places.map(async (part): Promise<Part> => {
          const availability = await catalogue.availability(part);
          return { places: part, availability, isHidden: isBound(asked, part.release) };
        }),
      );
      // Whatever is asked where there is nothing is answered by the same few bytes.
      const key = parts.length === 0 ? question.kind : keyOf(question, parts);
      return kept.get(key) ?? make(key, question, parts);
    },

    states: () => list('states', ({ states }) => ({ states })),

    districts: async (state: number): Promise<Prepared> => {
      const known = (await catalogue.atlas()).districts.has(state);
      return list(known ? `districts of ${state}` : 'no districts', ({ districts }) => ({
        districts: districts.get(state) ?? [],
      }));
    },
  };
}

/** Whether a release may have what is asked for. `end`: the first day that is not. */
function concerns(
  { days, vaccines }: ReleasePlaces,
  { date, vaccine }: Question,
  end: string,
): boolean {
  if (vaccine !== undefined && !vaccines.has(vaccine)) return false;
  for (const day of days) if (day >= date && day < end) return true;
  return false;
}

const isBound = (asked: WhereAsked | undefined, release: string): boolean =>
  asked !== undefined && (asked.allBound || asked.lotteries.has(release));

/** All that an answer depends on. */
const keyOf = ({ kind, area, date, vaccine = '' }: Question, parts: readonly Part[]): string =>
  `${kind} ${area} ${date} ${vaccine} ${parts
    .map(({ availability, isHidden }) => `${availability.serial}${isHidden ? '-' : ''}`)
    .join()}`;
