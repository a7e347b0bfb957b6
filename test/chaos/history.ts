/**
 * What clients and operators saw of their writes while things were killed around them. Honest about
 * what they did not see: a write without an answer may count, may count later, or may never.
 */

/**
 * acknowledged: a 2xx was seen. refused: it was answered that nothing was done, and no attempt had
 * gone unanswered before. unknown: anything else; it may take effect at any time from its start on.
 */
export type Outcome = 'acknowledged' | 'refused' | 'unknown';

type Sent = {
  /** Empty for a registration. */
  readonly release: string;
  /**
   * Of the lead, where a group enters; empty for an operator, and of a registration that was not
   * acknowledged.
   */
  readonly person: string;
  /** Epoch ms by this machine's clock, which is Redis's too. */
  readonly startedAtMs: number;
  /** When it was answered, or given up. */
  readonly endedAtMs: number;
  readonly outcome: Outcome;
};

export type Enter = Sent & {
  readonly kind: 'enter';
  readonly preferences: readonly string[];
  /** Whether it is to be carried over while it has no seat. */
  readonly stands: boolean;
  /** Of the receipt, where it was acknowledged: the entry stood there and then, and in no cut yet. */
  readonly receiptAtMs: number;
  /** Likewise; else empty. */
  readonly entryId: string;
};
export type Withdraw = Sent & { readonly kind: 'withdraw' };
export type Book = Sent & {
  readonly kind: 'book';
  readonly slot: string;
  /** Empty unless it was acknowledged. */
  readonly booking: string;
};
export type Answer = Sent & { readonly kind: 'confirm' | 'cancel'; readonly booking: string };
export type Close = Sent & { readonly kind: 'close'; readonly slots: readonly string[] };
export type Lose = Sent & {
  readonly kind: 'lose';
  readonly slot: string;
  readonly pool: string;
  readonly seats: number;
};

export type Register = Sent & { readonly kind: 'register'; readonly account: string };

export type Write = Enter | Withdraw | Book | Answer | Close | Lose | Register;

/** Redis reads its clock once for what it does together; so far may a cut's time be behind. */
export const CLOCK_SLACK_MS = 50;

/** A booking's id is `release.entry.round`, or `release.entry.` and a nonce of a booking at once. */
export const roundOf = (booking: string): number => Number(booking.split('.').at(-1));
export const entryOf = (booking: string): string => booking.split('.').at(-2) ?? '';

export const isCancelOf =
  (booking: string) =>
  (other: Write): boolean =>
    other.kind === 'cancel' && other.booking === booking;

/** What was read of a round while the release was under way. */
export type Sighting = {
  readonly release: string;
  readonly round: number;
  /** Of a published round. */
  readonly digest?: string;
  /** Canonical JSON of a seal, whether or not its round was published then. */
  readonly seal?: string;
};
