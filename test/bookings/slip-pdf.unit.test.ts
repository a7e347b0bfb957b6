/** The appointment slip as a PDF, read back by programs that know nothing of how it was made. */
import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { createSlipPrinter } from '../../src/bookings/slip/printer.ts';
import {
  differingHeight,
  drawingsOf,
  factsWith,
  person,
  type Piece,
  readSlip,
  scan,
} from '../support/slips.ts';

const print = createSlipPrinter();
const read = async (...more: Parameters<typeof factsWith>) =>
  readSlip(await print(factsWith(...more)));

const REPLACEMENT = '\u{FFFD}';
/** The four people at most, with the longest of everything, in letters that are as wide as any. */
const LONG = {
  title: 'W'.repeat(120),
  centre: 'W'.repeat(120),
  service: 'W'.repeat(60),
  place: ['W'.repeat(100), 'Mangalwar Peth '.repeat(10)],
  bookingId: `${'p'.repeat(40)}.q1Z8Yp0r7hQ2mJcT5wLxEg.iabcdefghijklmnop`,
};

describe('a slip', () => {
  it('says who, what, where and when, with reference and security code', async () => {
    const place = ['Mangalwar Peth', 'Pune City', 'Maharashtra', '411011'];
    const { drawn, pages } = await read({
      place,
      people: [
        person('Asha Kale', { reference: '98765432101234' }),
        person('Ravi Kale', { idType: 'Voter ID', idMasked: 'XXXX1234', birthYear: 1957 }),
      ],
    });
    expect(pages).toBe(1);
    for (const said of [
      'Pune, 10 April',
      'Asha Kale',
      'Passport XXXX9999',
      'Born 1960',
      'Reference 98765432101234',
      'Ravi Kale',
      'Voter ID XXXX1234',
      'Born 1957',
      'COVISHIELD',
      'Dose 2',
      'Kamla Nehru Hospital',
      place.join(', '),
      '10 April 2021',
      'Saturday, 09:00 to 11:00',
      '0417',
    ])
      expect(drawn).toContain(said);
    expect(drawn.replaceAll(' ', '')).toContain('pune-2021-04-10.q1Z8Yp0r7hQ2mJcT5wLxEg.0');
  });

  it('has the booking reference as a QR code of squares, the longest one too', async () => {
    for (const more of [{}, LONG]) {
      const facts = factsWith(more);
      const slip = await print(facts);
      expect(await scan(slip)).toBe(facts.bookingId);
      expect([...(await drawingsOf(slip))].filter((name) => /image/i.test(name))).toEqual([]);
    }
  });

  it('is the same bytes for the same facts, and says nothing of a person about itself', async () => {
    const slip = await print(factsWith());
    expect(await createSlipPrinter()(factsWith())).toEqual(slip);
    expect(await print(factsWith({ securityCode: '0418' }))).not.toEqual(slip);
    const { info } = await readSlip(slip);
    expect(info).toMatchObject({
      Title: 'Appointment slip',
      Language: 'en-IN',
      CreationDate: 'D:20210410000000Z',
    });
    expect(JSON.stringify(info)).not.toMatch(/Asha|9999|0417|q1Z8/);
  });
});

