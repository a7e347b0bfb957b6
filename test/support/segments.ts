/** How many SMS a text takes (3GPP TS 23.038): GSM-7 where every letter is in it, UCS-2 otherwise. */
const GSM_7 = new Set(
  '@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !"#¤%&\'()*+,-./0123456789:;<=>?' +
    '¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà',
);
/** Two septets each. */
const GSM_7_EXTENSION = new Set('\f^{}\\[~]|€');

export function segmentsOf(text: string): number {
  const letters = Array.from(text);
  const inGsm = letters.every((letter) => GSM_7.has(letter) || GSM_7_EXTENSION.has(letter));
  const length = inGsm
    ? letters.reduce((sum, letter) => sum + (GSM_7_EXTENSION.has(letter) ? 2 : 1), 0)
    : text.length;
  const [alone, joined] = inGsm ? [160, 153] : [70, 67];
  return length <= alone ? 1 : Math.ceil(length / joined);
}
