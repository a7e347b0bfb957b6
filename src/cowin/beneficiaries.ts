/** The people of an account as the surface shows them: with doses and appointments. */
import { present } from '../lib/assert.ts';
import type { Secrets } from '../lib/secrets.ts';
import type { Beneficiary, PeopleService } from '../people/service.ts';
import type { PeopleStore } from '../people/store.ts';
import type { AppointmentView, Appointments } from './appointments.ts';
import { referenceOf } from './ids.ts';
import { GENDERS, maskedNumber, PHOTO_IDS, statusText } from './registration.ts';
import { dayText } from './words.ts';

type Parts = {
  people: Pick<PeopleService, 'listBeneficiaries'>;
  contacts: Pick<PeopleStore, 'contactsOf'>;
  appointments: Pick<Appointments, 'byPerson'>;
  secrets: Secrets;
};

export type Beneficiaries = ReturnType<typeof createBeneficiaries>;

export function createBeneficiaries({ people, contacts, appointments, secrets }: Parts) {
  /** The last four digits of an account's mobile; '' where there is nobody to show them beside. */
  const mobileEnd = async (persons: readonly string[]): Promise<string> => {
    const [contact] = await contacts.contactsOf(persons.slice(0, 1));
    return contact ? secrets.decrypt(contact.mobile).slice(-4) : '';
  };

  return {
    list: async (account: string) => {
      const [listed, held] = await Promise.all([
        people.listBeneficiaries(account),
        appointments.byPerson(account),
      ]);
      const mobile = await mobileEnd(listed.map(({ beneficiaryId }) => beneficiaryId));
      return listed.map((one) => ({
        beneficiary_reference_id: referenceOf(secrets, one.beneficiaryId),
        mobile_number: mobile,
        ...viewOf(one, held.get(one.beneficiaryId) ?? []),
      }));
    },
  };
}

/** Every member of it, whether or not there is anything to say. */
function viewOf(one: Beneficiary, appointments: readonly AppointmentView[]) {
  const doseDate = (dose: number): string => {
    const given = one.doses.find((record) => record.dose === dose);
    return given ? dayText(given.date) : '';
  };
  return {
    name: one.name,
    birth_year: String(one.birthYear),
    gender: present(
      GENDERS.find(({ is }) => is === one.gender),
      one.gender,
    ).gender,
    photo_id_type: present(
      PHOTO_IDS.find(({ is }) => is === one.idType),
      one.idType,
    ).type,
    photo_id_number: maskedNumber(one.idLast4),
    comorbidity_ind: 'N',
    vaccination_status: statusText(one.vaccinationStatus),
    vaccine: one.doses[0]?.vaccine ?? '',
    dose1_date: doseDate(1),
    dose2_date: doseDate(2),
    appointments,
  };
}
