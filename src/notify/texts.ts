/**
 * The words of each SMS in each language. A template or a language that is left out does not
 * compile. Digits are European in all of them, as people type them.
 */
import { msFromIso } from '../lib/clock.ts';
import type { Language, Message, Place, Template } from './messages.ts';

/** How names and times are said in one language. */
type Say = {
  /** A name, cut so that the text stays within its segments. */
  readonly name: (text: string) => string;
  /** `11 April` for YYYY-MM-DD. */
  readonly day: (date: string) => string;
  /** `10 April, 21:00 IST` for an RFC 3339 time, in the deployment's time zone. */
  readonly time: (iso: string) => string;
  /** `Kamla Nehru Hospital, 11 April, 09:00`. */
  readonly at: (place: Place) => string;
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
    moved: ({ title, lost, offered, confirmBy }, { name, at, time }) =>
      `${name(title)}: your appointment at ${at(lost)} cannot take place. You are offered ${at(offered)}. Confirm by ${time(confirmBy)}.`,
    displaced: ({ title, lost, waits }, { name, at }) =>
      `${name(title)}: your appointment at ${at(lost)} cannot take place. ${waits ? 'You are first in the next round.' : 'There is no other seat for you in this release.'}`,
    booked: ({ title, centre, date, from, securityCode }, { name, day }) =>
      `${name(title)}: booked at ${name(centre)}, ${day(date)}, ${from}. Security code ${securityCode}: tell it only to the centre, when you are there.`,
    'dose-due': ({ vaccine, dose }) =>
      `${vaccine}: dose ${dose} can be given from today. Enter a release, or book.`,
    carried: ({ title, until }, { name, time }) =>
      `${name(title)}: you are entered, as you asked for until ${time(until)}. Withdraw at any time.`,
    'standing-over': ({ title, until }, { name, time }) =>
      `${name(title)}: you are no longer entered by yourself, as you asked for until ${time(until)}. Enter again if you like.`,
  },
  hi: {
    otp: ({ otp }) => `${otp} आपका साइन-इन OTP है, 3 मिनट तक मान्य। इसे किसी को न बताएँ।`,
    offer: ({ title, centre, date, from, confirmBy }, { name, day, time }) =>
      `${name(title)}: ${name(centre)} में ${day(date)} को ${from} बजे आपके लिए एक सीट है। ${time(confirmBy)} तक पुष्टि करें।`,
    moved: ({ title, lost, offered, confirmBy }, { name, at, time }) =>
      `${name(title)}: ${at(lost)} की आपकी अपॉइंटमेंट नहीं हो पाएगी। नई सीट: ${at(offered)}। ${time(confirmBy)} तक पुष्टि करें।`,
    displaced: ({ title, lost, waits }, { name, at }) =>
      `${name(title)}: ${at(lost)} की आपकी अपॉइंटमेंट नहीं हो पाएगी। ${waits ? 'अगले दौर में आप सबसे पहले हैं।' : 'इसमें आपके लिए और कोई सीट नहीं है।'}`,
    booked: ({ title, centre, date, from, securityCode }, { name, day }) =>
      `${name(title)}: ${name(centre)} में ${day(date)} को ${from} बजे की बुकिंग पक्की है। सुरक्षा कोड ${securityCode}, केवल केंद्र पर पहुँचकर बताएँ।`,
    'dose-due': ({ vaccine, dose }) => `${vaccine}: खुराक ${dose} आज से लग सकती है। आवेदन करें।`,
    carried: ({ title, until }, { name, time }) =>
      `${name(title)}: ${time(until)} तक के आपके अनुरोध पर आपका नाम शामिल किया गया है। आप नाम कभी भी वापस ले सकते हैं।`,
    'standing-over': ({ title, until }, { name, time }) =>
      `${name(title)}: आपका अनुरोध ${time(until)} तक था, अब आपका नाम अपने-आप शामिल नहीं होगा। चाहें तो फिर से आवेदन करें।`,
  },
  mr: {
    otp: ({ otp }) => `${otp} हा तुमचा साइन-इन OTP आहे, 3 मिनिटे वैध. तो कोणालाही सांगू नका.`,
    offer: ({ title, centre, date, from, confirmBy }, { name, day, time }) =>
      `${name(title)}: ${name(centre)} येथे ${day(date)} रोजी ${from} वाजता तुमच्यासाठी एक जागा आहे. ${time(confirmBy)} पर्यंत निश्चित करा.`,
    moved: ({ title, lost, offered, confirmBy }, { name, at, time }) =>
      `${name(title)}: ${at(lost)} ही तुमची अपॉइंटमेंट होऊ शकत नाही. नवी जागा: ${at(offered)}. ${time(confirmBy)} पर्यंत निश्चित करा.`,
    displaced: ({ title, lost, waits }, { name, at }) =>
      `${name(title)}: ${at(lost)} ही तुमची अपॉइंटमेंट होऊ शकत नाही. ${waits ? 'पुढच्या फेरीत तुम्ही सर्वांत आधी आहात.' : 'यात तुमच्यासाठी दुसरी जागा नाही.'}`,
    booked: ({ title, centre, date, from, securityCode }, { name, day }) =>
      `${name(title)}: ${name(centre)} येथे ${day(date)} रोजी ${from} वाजता बुकिंग निश्चित झाले. सुरक्षा कोड ${securityCode}, फक्त केंद्रावर पोहोचल्यावर सांगा.`,
    'dose-due': ({ vaccine, dose }) => `${vaccine}: डोस ${dose} आजपासून घेता येईल. अर्ज करा.`,
    carried: ({ title, until }, { name, time }) =>
      `${name(title)}: ${time(until)} पर्यंतच्या तुमच्या विनंतीनुसार तुमचे नाव नोंदवले आहे. ते केव्हाही मागे घेऊ शकता.`,
    'standing-over': ({ title, until }, { name, time }) =>
      `${name(title)}: तुमची विनंती ${time(until)} पर्यंत होती, आता तुमचे नाव आपोआप नोंदवले जाणार नाही. हवे असल्यास पुन्हा अर्ज करा.`,
  },
  bn: {
    otp: ({ otp }) => `${otp} আপনার সাইন-ইন OTP, 3 মিনিট বৈধ। এটি কাউকে বলবেন না।`,
    offer: ({ title, centre, date, from, confirmBy }, { name, day, time }) =>
      `${name(title)}: ${name(centre)}-এ ${day(date)} তারিখে ${from} টায় আপনার জন্য একটি আসন আছে। ${time(confirmBy)}-এর মধ্যে নিশ্চিত করুন।`,
    moved: ({ title, lost, offered, confirmBy }, { name, at, time }) =>
      `${name(title)}: ${at(lost)}: আপনার এই অ্যাপয়েন্টমেন্ট হতে পারছে না। নতুন আসন: ${at(offered)}। ${time(confirmBy)}-এর মধ্যে নিশ্চিত করুন।`,
    displaced: ({ title, lost, waits }, { name, at }) =>
      `${name(title)}: ${at(lost)}: আপনার এই অ্যাপয়েন্টমেন্ট হতে পারছে না। ${waits ? 'পরের পর্বে আপনি সবার আগে।' : 'এতে আপনার জন্য আর কোনো আসন নেই।'}`,
    booked: ({ title, centre, date, from, securityCode }, { name, day }) =>
      `${name(title)}: ${name(centre)}-এ ${day(date)} তারিখে ${from} টায় বুকিং নিশ্চিত। নিরাপত্তা কোড ${securityCode}, শুধু কেন্দ্রে পৌঁছে বলুন।`,
    'dose-due': ({ vaccine, dose }) => `${vaccine}: ডোজ ${dose} আজ থেকে নেওয়া যাবে। আবেদন করুন।`,
    carried: ({ title, until }, { name, time }) =>
      `${name(title)}: ${time(until)} পর্যন্ত আপনার অনুরোধ অনুযায়ী আপনার নাম দেওয়া হয়েছে। যেকোনো সময় তা ফিরিয়ে নিতে পারেন।`,
    'standing-over': ({ title, until }, { name, time }) =>
      `${name(title)}: আপনার অনুরোধ ${time(until)} পর্যন্ত ছিল, এখন আপনার নাম আর নিজে থেকে দেওয়া হবে না। চাইলে আবার আবেদন করুন।`,
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
  const name = (text: string): string => cut(text, graphemes);
  const day = (iso: string): string => date.format(msFromIso(iso));
  return {
    name,
    day,
    at: ({ centre, date, from }) => `${name(centre)}, ${day(date)}, ${from}`,
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
