/**
 * Requests a minute that each limit lets through, by whom they are counted for. Nothing else says
 * so: settings, headers and the table of docs/limits.md follow this one.
 *
 * What is fair is counted by account and by device; a person has one account, and a claim that is
 * theirs alone. Networks only bound a flood, since a carrier hides a town behind one. An address
 * counts where nothing better is known: a limit that counts devices leaves out the address of
 * whoever comes with one, or a neighbour behind the same NAT could use it up for them.
 */
export const LIMIT_TABLE = {
  /** Reads. */
  read: { address: 600, network: 30_000, account: 120 },
  /** Reads that are answered from memory (CoWIN, result files); so is the count (`IN_MEMORY`). */
  discovery: { address: 600, network: 30_000, account: 120 },
  /** Beneficiaries, entries, bookings at once. */
  write: { address: 240, network: 12_000, account: 30, device: 60 },
  /**
   * Offers confirmed, bookings cancelled. Apart, so that editing an entry to the last moment leaves
   * the right to confirm.
   */
  answer: { address: 240, network: 12_000, account: 30 },
  /**
   * Appointment slips made. One costs 7 to 30 ms of a core: an account has at most a two-hundredth
   * of a core, an address a sixteenth, a network six tenths. Names made up for it cost four times
   * that; no process spends more than one thread on all of them.
   */
  slip: { address: 120, network: 1_200, account: 10 },
  /** OTPs asked for. */
  otp: { address: 30, network: 6_000, device: 10 },
  /** Sign-ins tried. */
  token: { address: 60, network: 6_000, device: 20 },
  /** Captchas asked for. */
  captcha: { address: 600, network: 30_000, account: 60, device: 60 },
  /** Device tokens minted. */
  device: { address: 600, network: 30_000 },
  /** Calls of operators. */
  admin: { address: 120, network: 6_000 },
  /** Operator keys that are none. */
  wrongKey: { address: 20, network: 1_000 },
} as const satisfies Record<string, PerMinute>;

/** Counted by each process for itself, so that a read which needs no Redis asks it nothing. */
export const IN_MEMORY: ReadonlySet<LimitName> = new Set<LimitName>(['discovery']);

/**
 * The table of one server of several that share a port, of what each counts for itself. A network
 * comes over many connections, which are dealt in turn, so each server has its part. A person may
 * come over one, which stays with one server: their account and address have all of it there.
 */
export function tableOfOne(table: LimitTable, servers: number): LimitTable {
  const part = ({ network, ...rest }: PerMinute): PerMinute => ({
    ...rest,
    ...(network !== undefined && { network: Math.ceil(network / servers) }),
  });
  const rows = Array.from(IN_MEMORY, (limit) => [limit, part(table[limit])]);
  return { ...table, ...(Object.fromEntries(rows) as Partial<LimitTable>) };
}

/**
 * An IPv4 address or an IPv6 /64; an IPv4 /24 or an IPv6 /48; an account; a device that we minted.
 */
export const COUNTED_BY = ['address', 'network', 'account', 'device'] as const;
export type CountedBy = (typeof COUNTED_BY)[number];
export type LimitName = keyof typeof LIMIT_TABLE;

type PerMinute = { readonly address: number } & { readonly [By in CountedBy]?: number };
/** The table, as a deployment has set it. */
export type LimitTable = Readonly<Record<LimitName, PerMinute>>;

/** Names of the limits; of nothing else. */
export const LIMIT_NAMES = Object.keys(LIMIT_TABLE) as LimitName[];

/** Whom a limit counts, each with its default. */
export const countedBy = (limit: LimitName): [CountedBy, number][] =>
  Object.entries(LIMIT_TABLE[limit]) as [CountedBy, number][];

/** The setting of one of these numbers: `LIMIT_WRONG_KEY_PER_ADDRESS`. */
export const limitSetting = (limit: LimitName, by: CountedBy): string =>
  `LIMIT_${limit.replaceAll(/[A-Z]/g, '_$&')}_PER_${by}`.toUpperCase();

/** The table with the numbers that a deployment has set. */
export function limitTable(valueOf: (setting: string) => number): LimitTable {
  const rows = LIMIT_NAMES.map((limit) => {
    const set = countedBy(limit).map(([by]) => [by, valueOf(limitSetting(limit, by))]);
    return [limit, Object.fromEntries(set)];
  });
  return Object.fromEntries(rows) as LimitTable;
}
