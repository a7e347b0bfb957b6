/** The known name that a misspelt one was meant as. Pure. */

/** Letters that are left out, put in or changed. */
function distance(a: string, b: string): number {
  let above = Array.from({ length: b.length + 1 }, (_one, at) => at);
  for (const [row, letter] of Array.from(a).entries()) {
    const next = [row + 1];
    for (let at = 0; at < b.length; at += 1) {
      const [left = 0, corner = 0, up = 0] = [next[at], above[at], above[at + 1]];
      next.push(Math.min(left + 1, up + 1, corner + (letter === b[at] ? 0 : 1)));
    }
    above = next;
  }
  return above[b.length] ?? 0;
}

/** Undefined where none is within `most` letters. */
export function nearest(name: string, known: readonly string[], most = 3): string | undefined {
  const [best] = known
    .map((one) => ({ one, far: distance(name, one) }))
    .toSorted((a, b) => a.far - b.far);
  return best && best.far <= most ? best.one : undefined;
}
