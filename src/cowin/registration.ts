/** People of an account under the names and numbers that the surface has for them. */
import type { IdType } from '../people/rules.ts';
import type { Beneficiary } from '../people/service.ts';

type Gender = Beneficiary['gender'];

/** As the portal listed them. */
export const GENDERS: readonly {
  readonly id: number;
  readonly gender: string;
  readonly is: Gender;
}[] = [
  { id: 1, gender: 'Male', is: 'male' },
  { id: 2, gender: 'Female', is: 'female' },
  { id: 3, gender: 'Others', is: 'other' },
];

/** The portal's numbers, which have gaps. */
export const PHOTO_IDS: readonly {
  readonly id: number;
  readonly type: string;
  readonly is: IdType;
}[] = [
  { id: 1, type: 'Aadhaar Card', is: 'aadhaar' },
  { id: 2, type: 'Driving License', is: 'driving-licence' },
  { id: 6, type: 'PAN Card', is: 'pan' },
  { id: 8, type: 'Passport', is: 'passport' },
  { id: 9, type: 'Pension Passbook', is: 'pension-passbook' },
  { id: 10, type: 'NPR Smart Card', is: 'npr-smart-card' },
  { id: 12, type: 'Voter ID', is: 'voter-id' },
];

const STATUS = {
  'not-vaccinated': 'Not Vaccinated',
  'partially-vaccinated': 'Partially Vaccinated',
  vaccinated: 'Vaccinated',
} as const;

export const statusText = (status: keyof typeof STATUS): string => STATUS[status];

const MASK = 'XXXX';
export const maskedNumber = (last4: string): string => `${MASK}${last4}`;

/** India's country code: the surface knows ten digits only. */
export const mobileOf = (digits: string): string => `+91${digits}`;
