/** Where a request comes from: addresses as they are counted, and networks as they are kept. */
import type { Secrets } from '../lib/secrets.ts';

export type Origin = {
  /** In clear, as `networkOf` gives it: it is hashed before it is kept. '' for none. */
  readonly network: string;
  /** The device that we minted; '' where none is known. */
  readonly device: string;
};

/** Of what nobody asks for just now: an entry that is carried over. */
export const NOWHERE: Origin = { network: '', device: '' };

export const originOf = (who: { readonly address: string; readonly device: string }): Origin => ({
  network: networkOf(who.address),
  device: who.device,
});

/** The network that an address is in: an IPv4 /24 or an IPv6 /48. */
export const networkOf = (address: string): string =>
  address.includes(':')
    ? addressPrefix(address).split(':').slice(0, 3).join(':')
    : address.split('.').slice(0, 3).join('.');

/** The keyed hash that stands for a network wherever one is kept or shown; '' for none. */
export const networkIdOf = (secrets: Secrets, network = ''): string =>
  network === '' ? '' : secrets.pseudonym('network', network);

const IPV6_GROUPS = 8;
const NETWORK_GROUPS = 4;

/**
 * What counts as one client: an IPv4 address, or the 64-bit network that an IPv6 subscriber has to
 * itself.
 */
export function addressPrefix(address: string): string {
  if (!address.includes(':')) return address;
  const [head = [], tail = []] = address
    .split('::')
    .map((half) => (half === '' ? [] : half.split(':')));
  const zeros = Array.from({ length: IPV6_GROUPS - head.length - tail.length }, () => '0');
  return [...head, ...zeros, ...tail].slice(0, NETWORK_GROUPS).join(':');
}
