import { describe, expect, it } from 'vitest';
import { readAttestations } from '../../src/people/attest-file.ts';

const HEADER = 'id_type,id_number,categories';
const read = (...rows: string[]) => readAttestations([HEADER, ...rows].join('\n'));

describe('a file of attestations', () => {
  it('gives each row, its number in one spelling', () => {
    expect(
      read(
        'passport,ab-12 34,senior; frontline',
        'aadhaar,2345 6789 0123,',
        '',
        'pan,abcde1234f,x',
      ),
    ).toEqual([
      { idType: 'passport', idNumber: 'AB1234', categories: ['senior', 'frontline'] },
      { idType: 'aadhaar', idNumber: '234567890123', categories: [] },
      { idType: 'pan', idNumber: 'ABCDE1234F', categories: ['x'] },
    ]);
  });

  it('may have its columns in any order, and others beside them', () => {
    expect(
      readAttestations('\uFEFFname,categories,id_number,id_type\nAsha,senior,AB1234,passport'),
    ).toEqual([{ idType: 'passport', idNumber: 'AB1234', categories: ['senior'] }]);
  });

  it('is refused as a whole, with every bad row and without its number', () => {
    const answer = read(
      'passport,AB1234,senior',
      'library-card,AB1234,senior',
      'aadhaar,1234,senior',
      'passport,ab 1234,frontline',
      'passport,AB1235,open',
      'passport,AB1236,Senior citizens',
      `passport,AB1237,${Array.from({ length: 33 }, (_one, i) => `c${i}`).join(';')}`,
    );
    expect(answer).toEqual({
      bad: [
        { line: 3, reason: expect.stringContaining('ID type') },
        { line: 4, reason: expect.stringContaining('aadhaar') },
        { line: 5, reason: 'this ID stands on line 2 already' },
        { line: 6, reason: expect.stringContaining('category') },
        { line: 7, reason: expect.stringContaining('category') },
        { line: 8, reason: expect.stringContaining('32') },
      ],
    });
    expect(JSON.stringify(answer)).not.toMatch(/AB12|ab 12|1234"/);
  });

  it.each([
    ['', 1],
    [HEADER, 1],
    ['id_type,number\npassport,AB1234\npassport,AB1235', 1],
    [`${HEADER}\npassport,AB1234`, 2],
    [`${HEADER}\n"passport,AB1234,x`, 2],
  ])('is refused when it is no such file: %j', (csv, line) => {
    expect(readAttestations(csv)).toEqual({ bad: [{ line, reason: expect.any(String) }] });
  });
});
