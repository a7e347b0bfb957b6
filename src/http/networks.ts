/** Sets of network addresses, as settings name them; and the one spelling of an address. */
import { BlockList, isIP, SocketAddress } from 'node:net';
import { z } from 'zod';

export type Networks = {
  /** `address`: as `plainAddress` gives it; false for what is no address. */
  readonly has: (address: string) => boolean;
};

/** Words for networks that everybody has. */
const NAMED: Readonly<Record<string, readonly string[]>> = {
  loopback: ['127.0.0.0/8', '::1/128'],
  private: ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7'],
};

export const NO_NETWORKS: Networks = { has: () => false };

/** A setting: addresses, networks in CIDR form and the words above, with commas between them. */
export const NetworksText = z.string().transform((text, context): Networks => {
  const blocks = new BlockList();
  const parts = text.split(',').map((part) => part.trim());
  const named = parts.flatMap((part) => NAMED[part] ?? [part]).filter((part) => part !== '');
  for (const one of named)
    if (!add(blocks, one))
      context.addIssue({ code: 'custom', message: `${one} is no address and no network` });
  if (named.length === 0) return NO_NETWORKS;
  return { has: (address) => isIP(address) !== 0 && blocks.check(address, familyOf(address)) };
});

const familyOf = (address: string): 'ipv4' | 'ipv6' => (isIP(address) === 6 ? 'ipv6' : 'ipv4');

function add(blocks: BlockList, text: string): boolean {
  const [address = '', bits, ...rest] = text.split('/');
  const family = familyOf(address);
  const most = family === 'ipv6' ? 128 : 32;
  const prefix = bits === undefined ? most : Number(bits);
  const usable = isIP(address) !== 0 && !address.includes('%') && /^\d{1,3}$/.test(bits ?? '0');
  if (!usable || rest.length > 0 || prefix > most) return false;
  blocks.addSubnet(address, prefix, family);
  return true;
}

/**
 * The one spelling of an address: IPv6 as RFC 5952 has it, and an IPv4 client of a socket that also
 * listens on IPv6 as IPv4. Undefined for what is no address.
 */
export function plainAddress(text: string): string | undefined {
  const family = isIP(text);
  if (family === 4) return text;
  if (family === 0 || text.includes('%')) return undefined;
  return unmapped(new SocketAddress({ address: text, family: 'ipv6' }).address);
}

/** `address`: as the system spells it, which is the one spelling already but for IPv4 in IPv6. */
export const unmapped = (address: string): string =>
  address.startsWith('::ffff:') && address.includes('.')
    ? address.slice('::ffff:'.length)
    : address;
