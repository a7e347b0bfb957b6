/** Runs at most so many at once; others wait their turn, first come first served. */
export function atMost(most: number): <V>(act: () => Promise<V>) => Promise<V> {
  const waiting: (() => void)[] = [];
  let running = 0;
  return async (act) => {
    if (running < most) running += 1;
    else await new Promise<void>((resolve) => waiting.push(resolve)); // takes over a turn that ends
    try {
      return await act();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else running -= 1;
    }
  };
}
