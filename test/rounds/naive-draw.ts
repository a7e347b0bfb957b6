/**
 * The draw once more, written from docs/draw.md and from nothing else: objects, lists, no care for
 * speed, and no code in common with the engine but SHA-256. The fast one must give the same bytes.
 */
import { createHash } from 'node:crypto';

export type NaiveManifest = {
  readonly release: string;
  readonly dereserve_after_round: number | null;
  readonly slots: readonly {
    readonly slot: string;
    readonly pools: readonly { readonly pool: string; readonly seats: number }[];
  }[];
};
export type NaiveEntry = {
  readonly cats: readonly string[];
  readonly entry: string;
  readonly prefs: readonly string[];
  readonly size: number;
};
export type NaiveSince = Readonly<
  Record<'cancelled' | 'closed' | 'expired' | 'withdrawn', readonly string[]>
> & { readonly lost: readonly (readonly [slot: string, pool: string, seats: number])[] };
export type NaiveStanding = NaiveEntry & {
  state: 'waits' | 'displaced' | 'holds' | 'gone';
  slot: string | null;
  pool: string | null;
};
export type NaiveState = {
  readonly manifest: NaiveManifest;
  /** Everyone of every round, in the order that they have. */
  readonly queue: NaiveStanding[];
  /** `seats`: free or held, as operators and dereserving left them. */
  readonly pools: { readonly slot: string; readonly pool: string; seats: number; free: number }[];
  round: number;
  previous: string;
};

const H = (...parts: readonly (Buffer | string)[]): string => {
  const hasher = createHash('sha256');
  for (const part of parts) hasher.update(part);
  return hasher.digest('hex');
};
const bytes = (hash: string): Buffer => Buffer.from(hash, 'hex');
const idBytes = (entry: string): Buffer => Buffer.from(entry, 'base64url');
const byId = (a: string, b: string): number => Buffer.compare(idBytes(a), idBytes(b));

