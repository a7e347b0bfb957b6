/** A command without an answer for three seconds is given up: on a busy machine, one of thousands. */
const AT_ONCE = 500;

/** Does it for each, some at once and in turn. */
export async function inBatches<Item>(
  items: readonly Item[],
  work: (item: Item, number: number) => Promise<unknown>,
): Promise<void> {
  for (let from = 0; from < items.length; from += AT_ONCE) {
    const batch = items.slice(from, from + AT_ONCE);
    await Promise.all(batch.map((item, at) => work(item, from + at)));
  }
}
