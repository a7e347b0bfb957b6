/** All the forms in which a piece of personal data could lie about, to be searched for in bytes. */
import { createHash } from 'node:crypto';

export type Needle = { readonly what: string; readonly bytes: Buffer };

/** Shorter ones would be found by chance. */
const SHORTEST_BYTES = 5;
const HASHES = ['md5', 'sha1', 'sha256', 'sha512'] as const;

/**
 * A mobile, an ID number as it was typed, a name: as written, in lower case, without separators,
 * the last ten digits, each word, escaped, in hex and base64, and hashed without a key.
 */
export function needlesOf(datum: string): Needle[] {
  const spellings = new Set(
    spellingsOf(datum).filter((one) => Buffer.byteLength(one) >= SHORTEST_BYTES),
  );
  return [...spellings].flatMap((spelling) => [
    needle(spelling, 'as it is', spelling),
    needle(spelling, 'in UTF-16', Buffer.from(spelling, 'utf16le')),
    ...encodingsOf(spelling, 'in', Buffer.from(spelling)),
    ...HASHES.flatMap((hash) =>
      encodingsOf(spelling, hash, createHash(hash).update(spelling).digest()),
    ),
    ...escapesOf(spelling).map((escaped) => needle(spelling, 'escaped', escaped)),
  ]);
}

const needle = (spelling: string, form: string, bytes: string | Buffer): Needle => ({
  what: `${spelling} (${form})`,
  bytes: Buffer.from(bytes as string),
});

function spellingsOf(datum: string): string[] {
  const ascii = asciiDigits(datum.normalize('NFKC'));
  const packed = ascii.replaceAll(/[\s+/.'-]/g, '');
  const digits = packed.replaceAll(/\D/g, '');
  const words = datum.split(/\s+/);
  const spellings = [datum, ascii, packed, digits, digits.slice(-10), ...words];
  return spellings.flatMap((one) => [
    one,
    one.toLowerCase(),
    one.toUpperCase(),
    one.normalize('NFD'),
  ]);
}

/** Digits of scripts whose zero is a multiple of ten away from their run, as in Unicode. */
const asciiDigits = (text: string): string =>
  text.replaceAll(/[०-९০-৯]/g, (digit) => String(((digit.codePointAt(0) ?? 0) - 0x966) % 0x80));

/** Base64 begins at any of three places of a longer text; what its neighbours decide is left out. */
function encodingsOf(spelling: string, form: string, bytes: Buffer): Needle[] {
  const hex = bytes.toString('hex');
  const based = (['base64', 'base64url'] as const).flatMap((encoding) =>
    [0, 1, 2].map((before) => {
      const text = Buffer.concat([Buffer.alloc(before), bytes])
        .toString(encoding)
        .replaceAll('=', '');
      const whole = Math.floor(((before + bytes.length) * 8) / 6);
      return text.slice(Math.ceil((before * 8) / 6), whole);
    }),
  );
  return [hex, hex.toUpperCase(), ...based].map((text) =>
    needle(spelling, `${form} hex or base64`, text),
  );
}

function escapesOf(spelling: string): string[] {
  const escaped = spelling.replaceAll(/[^ -~]/g, (character) =>
    Array.from(
      { length: character.length },
      (_, index) => `\\u${character.charCodeAt(index).toString(16).padStart(4, '0')}`,
    ).join(''),
  );
  const found = [encodeURIComponent(spelling), escaped, JSON.stringify(spelling).slice(1, -1)];
  return found.filter((one) => one !== spelling);
}

/** What of it is there. */
export const found = (needles: readonly Needle[], hay: Buffer | string): string[] => {
  const bytes = typeof hay === 'string' ? Buffer.from(hay) : hay;
  return needles.filter((one) => bytes.includes(one.bytes)).map(({ what }) => what);
};