/** Enough of RFC 8785 for documents of strings, whole numbers and nulls. */
function JCS(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(JCS).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([name, member]) => `${JCS(name)}:${JCS(member)}`).join(',')}}`;
}

const tag = (name: string): Buffer =>
  Buffer.concat([Buffer.from(`fairslot/v1/${name}`), Buffer.of(0)]);

const leafOf = ({ cats, entry, prefs, size }: NaiveEntry): string =>
  H(Buffer.of(0), JCS({ cats, entry, prefs, size }));

function rootOf(leaves: readonly string[]): string {
  if (leaves.length === 0) return H('');
  const [only] = leaves;
  if (only !== undefined && leaves.length === 1) return only;
  let split = 1;
  while (split * 2 < leaves.length) split *= 2;
  const [left, right] = [rootOf(leaves.slice(0, split)), rootOf(leaves.slice(split))];
  return H(Buffer.of(1), bytes(left), bytes(right));
}

const TRUST =
  'the operator: the values of a hash chain were fixed before the release opened, but the operator knew them while entries came in';

export const naiveStart = (manifest: NaiveManifest): NaiveState => ({
  manifest,
  queue: [],
  pools: manifest.slots.flatMap(({ slot, pools }) =>
    pools.map(({ pool, seats }) => ({ slot, pool, seats, free: seats })),
  ),
  round: 0,
  previous: '0'.repeat(64),
});

function happen(state: NaiveState, since: NaiveSince): void {
  const find = (id: string, states: readonly string[]): NaiveStanding => {
    const found = state.queue.find(({ entry, state }) => entry === id && states.includes(state));
    if (!found) throw new Error(`${id} does not fit`);
    return found;
  };
  for (const id of [...since.cancelled, ...since.expired]) {
    const entry = find(id, ['holds']);
    for (const pool of state.pools)
      if (pool.slot === entry.slot && pool.pool === entry.pool) pool.free += entry.size;
    entry.state = 'gone';
  }
  for (const slot of since.closed) {
    for (const pool of state.pools) if (pool.slot === slot) pool.free = pool.seats = 0;
    for (const entry of state.queue)
      if (entry.state === 'holds' && entry.slot === slot) entry.state = 'displaced';
  }
  for (const [slot, name, seats] of since.lost) {
    const pool = state.pools.find((one) => one.slot === slot && one.pool === name)!;
    for (const entry of state.queue.toReversed())
      if (
        pool.free < seats &&
        entry.state === 'holds' &&
        entry.slot === slot &&
        entry.pool === name
      ) {
        entry.state = 'displaced';
        pool.free += entry.size;
      }
    pool.free -= seats;
    pool.seats -= seats;
  }
  for (const id of since.withdrawn) find(id, ['waits', 'displaced']).state = 'gone';
  const after = state.manifest.dereserve_after_round;
  if (after === null || state.round <= after) return;
  for (const pool of state.pools)
    if (pool.pool !== 'open') {
      const open = state.pools.find((one) => one.slot === pool.slot && one.pool === 'open')!;
      open.free += pool.free;
      open.seats += pool.free;
      pool.seats -= pool.free;
      pool.free = 0;
    }
}

function serve(state: NaiveState, entry: NaiveStanding): void {
  for (const slot of entry.prefs)
    for (const pool of state.pools) {
      if (pool.slot !== slot || pool.free < entry.size) continue;
      if (pool.pool !== 'open' && !entry.cats.includes(pool.pool)) continue;
      pool.free -= entry.size;
      Object.assign(entry, { state: 'holds', slot, pool: pool.pool });
      return;
    }
}

export type NaiveRound = {
  readonly since: NaiveSince;
  readonly entries: readonly NaiveEntry[];
  readonly sealedAt: string;
  /** s_(round + 1) in hex. */
  readonly preimage: string;
};

/** Plays the next round and gives its transcript. */
export function naiveRound(state: NaiveState, input: NaiveRound): { text: string; digest: string } {
  const { manifest, round, previous } = state;
  const { release } = manifest;
  const since = {
    cancelled: input.since.cancelled.toSorted(byId),
    closed: input.since.closed.toSorted(),
    expired: input.since.expired.toSorted(byId),
    lost: input.since.lost.toSorted((a, b) =>
      a.slice(0, 2).join('|') < b.slice(0, 2).join('|') ? -1 : 1,
    ),
    withdrawn: input.since.withdrawn.toSorted(byId),
  };
  const entries = input.entries.toSorted((a, b) => byId(a.entry, b.entry));
  const seal = {
    release,
    round,
    manifest_hash: H(JCS(manifest)),
    previous,
    since_hash: H(JCS(since)),
    count: entries.length,
    root: rootOf(entries.map(leafOf)),
    cut_at: input.sealedAt,
    sealed_at: input.sealedAt,
    beacon: { kind: 'hash-chain', step: round + 1 },
  };
  const beacon = { kind: 'hash-chain', step: round + 1, preimage: input.preimage };
  const roundBytes = Buffer.alloc(4);
  roundBytes.writeUInt32BE(round);
  const seed = H(
    tag('seed'),
    bytes(seal.manifest_hash),
    roundBytes,
    bytes(previous),
    bytes(seal.root),
    bytes(input.preimage),
  );

  const last = state.pools.map(({ free }) => free);
  happen(state, since);
  const before = state.pools.map(({ free }) => free);
  const waited = [
    ...state.queue.filter(({ state }) => state === 'displaced'),
    ...state.queue.filter(({ state }) => state === 'waits'),
  ];
  for (const entry of waited) serve(state, entry);
  const offers = waited.filter(({ state }) => state === 'holds');
  const drawn = entries
    .map((entry) => ({ entry, key: H(tag('rank'), bytes(seed), idBytes(entry.entry)) }))
    .toSorted((a, b) => (a.key < b.key ? -1 : 1))
    .map(({ entry, key }) => {
      const standing: NaiveStanding = { ...entry, state: 'waits', slot: null, pool: null };
      serve(state, standing);
      state.queue.push(standing);
      return { ...entry, key, leaf: leafOf(entry), pool: standing.pool, slot: standing.slot };
    });

  const lines = [
    ...(round === 0 ? [{ kind: 'manifest', manifest }] : []),
    { kind: 'since', since },
    { kind: 'seal', seal },
    { kind: 'beacon', beacon, seed, trust: TRUST },
    ...offers.map(({ entry, pool, slot }) => ({ kind: 'offer', entry, pool, slot })),
    ...drawn.map((entry) => ({ kind: 'entry', ...entry })),
    {
      kind: 'seats',
      seats: state.pools
        .map(({ slot, pool, free }, i) => [slot, pool, before[i], free] as const)
        .filter(([, , start, end], i) => round === 0 || start !== last[i] || end !== last[i]),
    },
  ];
  const text = lines.map((line) => `${JCS(line)}\n`).join('');
  const transcript_sha256 = H(text);
  const digest = H(
    JCS({ beacon, release, round, seal, seed, since, transcript_sha256, trust: TRUST }),
  );
  state.round += 1;
  state.previous = digest;
  return { text: `${text}${JCS({ kind: 'digest', digest, transcript_sha256 })}\n`, digest };
}
