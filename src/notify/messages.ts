/**
 * What we have to say by SMS: the one list of templates with their parameters, and how long and how
 * urgently each is worth saying. The words are in texts.ts.
 */
import { msFromIso } from '../lib/clock.ts';
import { OTP_TERMS } from '../people/rules.ts';

/** ISO 639-1. The first is for accounts that never chose. */
export const LANGUAGES = ['en', 'hi', 'mr', 'bn'] as const;
export type Language = (typeof LANGUAGES)[number];

/** Each has an outbox of its own, so that an OTP never waits behind a round's offers. */
export const PRIORITIES = ['urgent', 'routine'] as const;
export type Priority = (typeof PRIORITIES)[number];

/** Where and when somebody is expected: a day and a time as the centre's clocks show them. */
export type Place = { readonly centre: string; readonly date: string; readonly from: string };

/** A standing entry: `title` of the release that it was entered in, or would have been. */
type Standing = { readonly title: string; readonly until: string };

/** Times are RFC 3339; with `confirmBy` past, an SMS is worth nothing. */
export type Message =
  | { readonly template: 'otp'; readonly otp: string }
  | ({
      readonly template: 'offer';
      readonly title: string;
      readonly confirmBy: string;
    } & Place)
  /** An operator's change took a seat, and its round gave another. */
  | {
      readonly template: 'moved';
      readonly title: string;
      readonly lost: Place;
      readonly offered: Place;
      readonly confirmBy: string;
    }
  /** An operator's change took a seat, and its round had no other. */
  | {
      readonly template: 'displaced';
      readonly title: string;
      readonly lost: Place;
      /** Whether there may be a next round, in which they come first. */
      readonly waits: boolean;
    }
  /** A confirmed offer, or a booking at once. */
  | ({
      readonly template: 'booked';
      readonly title: string;
      readonly securityCode: string;
    } & Place)
  /** `dose`: number of the next one, which may be given from now on. */
  | { readonly template: 'dose-due'; readonly vaccine: string; readonly dose: number }
  | ({ readonly template: 'carried' } & Standing)
  | ({ readonly template: 'standing-over' } & Standing);

export type Template = Message['template'];

type Terms = {
  readonly priority: Priority;
  /** How long it is worth sending at most. */
  readonly lifetimeMs: number;
  /** SMS that one text takes at most, in any language and with the longest names. */
  readonly segments: number;
};

const DAY_MS = 86_400_000;

export const TEMPLATES: Readonly<Record<Template, Terms>> = {
  otp: { priority: 'urgent', lifetimeMs: OTP_TERMS.lifetimeMs, segments: 1 },
  offer: { priority: 'routine', lifetimeMs: 7 * DAY_MS, segments: 3 },
  moved: { priority: 'routine', lifetimeMs: 7 * DAY_MS, segments: 5 },
  displaced: { priority: 'routine', lifetimeMs: 7 * DAY_MS, segments: 4 },
  booked: { priority: 'routine', lifetimeMs: 7 * DAY_MS, segments: 3 },
  'dose-due': { priority: 'routine', lifetimeMs: 7 * DAY_MS, segments: 1 },
  carried: { priority: 'routine', lifetimeMs: 7 * DAY_MS, segments: 3 },
  'standing-over': { priority: 'routine', lifetimeMs: 7 * DAY_MS, segments: 3 },
};

export const TEMPLATE_NAMES = Object.keys(TEMPLATES) as Template[];

/** After this a message is not worth sending; ms by Redis's clock. */
export const worthUntilMs = (message: Message): number =>
  'confirmBy' in message ? msFromIso(message.confirmBy) : Number.MAX_SAFE_INTEGER;
