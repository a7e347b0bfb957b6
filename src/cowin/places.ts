/**
 * The published releases as the CoWIN surface sees them: states, districts, centres and sessions
 * under its own ids. Pure; a release's part never changes once it is published.
 */
import { present } from '../lib/assert.ts';
import type { Manifest } from '../releases/manifest.ts';
import type { Published } from '../releases/service.ts';
import { sessionIdOf } from './ids.ts';
import { bandText } from './words.ts';

/** One session of the surface: at most one of ours for each dose. */
export type Session = {
  readonly id: string;
  readonly release: string;
  readonly centreId: number;
  /** YYYY-MM-DD. */
  readonly date: string;
  readonly vaccine: string;
  readonly minAge: number;
  readonly maxAge: number | null;
  /** Rupees. */
  readonly fee: number;
  /** By dose and band: the slot's number in the manifest. */
  readonly slots: ReadonlyMap<number, ReadonlyMap<string, number>>;
};

export type Centre = {
  readonly id: number;
  readonly name: string;
  readonly directory: NonNullable<Manifest['centres'][number]['directory']>;
  readonly sessions: readonly Session[];
};

/** What one release adds. */
export type ReleasePlaces = {
  readonly release: string;
  readonly published: Published;
  readonly centres: readonly Centre[];
  /** Days of its sessions, YYYY-MM-DD. */
  readonly days: ReadonlySet<string>;
  /** In capitals. */
  readonly vaccines: ReadonlySet<string>;
};

/** Of a release whose centres are in no directory: nothing. */
export function placesOf(published: Published): ReleasePlaces {
  const { manifest } = published;
  const sessions = sessionsOf(published);
  const centres = manifest.centres.flatMap(({ centre, name, directory }) => {
    const here = sessions.get(centre);
    return directory && here ? [{ id: Number(centre), name, directory, sessions: here }] : [];
  });
  const all = centres.flatMap(({ sessions: some }) => some);
  return {
    release: manifest.release,
    published,
    centres,
    days: new Set(all.map(({ date }) => date)),
    vaccines: new Set(all.map(({ vaccine }) => vaccine.toUpperCase())),
  };
}

/** By our centre id, in the manifest's order. */
function sessionsOf({ manifest, slotSessions }: Published): Map<string, Session[]> {
  const byId = new Map<string, { readonly session: Session; readonly centre: string }>();
  for (const [number, slot] of manifest.slots.entries()) {
    const ours = present(slotSessions[number], slot.session);
    const id = sessionIdOf(manifest.release, ours);
    const entry = byId.get(id) ?? {
      session: sessionOf(manifest.release, id, ours),
      centre: ours.centre,
    };
    byId.set(id, entry);
    const slots = entry.session.slots as Map<number, Map<string, number>>;
    const bands = slots.get(ours.dose) ?? new Map<string, number>();
    bands.set(bandText(slot), number);
    slots.set(ours.dose, bands);
  }
  const byCentre = new Map<string, Session[]>();
  for (const { session, centre } of byId.values())
    byCentre.set(centre, [...(byCentre.get(centre) ?? []), session]);
  return byCentre;
}

const sessionOf = (
  release: string,
  id: string,
  {
    centre,
    date,
    service,
    min_age: minAge,
    max_age: maxAge,
    fee = 0,
  }: Manifest['sessions'][number],
): Session => ({
  id,
  release,
  centreId: Number(centre),
  date,
  vaccine: service,
  minAge,
  maxAge,
  fee,
  slots: new Map(),
});

/** A part of the map that clients ask for. */
export type Area = `district:${number}` | `pin:${number}` | `centre:${number}`;

export type Atlas = {
  readonly states: readonly { readonly state_id: number; readonly state_name: string }[];
  /** By state. */
  readonly districts: ReadonlyMap<
    number,
    readonly { readonly district_id: number; readonly district_name: string }[]
  >;
  /** Releases with a centre in an area, each with those centres. */
  readonly areas: ReadonlyMap<Area, readonly ReleasePlaces[]>;
  /** By the surface's session id: in each release that has it, the latest first. */
  readonly sessions: ReadonlyMap<string, readonly Session[]>;
  readonly releases: ReadonlyMap<string, ReleasePlaces>;
};

/** `parts`: of the releases that open first first. */
export function atlasOf(parts: readonly ReleasePlaces[]): Atlas {
  const states = new Map<number, string>();
  const districts = new Map<number, Map<number, string>>();
  const areas = new Map<Area, ReleasePlaces[]>();
  const sessions = new Map<string, Session[]>();
  for (const part of parts) {
    const here = new Map<Area, Centre[]>();
    for (const centre of part.centres) {
      const { state_id: state, state_name: stateName, district_id: district } = centre.directory;
      states.set(state, stateName);
      const ofState = districts.get(state) ?? new Map<number, string>();
      districts.set(state, ofState.set(district, centre.directory.district_name));
      for (const area of areasOf(centre)) {
        const centres = here.get(area) ?? [];
        centres.push(centre);
        here.set(area, centres);
      }
      for (const session of centre.sessions)
        sessions.set(session.id, [session, ...(sessions.get(session.id) ?? [])]);
    }
    for (const [area, centres] of here)
      areas.set(area, [...(areas.get(area) ?? []), { ...part, centres }]);
  }
  return {
    states: named(states).map(([state_id, state_name]) => ({ state_id, state_name })),
    districts: new Map(
      Array.from(districts, ([state, those]) => [
        state,
        named(those).map(([district_id, district_name]) => ({ district_id, district_name })),
      ]),
    ),
    areas,
    sessions,
    releases: new Map(parts.map((part) => [part.release, part])),
  };
}

const areasOf = ({ id, directory }: Centre): Area[] => [
  `district:${directory.district_id}`,
  `pin:${directory.pincode}`,
  `centre:${id}`,
];

/** As a list of choices shows them. */
const named = (names: ReadonlyMap<number, string>): [number, string][] =>
  [...names].toSorted(([, one], [, other]) => (one < other ? -1 : 1));
