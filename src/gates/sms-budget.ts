/**
 * The budget of OTPs by SMS: what stops toll fraud in total, from one network and from one device.
 * Strangers, who sign in from where their mobile never signed in, and those who come back are
 * apart, so that a flood of strangers leaves the others theirs; and so are strangers of the CoWIN
 * surface, which asks for no captcha. Whether somebody comes back is a matter of mobile and
 * requester together: the answer to a stranger tells nothing of the mobile.
 */
import type { Config } from '../config.ts';
import type { Redis } from '../redis/client.ts';
import { keys } from '../redis/keys.ts';
import { replyWord, script, unexpectedReply } from '../redis/script.ts';

/**
 * Who asks for an OTP: keyed hashes of network and device, '' where none is known. `known`: this
 * mobile has signed in from there before.
 */
export type Requester = {
  readonly network: string;
  readonly device: string;
  readonly known: boolean;
  /** Where it asks, if not on our own surface. */
  readonly surface?: 'cowin' | undefined;
};
/** A budget each. */
export const SMS_BUDGET_NAMES = ['new', 'known', 'cowin'] as const;
export type SmsBudgetName = (typeof SMS_BUDGET_NAMES)[number];
export type SpendReply =
  | { readonly outcome: 'GRANTED' }
  | { readonly outcome: 'SPENT'; readonly waitMs: number };

export type SmsBudget = {
  readonly spend: (by: Requester) => Promise<SpendReply>;
  /** An SMS that was not sent after all. */
  readonly unspend: (by: Requester) => Promise<void>;
  /** The OTP of an SMS was used: a stranger's network and device have one less that nobody used. */
  readonly used: (by: Requester) => Promise<void>;
};

/** What a server counts of the budget: an outcome of `spend`. */
export type OnSmsBudget = (requester: SmsBudgetName, outcome: SpendReply['outcome']) => void;

const spendSms = script({
  file: 'gates/spend-sms',
  acknowledges: false,
  keys: ['minute', 'hour', 'unused_network', 'unused_device'],
  args: ['most_a_minute', 'most_an_hour', 'most_unused_network', 'most_unused_device'],
  reply: (raw): SpendReply => {
    const { word, fields } = replyWord(raw);
    if (word === 'GRANTED') return { outcome: word };
    if (word === 'SPENT') return { outcome: word, waitMs: Number(fields[0]) };
    throw unexpectedReply('gates/spend-sms', word);
  },
});

const giveBack = script({
  file: 'gates/give-back',
  acknowledges: false,
  keys: ['counter'],
  args: [],
  reply: (raw): void => {
    const { word } = replyWord(raw);
    if (word !== 'GIVEN_BACK' && word !== 'NOTHING') throw unexpectedReply('gates/give-back', word);
  },
});

const nameOf = ({ known, surface }: Requester): SmsBudgetName =>
  known ? 'known' : (surface ?? 'new');

const counters = (by: Requester) => ({
  minute: keys.smsSpent(nameOf(by), 'minute'),
  hour: keys.smsSpent(nameOf(by), 'hour'),
  unused_network: keys.smsUnused('network', by.network),
  unused_device: keys.smsUnused('device', by.device),
});

export function createSmsBudget(
  redis: Redis,
  budget: Config['smsBudget'],
  onSpend: OnSmsBudget,
): SmsBudget {
  const back = async (counters: readonly string[]): Promise<void> => {
    await Promise.all(counters.map((counter) => giveBack(redis, { counter }, {})));
  };
  /** Of what nobody used; who comes back is not counted. */
  const unused = (by: Requester): string[] => {
    const { unused_network, unused_device } = counters(by);
    if (by.known) return [];
    return by.device === '' ? [unused_network] : [unused_network, unused_device];
  };
  return {
    spend: async (by) => {
      const name = nameOf(by);
      const reply = await spendSms(redis, counters(by), {
        most_a_minute: budget[name].perMinute,
        most_an_hour: budget[name].perHour,
        most_unused_network: by.known ? '' : budget.unusedPerNetwork,
        most_unused_device: by.known || by.device === '' ? '' : budget.unusedPerDevice,
      });
      onSpend(name, reply.outcome);
      return reply;
    },
    unspend: async (by) => {
      const { minute, hour } = counters(by);
      await back([minute, hour, ...unused(by)]);
    },
    used: (by) => back(unused(by)),
  };
}
