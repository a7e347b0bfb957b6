/** What discovery answers, from places and what is shown of them. Pure. */
import { addDays } from '../lib/days.ts';
import { type Availability, shownOf } from './availability.ts';
import type { Centre, ReleasePlaces, Session } from './places.ts';
import { dayText, secondsText } from './words.ts';

export const CALENDAR_DAYS = 7;

/** A release's centres in the area that is asked for, and what is shown of its seats. */
export type Part = {
  readonly places: ReleasePlaces;
  readonly availability: Availability;
  /** For who has asked here already. */
  readonly isHidden: boolean;
};

export type Wanted = {
  /** YYYY-MM-DD: the day, or the first of seven. */
  readonly date: string;
  /** In capitals; undefined for any. */
  readonly vaccine: string | undefined;
};

const placeOf = ({ id, name, directory }: Centre) => ({
  center_id: id,
  name,
  address: directory.address,
  state_name: directory.state_name,
  district_name: directory.district_name,
  block_name: directory.block_name,
  pincode: directory.pincode,
  lat: directory.lat,
  long: directory.long,
  from: secondsText(directory.from),
  to: secondsText(directory.to),
  fee_type: directory.fee_type,
});

function sessionOf(session: Session, { availability, isHidden }: Part) {
  const { dose1, dose2, bands } = shownOf(session, availability, isHidden);
  return {
    session_id: session.id,
    date: dayText(session.date),
    available_capacity: dose1 + dose2,
    available_capacity_dose1: dose1,
    available_capacity_dose2: dose2,
    min_age_limit: session.minAge,
    ...(session.maxAge !== null && { max_age_limit: session.maxAge }),
    allow_all_age: session.maxAge === null,
    vaccine: session.vaccine,
    slots: bands,
  };
}

const isWanted = ({ vaccine }: Session, wanted: Wanted): boolean =>
  wanted.vaccine === undefined || vaccine.toUpperCase() === wanted.vaccine;

/** A session and its centre in one, as `find…` answers them. */
const flatOf = (centre: Centre, session: Session, part: Part) => ({
  ...placeOf(centre),
  ...sessionOf(session, part),
  fee: String(session.fee),
});

/** Of a session that two releases have, what has more to show. */
function keepFuller<T extends { readonly available_capacity: number; readonly session_id: string }>(
  shown: Map<string, T>,
  one: T,
): void {
  const before = shown.get(one.session_id);
  if (!before || before.available_capacity < one.available_capacity) shown.set(one.session_id, one);
}

/** `{"sessions": […]}`: one day. */
export function sessionsOn(parts: readonly Part[], wanted: Wanted) {
  const shown = new Map<string, ReturnType<typeof flatOf>>();
  for (const part of parts)
    for (const centre of part.places.centres)
      for (const session of centre.sessions)
        if (session.date === wanted.date && isWanted(session, wanted))
          keepFuller(shown, flatOf(centre, session, part));
  return { sessions: [...shown.values()] };
}

type SessionView = ReturnType<typeof sessionOf>;
type CentreView = ReturnType<typeof placeOf> & {
  vaccine_fees?: { readonly vaccine: string; readonly fee: string }[];
};

/** `{"centers": […]}`: seven days, each centre once whatever releases it is in. */
export function calendarFrom(parts: readonly Part[], wanted: Wanted) {
  const end = addDays(wanted.date, CALENDAR_DAYS);
  const centres = new Map<number, CentreView>();
  const sessions = new Map<number, Map<string, SessionView>>();
  for (const part of parts)
    for (const centre of part.places.centres)
      for (const session of centre.sessions) {
        const within = session.date >= wanted.date && session.date < end;
        if (!within || !isWanted(session, wanted)) continue;
        const shown = centres.get(centre.id) ?? placeOf(centre);
        centres.set(centre.id, shown);
        const here = sessions.get(centre.id) ?? new Map<string, SessionView>();
        sessions.set(centre.id, here);
        keepFuller(here, sessionOf(session, part));
        if (session.fee > 0) addFee(shown, session);
      }
  const byId = (one: CentreView, other: CentreView): number => one.center_id - other.center_id;
  return {
    centers: [...centres.values()].toSorted(byId).map((centre) => ({
      ...centre,
      sessions: [...(sessions.get(centre.center_id)?.values() ?? [])],
    })),
  };
}

function addFee(centre: CentreView, { vaccine, fee }: Session): void {
  centre.vaccine_fees ??= [];
  if (!centre.vaccine_fees.some((one) => one.vaccine === vaccine))
    centre.vaccine_fees.push({ vaccine, fee: String(fee) });
}

/** `{"centers": {…}}`: an object, empty where there is none. */
export const calendarOfCentre = (parts: readonly Part[], wanted: Wanted) => ({
  centers: calendarFrom(parts, wanted).centers[0] ?? {},
});
