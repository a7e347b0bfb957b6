/**
 * Reads that are asked for in one turn of the event loop under one key are one read: all who share
 * it asked before it was sent.
 */
export function together<V>(read: (key: string) => Promise<V>): (key: string) => Promise<V> {
  const asked = new Map<string, Promise<V>>();
  return (key) => {
    const known = asked.get(key);
    if (known) return known;
    if (asked.size === 0) setImmediate(() => asked.clear());
    const reading = read(key);
    asked.set(key, reading);
    return reading;
  };
}
