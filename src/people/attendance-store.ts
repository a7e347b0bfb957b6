/** What Redis holds of people whether or not anybody has registered them. */
import { keys } from '../redis/keys.ts';
import type { Redis } from '../redis/client.ts';
import { oneOf, replyWord, script, unexpectedReply } from '../redis/script.ts';
import { type Dose, packDoses, unpackDoses } from './vaccines.ts';

/** Categories as their field holds them. */
export const categoriesIn = (field: string | null): string[] => (field ? field.split(',') : []);

const recordDoseScript = script({
  file: 'people/record-dose',
  keys: ['person'],
  args: ['expected', 'doses'],
  reply: oneOf('people/record-dose', ['RECORDED', 'CHANGED']),
});

const countMissScript = script({
  file: 'people/count-miss',
  keys: ['person'],
  args: ['booking', 'missed_at_ms', 'window_ms', 'cool_down_ms'],
  reply: (raw): void => {
    const { word } = replyWord(raw);
    if (word !== 'COUNTED') throw unexpectedReply('people/count-miss', word);
  },
});

/** Attested categories, doses and missed seats of people. */
export function attendanceStore(redis: Redis) {
  return {
    /** Attested categories and doses of each person; none for who is of another account. */
    factsOf: (
      account: string,
      persons: readonly string[],
    ): Promise<{ categories: string[]; doses: Dose[] }[]> =>
      Promise.all(
        persons.map(async (person) => {
          const [holder, categories = null, doses] = await redis.hmget(
            keys.person(person),
            'account',
            'categories',
            'doses',
          );
          return holder === account
            ? { categories: categoriesIn(categories), doses: unpackDoses(doses ?? '') }
            : { categories: [], doses: [] };
        }),
      ),

    /** The doses of each of these people, registered or not. */
    dosesOf: (persons: readonly string[]): Promise<Dose[][]> =>
      Promise.all(
        persons.map(async (person) =>
          unpackDoses((await redis.hget(keys.person(person), 'doses')) ?? ''),
        ),
      ),

    /** Adds a dose to those that were read. */
    recordDose: (person: string, read: readonly Dose[], dose: Dose) =>
      recordDoseScript(
        redis,
        { person: keys.person(person) },
        { expected: packDoses(read), doses: packDoses([...read, dose]) },
      ),

    countMiss: (
      person: string,
      miss: { booking: string; missedAtMs: number },
      terms: { windowMs: number; coolDownMs: number },
    ): Promise<void> =>
      countMissScript(
        redis,
        { person: keys.person(person) },
        {
          booking: miss.booking,
          missed_at_ms: miss.missedAtMs,
          window_ms: terms.windowMs,
          cool_down_ms: terms.coolDownMs,
        },
      ),

    /** The encrypted record of each of these people in the list of their account; null for none. */
    recordsOf: (persons: readonly string[]): Promise<(string | null)[]> =>
      Promise.all(
        persons.map(async (person) => {
          const account = await redis.hget(keys.person(person), 'account');
          return account ? redis.hget(keys.beneficiaries(account), person) : null;
        }),
      ),
  };
}
