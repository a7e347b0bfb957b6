import type { Watch } from '../watch.ts';
import type { Book } from './book.ts';

/** Claims are made by servers, and by workers that carry entries over. */
export const claimMetrics = (book: Book): Pick<Watch, 'onClaim'> => ({
  onClaim: book.outcomes(
    {
      name: 'fairslot_people_claims_total',
      help: 'Claims of a person for a release, made or renewed or refused.',
      unit: 'claims',
    },
    ['claimed'],
  ),
});

export const peopleMetrics = (
  book: Book,
): Pick<Watch, 'onOtpAsked' | 'onOtpChecked' | 'onBeneficiary'> => ({
  onOtpAsked: book.outcomes(
    {
      name: 'fairslot_people_otps_asked_total',
      help: 'OTPs asked for to sign in, over all surfaces.',
      unit: 'OTPs',
    },
    ['sent'],
  ),
  onOtpChecked: book.outcomes(
    {
      name: 'fairslot_people_otps_checked_total',
      help: 'Sign-ins tried with an OTP; one that is right signs in.',
      unit: 'sign-ins',
    },
    ['right'],
  ),
  onBeneficiary: book.outcomes(
    {
      name: 'fairslot_people_beneficiaries_total',
      help: 'Beneficiaries registered or removed, or refused either.',
      unit: 'beneficiaries',
    },
    ['registered', 'removed'],
  ),
});
