/** What is made when it is first asked for, and once. */
export function lazily<V extends object>(make: () => V): () => V {
  let made: V | undefined;
  return () => (made ??= make());
}
