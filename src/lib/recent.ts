/** A cache of a fixed size: of what was asked for lately. */
export type Recent<Key, Value> = {
  /** What is kept under a key, or else what `make` gives: in place of what is longest unused. */
  readonly get: (key: Key, make: () => Value) => Value;
};

/** `most`: values kept, at least 1. */
export function createRecent<Key, Value>(most: number): Recent<Key, Value> {
  const kept = new Map<Key, { readonly value: Value }>(); // a Map is in order of insertion
  const get = (key: Key, make: () => Value): Value => {
    const found = kept.get(key) ?? { value: make() };
    kept.delete(key);
    kept.set(key, found);
    for (const [oldest] of kept) {
      if (kept.size <= most) break;
      kept.delete(oldest);
    }
    return found.value;
  };
  return { get };
}
