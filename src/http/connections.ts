/** How many connections may be open at once: of one address, of one network, in all. */
import type { Server, Socket } from 'node:net';
import { addressPrefix, networkOf } from '../gates/origin.ts';
import { monotonicMs } from '../lib/clock.ts';
import { type Networks, NO_NETWORKS, unmapped } from './networks.ts';

export const CONNECTION_LIMITS = {
  /** Of one server. */
  most: 10_000,
  /** Of these, what one network may have. */
  shareOfNetwork: 1 / 2,
  /** What is closed of a bound's connections to make room, where so many may be. */
  shareClosed: 1 / 10,
  /** How often such ones are looked for: that takes a look at all of them. */
  lookEveryMs: 100,
} as const;

/** Which bound a connection was one too many of. */
export type DropReason = 'address' | 'network' | 'full';

export type ConnectionTerms = {
  /** Open connections in all. */
  readonly connections?: number;
  /** Open connections of one client address; as many as there are in all where left out. */
  readonly connectionsPerAddress?: number;
  /** Peers that speak for many clients: only what there is in all holds for them. */
  readonly trustedProxies?: Networks;
};

/**
 * Drops what is too much, so that neither an address nor a network takes the connections of all.
 * Whoever comes when a bound is reached has the place of connections that are idle, since their
 * clients lose nothing but a handshake, or that have been asking for long: the oldest first.
 *
 * Not by `maxConnections`: of node:cluster, a full server hands the connection back, and a machine
 * whose servers are all full would pass it round without end.
 */
export function limitConnections(
  server: Server,
  terms: ConnectionTerms,
  makesRoom: (socket: Socket) => boolean,
  onDropped: (reason: DropReason) => void,
): void {
  const { connections = CONNECTION_LIMITS.most, trustedProxies = NO_NETWORKS } = terms;
  const { connectionsPerAddress = connections } = terms;
  const perNetwork = Math.ceil(connections * CONNECTION_LIMITS.shareOfNetwork);
  const inAll = createBound('full', connections, () => 'all', makesRoom);
  const ofClients = [
    createBound('address', connectionsPerAddress, addressPrefix, makesRoom),
    createBound('network', perNetwork, networkOf, makesRoom),
    inAll,
  ];
  server.on('connection', (socket: Socket) => {
    const peer = unmapped(socket.remoteAddress ?? '');
    const bounds = trustedProxies.has(peer) ? [inAll] : ofClients;
    const reached = bounds.find((bound) => !bound.hasRoom(peer));
    if (reached) {
      socket.destroy();
      onDropped(reached.reason);
      return;
    }
    for (const bound of bounds) bound.add(peer, socket);
  });
}

type Open = { readonly sockets: Set<Socket>; lookedMs: number };

/** `of`: what peers that are counted together have in common. */
function createBound(
  reason: DropReason,
  most: number,
  of: (peer: string) => string,
  makesRoom: (socket: Socket) => boolean,
) {
  const all = new Map<string, Open>();

  const makeRoom = ({ sockets }: Open): void => {
    let toClose = Math.ceil(most * CONNECTION_LIMITS.shareClosed);
    for (const socket of sockets) {
      if (toClose === 0) return;
      if (!makesRoom(socket)) continue;
      socket.destroy();
      sockets.delete(socket); // its close is heard of later
      toClose -= 1;
    }
  };

  return {
    reason,
    hasRoom(peer: string): boolean {
      const open = all.get(of(peer));
      if (!open || open.sockets.size < most) return true;
      const now = monotonicMs();
      if (now - open.lookedMs < CONNECTION_LIMITS.lookEveryMs) return false;
      open.lookedMs = now;
      makeRoom(open);
      return open.sockets.size < most;
    },
    add(peer: string, socket: Socket): void {
      const name = of(peer);
      const open = all.get(name) ?? { sockets: new Set(), lookedMs: Number.NEGATIVE_INFINITY };
      all.set(name, open);
      open.sockets.add(socket);
      socket.once('close', () => {
        open.sockets.delete(socket);
        if (open.sockets.size === 0 && all.get(name) === open) all.delete(name);
      });
    },
  };
}
