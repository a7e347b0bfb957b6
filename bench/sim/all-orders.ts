/** Serial dictatorship by brute force: what everyone gets in each order that there is. */
import { permutationsHeap } from 'simple-statistics';
import { present } from '../../src/lib/assert.ts';

export type Wish = { readonly prefs: readonly number[]; readonly size?: number };

/** In how many of all orders each agent gets each slot: by agent, by slot. One pool a slot. */
export function sharesOverAllOrders(
  seats: readonly number[],
  wishes: readonly Wish[],
): readonly (readonly number[])[] {
  const orders = permutationsHeap([...wishes.keys()]);
  const hits = wishes.map(() => seats.map(() => 0));
  for (const order of orders) {
    const free = [...seats];
    for (const agent of order) {
      const { prefs, size = 1 } = present(wishes[agent], 'wish');
      const slot = prefs.find((slot) => present(free[slot], 'slot') >= size);
      if (slot === undefined) continue;
      free[slot] = present(free[slot], 'slot') - size;
      const own = present(hits[agent], 'agent');
      own[slot] = present(own[slot], 'slot') + 1;
    }
  }
  return hits.map((own) => own.map((count) => count / orders.length));
}