describe('names', () => {
  test.each([
    ['Hindi', 'कृष्ण श्रीवास्तव', 'ज़िला अस्पताल, लखनऊ'],
    ['Marathi', 'ज्ञानेश्वर दर्‍याखोरे', 'कमला नेहरू रुग्णालय, पुणे'],
    ['Bengali', 'রবীন্দ্রনাথ চট্টোপাধ্যায়', 'ট্রপিক্যাল মেডিসিন কেন্দ্র'],
    ['Latin with signs', 'Āśā Nguyễn-Müller', 'Œuvre Łódź'],
  ])('in %s are there as they were written, every letter drawn', async (_name, name, centre) => {
    const { drawn, written } = await read({ people: [person(name)], centre, title: centre });
    expect(written).toContain(name.normalize('NFC'));
    expect(written.filter((text) => text === centre.normalize('NFC'))).toHaveLength(2);
    expect(drawn).not.toContain(REPLACEMENT);
    expect(written.join()).not.toContain('stands for a letter');
  });

  test.each([
    ['Tamil', 'தமிழ்', 3],
    ['an emoji', 'A😀B', 1],
    ['Hebrew', 'שלום', 4],
    ['a control character', 'A\u0007B', 1],
    ['an override of direction', 'A\u202EB', 1],
    ['a letter that is not seen', 'A\u00ADB', 1],
    ['half a character', 'A\uD800B', 1],
  ])('with %s show a sign for each letter that no font has, and say so', async (_case, name, n) => {
    const { pieces, written } = await read({ people: [person(name)] });
    const signs = pieces.filter(
      ({ left, baseline }) => left < 375 && baseline > 320 && baseline < 364,
    );
    expect(
      signs
        .map(({ text }) => text)
        .join('')
        .split(REPLACEMENT),
    ).toHaveLength(n + 1);
    expect(written.at(-1)).toContain('stands for a letter that cannot be printed here');
  });

  it('that are long are wrapped and made smaller, and reach no other field', async () => {
    const names = [
      'W'.repeat(100),
      'Maria Josefina '.repeat(6),
      'क्ष्म्य'.repeat(14),
      'রবীন্দ্র '.repeat(11),
    ];
    const people = names.map((name) =>
      person(name.trim(), { idType: 'Pension passbook', reference: 'W'.repeat(40) }),
    );
    const slip = await readSlip(await print(factsWith({ ...LONG, people })));
    expect(slip.pages).toBe(1);
    expect(outside(slip)).toEqual([]);
    expect(slip.written).toContain(names[0]);
    // Names end where the column of IDs begins, and stand between the lines of their own row.
    const rows = slip.pieces.filter(({ baseline }) => baseline < 360 && baseline > 142);
    const [left, right] = [
      rows.filter((one) => one.left < 390),
      rows.filter((one) => one.left >= 390),
    ];
    expect(left.filter((one) => one.right > 376)).toEqual([]);
    expect(right).toHaveLength(4 * 4);
    expect(Math.min(...rows.map(({ size }) => size))).toBeGreaterThan(3);
    const inRows = new Set(left.map(({ baseline }) => Math.floor((842 - 478 - baseline) / 54)));
    expect(inRows).toEqual(new Set([0, 1, 2, 3]));
  });

  it('reach no other field by signs that are piled up above a letter, or below', async () => {
    const piled = (name: string) => print(factsWith({ people: [person(name)] }));
    for (const sign of ['\u0301', '\u0323'])
      expect(
        await differingHeight(await piled('A'), await piled(`A${sign.repeat(40)}`)),
        sign,
      ).toBeLessThan(60);
  });

  it('of any kind make one page with all of it inside', async () => {
    const anyText = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 100 }),
      fc.string({ unit: 'grapheme', maxLength: 100 }),
      fc.string({
        unit: fc.integer({ min: 0x900, max: 0x9ff }).map((code) => String.fromCodePoint(code)),
        maxLength: 100,
      }),
      fc.string({
        unit: fc.constantFrom(
          'ক',
          '্',
          'র',
          '\u200D',
          'ি',
          'ী',
          'ন',
          ' ',
          'क',
          '्',
          'र',
          'ि',
          '\u0304',
          'a',
        ),
        maxLength: 100,
      }),
      fc
        .array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 100 })
        .map((codes) => String.fromCharCode(...codes)),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(anyText, { minLength: 1, maxLength: 4 }),
        anyText,
        async (names, centre) => {
          const people = names.map((name) => person(name));
          const slip = await readSlip(await print(factsWith({ people, centre, place: [centre] })));
          expect(slip.pages).toBe(1);
          expect(outside(slip)).toEqual([]);
          expect(slip.drawn).toContain('0417');
        },
      ),
      { numRuns: 60 },
    );
  });
});

/** Pieces that are not within the margins. */
const outside = ({ pieces, width, height }: Awaited<ReturnType<typeof readSlip>>): Piece[] =>
  pieces.filter(
    ({ left, right, baseline, size }) =>
      left < 40 || right > width - 40 || baseline - size < 40 || baseline + size > height - 20,
  );
