/**
 * The outbox: SMS wait in Redis until a sender has handed them to the gateway, so that no request
 * waits for one and a stopped one loses nothing. Sending is in sender.ts.
 */
import type { Secrets } from '../lib/secrets.ts';
import {
  type Language,
  type Message,
  PRIORITIES,
  type Priority,
  type Template,
  TEMPLATES,
  worthUntilMs,
} from './messages.ts';
import {
  type DeadLetter,
  type DropOutcome,
  OUTBOX_LIMITS,
  type OutboxState,
  type OutboxStore,
  type RetryOutcome,
} from './store.ts';

export type Sms = {
  /**
   * What it is about, as in `offer:<release>:<round>:<entry>`: of several with the same id, one is
   * sent. Never personal data.
   */
  readonly id: string;
  readonly account: string;
  /** E.164. */
  readonly mobile: string;
  readonly language: Language;
  readonly message: Message;
};

/** What became of an SMS; labels of a metric. */
export const SMS_OUTCOMES = [
  'queued',
  'repeated',
  'full',
  'sent',
  'failed',
  'expired',
  'dead',
] as const;
export type SmsOutcome = (typeof SMS_OUTCOMES)[number];

export type OnSms = (outcome: SmsOutcome, template: Template) => void;

const OUTCOME_OF = {
  QUEUED: 'queued',
  REPEATED: 'repeated',
  EXPIRED: 'expired',
  FULL: 'full',
} as const;

/** Which dead letters: some of them by id, or all there are. */
export type Which = readonly string[] | 'all';

export type Outbox = ReturnType<typeof createOutbox>;

type Parts = {
  readonly store: OutboxStore;
  readonly secrets: Secrets;
  readonly onSms: OnSms;
  /** SMS that may wait; other than ours in tests. */
  readonly capacity?: Readonly<Record<Priority, number>>;
};

export function createOutbox({ store, secrets, onSms, capacity = OUTBOX_LIMITS.capacity }: Parts) {
  const queue = async (sms: Sms): Promise<'QUEUED' | 'FULL'> => {
    const { template } = sms.message;
    const { priority, lifetimeMs } = TEMPLATES[template];
    const outcome = await store.queue(
      priority,
      {
        id: sms.id,
        template,
        sealed: seal(secrets, sms),
        lifetimeMs,
        worthUntilMs: worthUntilMs(sms.message),
      },
      capacity[priority],
    );
    onSms(OUTCOME_OF[outcome], template);
    return outcome === 'FULL' ? 'FULL' : 'QUEUED';
  };

  return {
    /**
     * Queues SMS, those of an id that is there already as little as those that are worth nothing
     * any more. FULL: some of them had no room; sending all of them again later is safe.
     */
    async send(messages: readonly Sms[]): Promise<'QUEUED' | 'FULL'> {
      const queued = await Promise.all(messages.map(queue));
      return queued.includes('FULL') ? 'FULL' : 'QUEUED';
    },

    state: async (): Promise<Record<Priority, OutboxState>> => {
      const [urgent, routine] = await Promise.all([store.state('urgent'), store.state('routine')]);
      return { urgent, routine };
    },

    /** The dead letters that died first, and how many there are. */
    async dead(count: number): Promise<{ total: number; letters: DeadLetter[] }> {
      const [letters, states] = await Promise.all([
        Promise.all(PRIORITIES.map((priority) => store.deadLetters(priority, count))),
        Promise.all(PRIORITIES.map((priority) => store.state(priority))),
      ]);
      return {
        total: states.reduce((sum, { dead }) => sum + dead, 0),
        letters: letters
          .flat()
          .toSorted((a, b) => a.diedAtMs - b.diedAtMs)
          .slice(0, count),
      };
    },

    /** Queues dead letters again; those that are worth nothing any more stay where they are. */
    async retry(which: Which): Promise<{ queued: number; expired: number; unknown: number }> {
      const outcomes = await eachDead<RetryOutcome>(store, which, store.retry);
      return {
        queued: count(outcomes, 'QUEUED'),
        expired: count(outcomes, 'EXPIRED'),
        unknown: count(outcomes, 'UNKNOWN'),
      };
    },

    /**
     * Forgets all SMS to an account, waiting or dead; how many. Who they are to is encrypted, so it
     * looks at every one. `dryRun`: only counts them. One that a sender has in hand goes out.
     */
    async forget(account: string, dryRun = false): Promise<number> {
      const counts = await Promise.all(
        PRIORITIES.map((priority) => forgetIn(store, secrets, priority, account, dryRun)),
      );
      return counts.reduce((sum, one) => sum + one, 0);
    },

    /** Forgets dead letters. */
    async drop(which: Which): Promise<{ dropped: number; unknown: number }> {
      const outcomes = await eachDead<DropOutcome>(store, which, store.drop);
      return { dropped: count(outcomes, 'DROPPED'), unknown: count(outcomes, 'UNKNOWN') };
    },
  };
}

async function forgetIn(
  store: OutboxStore,
  secrets: Secrets,
  priority: Priority,
  account: string,
  dryRun: boolean,
): Promise<number> {
  const found = new Set<string>();
  let cursor = '0';
  do {
    const { next, sms } = await store.some(priority, cursor);
    const theirs = sms.filter(({ sealed }) => unseal(secrets, sealed).account === account);
    if (!dryRun) await Promise.all(theirs.map(({ id }) => store.sent(priority, id)));
    for (const { id } of theirs) found.add(id);
    cursor = next;
  } while (cursor !== '0');
  return found.size;
}

const count = <T>(outcomes: readonly T[], one: T): number =>
  outcomes.filter((outcome) => outcome === one).length;

/** An id does not say which priority it has: where one does not know it, the other is asked. */
async function eachDead<O extends string>(
  store: OutboxStore,
  which: Which,
  act: (priority: Priority, id: string) => Promise<O | 'UNKNOWN'>,
): Promise<(O | 'UNKNOWN')[]> {
  if (which !== 'all')
    return Promise.all(
      [...new Set(which)].map(async (id) => {
        const outcome = await act('urgent', id);
        return outcome === 'UNKNOWN' ? act('routine', id) : outcome;
      }),
    );
  const acted = await Promise.all(
    PRIORITIES.map(async (priority) => {
      const ids = await store.deadIds(priority, OUTBOX_LIMITS.deadLetters);
      return Promise.all(ids.map((id) => act(priority, id)));
    }),
  );
  return acted.flat();
}

type Sealed = Omit<Sms, 'id'>;

/** Encrypted, since a mobile, an OTP or a name may be in it. */
const seal = (secrets: Secrets, { account, mobile, language, message }: Sms): string =>
  secrets.encrypt(JSON.stringify({ account, mobile, language, message } satisfies Sealed));

/** Throws for what another secret has sealed. */
export const unseal = (secrets: Secrets, sealed: string): Sealed =>
  JSON.parse(secrets.decrypt(sealed)) as Sealed;
