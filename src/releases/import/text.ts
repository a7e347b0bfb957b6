/**
 * Imported texts are shown to people and come back to operators in spreadsheets: what runs as a
 * formula there, or cannot be seen, is refused. Joiners stay, which Indian scripts need.
 */
const UNSEEN = /[\p{Cc}\p{Zl}\p{Zp}\u202A-\u202E\u2066-\u2069]/u;
const FORMULA = /^[=+\-@]/;

/** What is wrong with a text, whatever its length. */
export function textFault(text: string): string | undefined {
  if (FORMULA.test(text)) return 'a formula: it begins with =, +, - or @';
  return UNSEEN.test(text) || !text.isWellFormed() ? 'a text with control characters' : undefined;
}
