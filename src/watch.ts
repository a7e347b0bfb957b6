/**
 * What a door hears of an engine: whoever wires one hands these in, so that no service knows who
 * counts what it does.
 */
import type { ArrivalOutcome } from './arrivals/service.ts';
import type { OnSmsBudget } from './gates/sms-budget.ts';
import { createLog, type Log } from './log.ts';
import type { OnSms } from './notify/outbox.ts';
import type { VaccineName } from './people/vaccines.ts';
import type { Refusal } from './refusal.ts';
import type { AnswerOutcome } from './rounds/beacon/drand-endpoint.ts';

/** What came of something, that often: a word, or a refusal. */
export type Came<Word extends string> = (came: Word | Refusal, count?: number) => void;

export type Watch = {
  readonly log: Log;
  /** Only a worker asks beacons. */
  readonly onBeaconAnswer: (outcome: AnswerOutcome) => void;
  readonly onSms: OnSms;
  readonly onSmsBudget: OnSmsBudget;
  readonly onArrival: (outcome: ArrivalOutcome) => void;
  readonly onDose: (vaccine: VaccineName) => void;
  readonly onOtpAsked: Came<'sent'>;
  readonly onOtpChecked: Came<'right'>;
  readonly onBeneficiary: Came<'registered' | 'removed'>;
  readonly onClaim: Came<'claimed'>;
  /** `repeated`: it stood there as it is. */
  readonly onEntry: Came<'entered' | 'edited' | 'repeated' | 'withdrawn'>;
  readonly onImmediate: Came<'booked' | 'moved'>;
  readonly onConfirmation: Came<'confirmed'>;
  readonly onCancellation: Came<'cancelled'>;
};

const ignore = (): void => undefined;

export const UNWATCHED: Watch = {
  log: createLog('silent'),
  onBeaconAnswer: ignore,
  onSms: ignore,
  onSmsBudget: ignore,
  onArrival: ignore,
  onDose: ignore,
  onOtpAsked: ignore,
  onOtpChecked: ignore,
  onBeneficiary: ignore,
  onClaim: ignore,
  onEntry: ignore,
  onImmediate: ignore,
  onConfirmation: ignore,
  onCancellation: ignore,
};
