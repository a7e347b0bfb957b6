/**
 * The words of each SMS in each language. A template or a language that is left out does not
 * compile. Digits are European in all of them, as people type them.
 */
import { msFromIso } from '../lib/clock.ts';
import type { Language, Message, Template } from './messages.ts';

/** How names and times are said in one language. */
type Say = {
  /** A name, cut so that the text stays within its segments. */
  readonly name: (text: string) => string;
  /** `11 April` for YYYY-MM-DD. */
  readonly day: (date: string) => string;
  /** `10 April, 21:00 IST` for an RFC 3339 time, in the deployment's time zone. */
  readonly time: (iso: string) => string;
};

type Texts = {
  readonly [T in Template]: (message: Extract<Message, { template: T }>, say: Say) => string;
};

const TEXTS: Readonly<Record<Language, Texts>> = {
  en: {
    otp: ({ otp }) =>
      `${otp} is your OTP to sign in. It is valid for 3 minutes. Tell it to nobody.`,
    offer: ({ title, centre, date, from, confirmBy }, { name, day, time }) =>
      `${name(title)}: a seat for you at ${name(centre)}, ${day(date)}, ${from}. Confirm by ${time(confirmBy)}.`,
  },
  hi: {
    otp: ({ otp }) => `${otp} आपका साइन-इन OTP है, 3 मिनट तक मान्य। इसे किसी को न बताएँ।`,
    offer: ({ title, centre, date, from, confirmBy }, { name, day, time }) =>
      `${name(title)}: ${name(centre)} में ${day(date)} को ${from} बजे आपके लिए एक सीट है। ${time(confirmBy)} तक पुष्टि करें।`,
  },
  mr: {
    otp: ({ otp }) => `${otp} हा तुमचा साइन-इन OTP आहे, 3 मिनिटे वैध. तो कोणालाही सांगू नका.`,
    offer: ({ title, centre, date, from, confirmBy }, { name, day, time }) =>
      `${name(title)}: ${name(centre)} येथे ${day(date)} रोजी ${from} वाजता तुमच्यासाठी एक जागा आहे. ${time(confirmBy)} पर्यंत निश्चित करा.`,
  },
  bn: {
    otp: ({ otp }) => `${otp} আপনার সাইন-ইন OTP, 3 মিনিট বৈধ। এটি কাউকে বলবেন না।`,
    offer: ({ title, centre, date, from, confirmBy }, { name, day, time }) =>
      `${name(title)}: ${name(centre)}-এ ${day(date)} তারিখে ${from} টায় আপনার জন্য একটি আসন আছে। ${time(confirmBy)}-এর মধ্যে নিশ্চিত করুন।`,
  },
};

/** In UTF-16 units, which is what an SMS outside GSM-7 counts. */
const NAME_LENGTH = 40;
const CUT = '...'; // three dots are in every alphabet of SMS, the one character is not

export type TextOf = (message: Message, language: Language) => string;

/** `timeZone`: an IANA name; a manifest holds instants only, and says nothing of its place. */
export function createTexts(timeZone: string): TextOf {
  const saying = new Map<Language, Say>();
  return (message, language) => {
    const say = saying.get(language) ?? sayIn(language, timeZone);
    saying.set(language, say);
    const text = TEXTS[language][message.template] as (message: Message, say: Say) => string;
    return text(message, say);
  };
}

function sayIn(language: Language, timeZone: string): Say {
  const locale = `${language}-IN-u-nu-latn`;
  const dayIn = (zone: string): Intl.DateTimeFormat =>
    new Intl.DateTimeFormat(locale, { timeZone: zone, day: 'numeric', month: 'long' });
  const [date, local] = [dayIn('UTC'), dayIn(timeZone)];
  // The zone's letters are the same in all languages: people know IST from clocks and tickets.
  const clock = new Intl.DateTimeFormat('en-IN-u-nu-latn', {
    timeZone,
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
    timeZoneName: 'short',
  });
  const graphemes = new Intl.Segmenter(locale, { granularity: 'grapheme' });
  return {
    name: (text) => cut(text, graphemes),
    day: (day) => date.format(msFromIso(day)),
    time: (iso) => `${local.format(msFromIso(iso))}, ${clock.format(msFromIso(iso))}`,
  };
}

/** Never through a letter and its vowel sign. */
function cut(text: string, graphemes: Intl.Segmenter): string {
  if (text.length <= NAME_LENGTH) return text;
  let end = 0;
  for (const { index, segment } of graphemes.segment(text)) {
    if (index + segment.length > NAME_LENGTH - CUT.length) break;
    end = index + segment.length;
  }
  return `${text.slice(0, end).trimEnd()}${CUT}`;
}

/** Whether this is the name of a time zone. */
export function isTimeZone(name: string): boolean {
  try {
    return Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}
