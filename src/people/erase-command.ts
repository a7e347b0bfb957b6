/** `fairslot people erase`: works on Redis itself, and stands in the audit stream as `cli:<user>`. */
import { v7 as uuid } from 'uuid';
import { type Problem, problemOf, userName } from '../command-line.ts';
import type { Audit } from '../gates/audit.ts';
import type { Secrets } from '../lib/secrets.ts';
import { isRefusal } from '../refusal.ts';
import type { Erased, Erasure } from './erasure.ts';
import { ID_TYPES, Mobile } from './rules.ts';
import { personOf } from './service.ts';
import { accountOf } from './sign-in.ts';

export type EraseOptions = {
  readonly mobile?: string;
  /** Type and number. */
  readonly id?: readonly string[];
  readonly dryRun: boolean;
};

/** `subject`: the keyed hash that the audit line names, too. */
export type EraseReport = Erased & { readonly subject: string };

type Parts = {
  readonly secrets: Secrets;
  readonly erasure: Erasure;
  readonly audit: Pick<Audit, 'audited'>;
};

export async function eraseCommand(
  { secrets, erasure, audit }: Parts,
  options: EraseOptions,
): Promise<EraseReport | Problem> {
  const found = subjectOf(secrets, options);
  if ('problem' in found) return found;
  const { what, subject } = found;
  const { dryRun } = options;
  const work = () => erasure[what](subject, { dryRun });
  const action = { who: `cli:${userName()}`, what, subject, requestId: uuid() };
  const outcomeOf = (done: Erased | { refused: string }): string =>
    'refused' in done ? done.refused : done.outcome;
  const done = dryRun ? await work() : await audit.audited(action, work, outcomeOf);
  if (isRefusal(done)) return problemOf(done);
  return { ...done, subject };
}

/** Whom to erase: the keyed hash of an account, or of a person. */
function subjectOf(
  secrets: Secrets,
  { mobile, id }: EraseOptions,
): { what: 'eraseAccount' | 'erasePerson'; subject: string } | Problem {
  if ((mobile === undefined) === (id === undefined))
    return { problem: 'Say one of --mobile and --id.' };
  if (mobile !== undefined) {
    if (!Mobile.safeParse(mobile).success) return { problem: '--mobile: as in +919812345678' };
    return { what: 'eraseAccount', subject: accountOf(secrets, mobile) };
  }
  const [type, ...numbers] = id ?? [];
  const idType = ID_TYPES.find((one) => one === type);
  if (!idType) return { problem: `--id: a type, of ${ID_TYPES.join(', ')}, and a number` };
  const known = personOf(secrets, { idType, idNumber: numbers.join(' ') });
  if (!known) return { problem: `--id: this is no number of a document of type ${idType}` };
  return { what: 'erasePerson', subject: known.person };
}
