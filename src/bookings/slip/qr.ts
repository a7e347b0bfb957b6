/** A QR code as squares on a page: it stays sharp at any size. */
import { create } from 'qrcode';

/** Modules left white on each side (ISO/IEC 18004). */
const QUIET = 4;

type Square = { readonly x: number; readonly y: number; readonly side: number };
type Pen = { rect(x: number, y: number, width: number, height: number): unknown };

/** Draws dark modules, those that touch in a row as one; `square` has the white margin in it. */
export function drawQr(pen: Pen, text: string, square: Square): void {
  const { size, data } = create(text, { errorCorrectionLevel: 'M' }).modules;
  const module = square.side / (size + 2 * QUIET);
  const at = (start: number, number: number): number => start + (number + QUIET) * module;
  for (let row = 0; row < size; row++) {
    for (let from = 0, to = 0; from < size; from = to + 1) {
      for (to = from; to < size && data[row * size + to]; to++);
      if (to > from) pen.rect(at(square.x, from), at(square.y, row), (to - from) * module, module);
    }
  }
}
