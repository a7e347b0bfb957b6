/** What doses allow: the next one of the same vaccine, after its interval, and no dose twice. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Dose,
  doseProblem,
  nextDose,
  packDoses,
  unpackDoses,
  VACCINE_NAMES,
  vaccinationStatusOf,
  vaccineOf,
} from '../../src/people/vaccines.ts';

const given = (dose: number, vaccine: Dose['vaccine'], date: string): Dose => ({
  dose,
  vaccine,
  date,
  booking: `evening.AAAAAAAAAAAAAAAAAAAAAA.${dose}`,
  batch: 'B1',
});
const first = given(1, 'COVISHIELD', '2021-04-10');
const second = given(2, 'COVISHIELD', '2021-07-03');

describe('a service', () => {
  it.each([
    ['COVISHIELD', 2, 84],
    ['COVAXIN', 2, 28],
    ['SPUTNIK V', 2, 21],
    ['ZYCOV-D', 3, 28],
    ['CORBEVAX', 2, 28],
    ['COVOVAX', 2, 21],
    ['SPUTNIK LIGHT', 1, 0],
    ['INCOVACC', 2, 28],
  ])('%s has %i doses, %i days apart', (name, doses, intervalDays) => {
    expect(vaccineOf(name)).toEqual({ name, doses, intervalDays });
    expect(vaccineOf(` ${name.toLowerCase()} `)?.name).toBe(name);
  });

  it('that is no vaccine asks nothing of anybody', () => {
    expect(vaccineOf('passport')).toBeUndefined();
    expect(doseProblem([], { service: 'passport', dose: 2, date: '2021-04-10' })).toBeUndefined();
  });
});

describe('a dose', () => {
  const covishield = (dose: number, date: string, doses: readonly Dose[]) =>
    doseProblem(doses, { service: 'Covishield', dose, date });

  it('is for whoever has the one before, from the first day after the interval', () => {
    expect(covishield(1, '2021-04-10', [])).toBeUndefined();
    expect(covishield(2, '2021-07-02', [first])).toEqual({ dueFrom: '2021-07-03' });
    expect(covishield(2, '2021-07-03', [first])).toBeUndefined();
    expect(nextDose(first)).toEqual({ dose: 2, dueFrom: '2021-07-03' });
  });

  it('is for nobody twice, nor without the one before of the same vaccine', () => {
    expect(covishield(1, '2022-01-01', [first])).toEqual({ dueFrom: null });
    expect(covishield(2, '2022-01-01', [first, second])).toEqual({ dueFrom: null });
    expect(covishield(2, '2022-01-01', [])).toEqual({ dueFrom: null });
    const other = given(1, 'COVAXIN', '2021-04-10');
    expect(covishield(2, '2022-01-01', [other])).toEqual({ dueFrom: null });
    expect(covishield(1, '2022-01-01', [other])).toEqual({ dueFrom: null });
  });

  it('completes a person with the last one of its vaccine', () => {
    expect(vaccinationStatusOf([])).toBe('not-vaccinated');
    expect(vaccinationStatusOf([first])).toBe('partially-vaccinated');
    expect(vaccinationStatusOf([first, second])).toBe('vaccinated');
    const light = given(1, 'SPUTNIK LIGHT', '2021-04-10');
    expect(vaccinationStatusOf([light])).toBe('vaccinated');
    expect(nextDose(light)).toBeUndefined();
    expect(nextDose(second)).toBeUndefined();
    const zycov = given(2, 'ZYCOV-D', '2021-12-20');
    expect(vaccinationStatusOf([zycov])).toBe('partially-vaccinated');
    expect(nextDose(zycov)).toEqual({ dose: 3, dueFrom: '2022-01-17' });
  });
});

it('what is kept of doses is what they were, whatever a batch is called', () => {
  const dose = fc.record({
    dose: fc.integer({ min: 1, max: 9 }),
    vaccine: fc.constantFrom(...VACCINE_NAMES),
    date: fc.constantFrom('2021-04-10', '2099-12-31'),
    booking: fc.constant(first.booking),
    batch: fc.stringMatching(/^[ -~]{1,40}$/),
  });
  fc.assert(
    fc.property(fc.array(dose), (doses) => {
      expect(unpackDoses(packDoses(doses))).toEqual(doses);
    }),
  );
});
