/**
 * Whose request it is. A proxy in front of us is the peer of every connection and names the client
 * in X-Forwarded-For; so can anybody else, which is why only the proxies of the configuration are
 * believed, from right to left: each names the one that it was called by, and whatever stands left
 * of an address that is no proxy of ours was written by a stranger.
 */
import { type Networks, plainAddress, unmapped } from './networks.ts';

/** `peer`: of the socket. `forwardedFor`: all lines of X-Forwarded-For, joined by commas. */
export type ClientAddress = (peer: string, forwardedFor: string | undefined) => string;

/** For whoever stands behind no proxy. */
export const peerAddress: ClientAddress = (peer) => unmapped(peer);

/**
 * The right-most address that is no trusted proxy's; the left-most where all of them are. Empty
 * elements are passed over (RFC 9110 section 5.6.1). At an element that is no address the walk
 * ends, and the request counts as one of the proxy that wrote it: a client that hides shares the
 * limits of its proxy and gets none of its own.
 */
export const createClientAddress =
  (trusted: Networks): ClientAddress =>
  (peer, forwardedFor) => {
    let address = unmapped(peer);
    if (forwardedFor === undefined) return address;
    const elements = forwardedFor.split(',');
    while (trusted.has(address)) {
      const element = elements.pop()?.trim();
      if (element === undefined) return address;
      if (element === '') continue;
      const named = plainAddress(withoutPort(element));
      if (named === undefined) return address;
      address = named;
    }
    return address;
  };

/** Some proxies add the port, and then put IPv6 in brackets. */
const withoutPort = (element: string): string =>
  /^\[([^\]]*)\](?::\d{1,5})?$/.exec(element)?.[1] ??
  /^([\d.]+):\d{1,5}$/.exec(element)?.[1] ??
  element;
