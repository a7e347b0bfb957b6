/** The beneficiaries of an account, and what operators attest; signing in is in sign-in.ts. */
import { v7 as uuid } from 'uuid';
import { present } from '../lib/assert.ts';
import type { Secrets } from '../lib/secrets.ts';
import { isRefusal, refuse, type Refusal } from '../refusal.ts';
import type { Attestation } from './attest-file.ts';
import type { Claims } from './claims.ts';
import { normaliseIdNumber, PEOPLE_LIMITS, shownOf, type IdType } from './rules.ts';
import { createSignIn, type SignInParts } from './sign-in.ts';
import type { PeopleStore } from './store.ts';
import { type Dose, vaccinationStatusOf, type VaccinationStatus } from './vaccines.ts';

export type Beneficiary = {
  /** The person's keyed hash: the same for whoever registers this ID. */
  readonly beneficiaryId: string;
  readonly name: string;
  readonly birthYear: number;
  readonly gender: 'female' | 'male' | 'other';
  readonly idType: IdType;
  /** Fewer than four of a short number. */
  readonly idLast4: string;
  /** Attested by an operator, ascending. */
  readonly categories: readonly string[];
  /** In the order in which they were given. */
  readonly doses: readonly Pick<Dose, 'dose' | 'vaccine' | 'date'>[];
  readonly vaccinationStatus: VaccinationStatus;
};

/** What the account's list holds of a person, encrypted. */
export type BeneficiaryRecord = Omit<
  Beneficiary,
  'beneficiaryId' | 'categories' | 'doses' | 'vaccinationStatus'
>;

export type NewBeneficiary = Omit<BeneficiaryRecord, 'idLast4'> & {
  readonly idNumber: string;
};

export type PeopleService = ReturnType<typeof createPeopleService>;

type Parts = SignInParts & { store: PeopleStore; claims: Claims; secrets: Secrets };

export function createPeopleService(parts: Parts) {
  return {
    ...createSignIn(parts),
    ...adding(parts),
    ...beneficiaries(parts),
    ...attesting(parts),
  };
}

/** Keyed hash of an ID: the person. Undefined when the number is none of such a document. */
export function personOf(
  secrets: Secrets,
  { idType, idNumber }: { readonly idType: IdType; readonly idNumber: string },
): { person: string; idNumber: string } | undefined {
  const number = normaliseIdNumber(idType, idNumber);
  if (number === undefined) return undefined;
  return { person: secrets.pseudonym('person', `${idType}|${number}`), idNumber: number };
}

/** What is known of a person beside what their account wrote down. */
const factsView = ({
  categories,
  doses,
}: {
  readonly categories: readonly string[];
  readonly doses: readonly Dose[];
}) => ({
  categories,
  doses: doses.map(({ dose, vaccine, date }) => ({ dose, vaccine, date })),
  vaccinationStatus: vaccinationStatusOf(doses),
});
const NO_FACTS = { categories: [], doses: [] };

