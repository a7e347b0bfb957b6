/** The words of every SMS, in every language: whole, readable, and within their segments. */
import { describe, expect, it } from 'vitest';
import {
  LANGUAGES,
  type Language,
  type Message,
  type Template,
  TEMPLATES,
} from '../../src/notify/messages.ts';
import { VACCINE_NAMES } from '../../src/people/vaccines.ts';
import { createTexts, isTimeZone } from '../../src/notify/texts.ts';
import { segmentsOf } from '../support/segments.ts';

const SAMPLES: { readonly [T in Template]: Extract<Message, { template: T }> } = {
  otp: { template: 'otp', otp: '493021' },
  offer: {
    template: 'offer',
    title: 'Pune, 11 April',
    centre: 'Kamla Nehru Hospital',
    date: '2027-09-28',
    from: '09:00',
    confirmBy: '2027-09-27T18:29:00.000Z',
  },
  moved: {
    template: 'moved',
    title: 'Pune, 11 April',
    lost: { centre: 'Kamla Nehru Hospital', date: '2027-09-28', from: '09:00' },
    offered: { centre: 'Sassoon Hospital', date: '2027-09-28', from: '11:00' },
    confirmBy: '2027-09-27T18:29:00.000Z',
  },
  displaced: {
    template: 'displaced',
    title: 'Pune, 11 April',
    lost: { centre: 'Kamla Nehru Hospital', date: '2027-09-28', from: '09:00' },
    waits: true,
  },
  booked: {
    template: 'booked',
    title: 'Pune, 11 April',
    centre: 'Kamla Nehru Hospital',
    date: '2027-09-28',
    from: '09:00',
    securityCode: '0471',
  },
  'dose-due': { template: 'dose-due', vaccine: 'COVISHIELD', dose: 2 },
  carried: { template: 'carried', title: 'Pune, 11 April', until: '2027-09-27T18:29:00.000Z' },
  'standing-over': {
    template: 'standing-over',
    title: 'Pune, 11 April',
    until: '2027-09-27T18:29:00.000Z',
  },
};
/** The same with every name replaced, however deep. */
const renamed = (message: Message, name: string): Message =>
  JSON.parse(JSON.stringify(message), (key, value: unknown) =>
    key === 'title' || key === 'centre' ? name : value,
  ) as Message;
/** All that must be read in the text as it is: names, times of day, an OTP. */
const said = (value: unknown): string[] => {
  if (typeof value === 'string' || typeof value === 'number') return [String(value)];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value)
    .filter(([key]) => !['template', 'date', 'confirmBy', 'until'].includes(key))
    .flatMap(([, one]) => said(one));
};
const ALL = LANGUAGES.flatMap((language) =>
  Object.values(SAMPLES).map((message) => ({ language, template: message.template, message })),
);
const inIndia = createTexts('Asia/Kolkata');

/** The longest that a manifest allows, 120 characters. */
const LONGEST = { latin: 'W'.repeat(120), devanagari: 'क्षि'.repeat(30), bengali: 'ক্ষি'.repeat(30) };
const SCRIPT: Readonly<Record<Language, RegExp>> = {
  en: /^[\x20-\x7e]+$/,
  hi: /\p{Script=Devanagari}/u,
  mr: /\p{Script=Devanagari}/u,
  bn: /\p{Script=Bengali}/u,
};

describe.each(ALL)('$template in $language', ({ language, template, message }) => {
  it('is in its script, and says all there is to say', () => {
    const text = inIndia(message, language);
    expect(text).toMatch(SCRIPT[language]);
    expect(text).not.toMatch(/undefined|NaN|\[object|Z\b/);
    for (const value of said(message)) expect(text).toContain(value);
    if ('confirmBy' in message || 'until' in message) expect(text).toMatch(/\b27 \S+, 23:59 IST/);
    if ('date' in message || 'lost' in message) expect(text).toMatch(/\b28 /);
  });

  it.each(Object.entries(LONGEST))(
    'stays within its segments with the longest names in %s letters',
    (_letters, longest) => {
      const text = createTexts('Pacific/Apia')(renamed(message, longest), language);
      expect(segmentsOf(text), text).toBeLessThanOrEqual(TEMPLATES[template].segments);
    },
  );
});

describe('an English offer with usual names', () => {
  it('takes one SMS', () => {
    expect(segmentsOf(inIndia(SAMPLES.offer, 'en'))).toBe(1);
  });
});

describe.each(LANGUAGES)('a next dose, in %s', (language) => {
  it('is one SMS for each vaccine', () => {
    for (const vaccine of VACCINE_NAMES)
      expect(
        segmentsOf(inIndia({ ...SAMPLES['dose-due'], vaccine }, language)),
        vaccine,
      ).toBeLessThanOrEqual(TEMPLATES['dose-due'].segments);
  });
});

describe.each(LANGUAGES)('a displaced person, in %s', (language) => {
  it('is told whether a next round may help', () => {
    const over = inIndia({ ...SAMPLES.displaced, waits: false }, language);
    expect(over).not.toBe(inIndia(SAMPLES.displaced, language));
    expect(over).toMatch(SCRIPT[language]);
    const longest = Object.values(LONGEST).map((name) =>
      renamed({ ...SAMPLES.displaced, waits: false }, name),
    );
    for (const message of longest)
      expect(segmentsOf(createTexts('Pacific/Apia')(message, language))).toBeLessThanOrEqual(
        TEMPLATES.displaced.segments,
      );
  });
});

describe('a name that is too long', () => {
  it('is cut between letters, never between a letter and its signs', () => {
    const text = inIndia({ ...SAMPLES.offer, title: LONGEST.devanagari }, 'hi');
    expect(text).toMatch(/^(?:क्षि)+\.\.\.: /);
  });
});

describe('a deadline', () => {
  const timeIn = (zone: string) => createTexts(zone)(SAMPLES.offer, 'en').split('Confirm by ')[1];

  it('is shown in the time zone of the deployment, which it names', () => {
    expect(timeIn('Asia/Kolkata')).toBe('27 September, 23:59 IST.');
    expect(timeIn('UTC')).toBe('27 September, 18:29 UTC.');
    expect(timeIn('Asia/Tokyo')).toMatch(/^28 September, 03:29 /);
  });

  it('needs a time zone that exists', () => {
    expect(isTimeZone('Asia/Kolkata')).toBe(true);
    expect(isTimeZone('Asia/Pune')).toBe(false);
    expect(isTimeZone('')).toBe(false);
  });
});

describe('the count of segments', () => {
  it.each([
    ['a'.repeat(160), 1],
    ['a'.repeat(161), 2],
    ['a'.repeat(306), 2],
    ['a'.repeat(307), 3],
    ['€'.repeat(80), 1],
    ['€'.repeat(81), 2],
    ['क'.repeat(70), 1],
    ['क'.repeat(71), 2],
    ['क'.repeat(134), 2],
    ['क'.repeat(135), 3],
    [`${'a'.repeat(70)}ñ`, 1],
    [`${'a'.repeat(70)}ă`, 2],
  ])('is right for %s', (text, segments) => {
    expect(segmentsOf(text)).toBe(segments);
  });
});
