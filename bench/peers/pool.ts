/** Things of which each is used by one caller at a time, who come first being served first. */
export function createPool<Thing>(things: readonly Thing[]): {
  readonly use: <Result>(work: (thing: Thing) => Promise<Result>) => Promise<Result>;
} {
  const free = [...things];
  const waiting: ((thing: Thing) => void)[] = [];
  return {
    use: async (work) => {
      const thing =
        free.pop() ??
        (await new Promise<Thing>((resolve) => {
          waiting.push(resolve);
        }));
      try {
        return await work(thing);
      } finally {
        const next = waiting.shift();
        if (next) next(thing);
        else free.push(thing);
      }
    },
  };
}