function adding({ store, claims, secrets }: Parts) {
  const limit = PEOPLE_LIMITS.beneficiariesPerAccount;
  const sealed = (record: BeneficiaryRecord): string => secrets.encrypt(JSON.stringify(record));

  /**
   * Binds the ID to the account; one that was bound to an account which does not list it and holds
   * nothing by it is taken over.
   */
  const bind = async (
    account: string,
    person: string,
    facts: BeneficiaryRecord & { readonly bindBeforeMs: number },
  ): Promise<'REGISTERED' | 'TAKEN' | 'TOO_LATE'> => {
    let reply = await store.register(person, account, facts);
    if (reply.outcome === 'TAKEN') {
      const { account: holder, registeredAtMs, nowMs } = reply;
      const justNow = nowMs - registeredAtMs < PEOPLE_LIMITS.claimLeaseMs;
      const isListed = justNow || (await store.listsBeneficiary(holder, person));
      if (isListed) return 'TAKEN';
      const abandoned = { account: holder, registeredAtMs };
      reply = await store.register(person, account, facts, abandoned);
      if (reply.outcome === 'CLAIMED' && !(await claims.mayTakeOver(person, reply)))
        reply = await store.register(person, account, facts, { ...abandoned, stale: reply });
    }
    return reply.outcome === 'CLAIMED' ? 'TAKEN' : reply.outcome;
  };

  return {
    /**
     * On the list first, which is where the limit is, and then bound, while nobody takes them off
     * it. What a request that died or was too slow has left is listed, bound or not: as if it had
     * been answered, or to be added again or removed.
     */
    async addBeneficiary(account: string, facts: NewBeneficiary): Promise<Beneficiary | Refusal> {
      const known = personOf(secrets, facts);
      if (!known) return refuse('ID_NUMBER_INVALID');
      const { person, idNumber } = known;
      const { name, birthYear, gender, idType } = facts;
      const record = { name, birthYear, gender, idType, idLast4: shownOf(idNumber) };
      if ((await store.persons(account)).includes(person)) return refuse('ID_REGISTERED');
      const request = uuid();
      const { claimLeaseMs: leaseMs, enterWithinMs } = PEOPLE_LIMITS;
      const terms = { limit, request, leaseMs };
      const listed = await store.addBeneficiary(account, person, sealed(record), terms);
      if (listed.outcome !== 'LISTED')
        return listed.outcome === 'ERASED'
          ? refuse('ACCESS_TOKEN_REVOKED')
          : refuse('TOO_MANY_BENEFICIARIES', { extra: { limit } });
      const bindBeforeMs = listed.listedAtMs + enterWithinMs;
      const bound = await bind(account, person, { ...record, bindBeforeMs });
      if (bound === 'TOO_LATE') return refuse('UNAVAILABLE', { retryAfterS: 1 });
      if (bound === 'TAKEN') {
        await store.dropBeneficiary(account, person, listed.record, request);
        return refuse('ID_REGISTERED');
      }
      const [[attested = NO_FACTS]] = await Promise.all([
        store.factsOf(account, [person]),
        store.keepBeneficiary(account, person, sealed(record), request),
      ]);
      return { beneficiaryId: person, ...record, ...factsView(attested) };
    },
  };
}

const BEING_ADDED = 'They are just being added.';

function beneficiaries({ store, claims, secrets }: Parts) {
  return {
    async listBeneficiaries(account: string): Promise<Beneficiary[]> {
      const records = Object.entries(await store.beneficiaries(account));
      const facts = await store.factsOf(
        account,
        records.map(([person]) => person),
      );
      return records.map(([person, record], index) => ({
        beneficiaryId: person,
        ...(JSON.parse(secrets.decrypt(record)) as BeneficiaryRecord),
        ...factsView(facts[index] ?? NO_FACTS),
      }));
    },

    /** What the accounts of these people wrote down of them; leaves out who is in no list. */
    async recordsOf(
      persons: readonly string[],
    ): Promise<(BeneficiaryRecord & { beneficiaryId: string })[]> {
      const records = await store.recordsOf(persons);
      return persons.flatMap((beneficiaryId, index) => {
        const record = records[index];
        if (!record) return [];
        return [{ beneficiaryId, ...(JSON.parse(secrets.decrypt(record)) as BeneficiaryRecord) }];
      });
    },

    async removeBeneficiary(account: string, person: string): Promise<'REMOVED' | Refusal> {
      const record = await store.beneficiary(account, person);
      if (record === null) return refuse('BENEFICIARY_UNKNOWN');
      const waitMs = await store.addingForMs(account, person);
      // Listed anew, and bound since: as if that had been asked for after this.
      const isAnew = (await store.beneficiary(account, person)) !== record;
      if (waitMs > 0 || isAnew)
        return refuse('BENEFICIARY_HAS_CLAIM', {
          retryAfterS: Math.max(1, Math.ceil(waitMs / 1000)),
          detail: BEING_ADDED,
        });
      const freed = await claims.unregister(account, person);
      if (isRefusal(freed)) return freed;
      // Unless a request beside this one has listed them anew, and bound them since.
      await store.removeBeneficiary(account, person, record);
      return 'REMOVED';
    },
  };
}

function attesting({ store, secrets }: Parts) {
  return {
    /**
     * Replaces the categories of these people, whether or not anybody has registered them yet; of
     * one who is there twice, the last counts. One bad number, and nothing is changed.
     */
    async attest(attestations: readonly Attestation[]): Promise<'ATTESTED' | Refusal> {
      const people = attestations.map((one) => personOf(secrets, one)?.person);
      const bad = people.indexOf(undefined);
      if (bad >= 0) return refuse('ID_NUMBER_INVALID', { extra: { index: bad } });
      const attested = new Map(
        attestations.map(({ categories }, index) => [
          present(people[index], 'a person'),
          [...new Set(categories)].toSorted(),
        ]),
      );
      await Promise.all(
        Array.from(attested, ([person, categories]) => store.attest(person, categories)),
      );
      return 'ATTESTED';
    },
  };
}
