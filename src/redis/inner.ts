/** What ioredis has in public on every connection, and its types keep to themselves. */
import type { Cluster, Command, Redis as SingleRedis } from 'ioredis';

/** A pipeline's buffer: it is written once as many pieces arrived as the pipeline has commands. */
export type Pipe = { readonly write: (piece: string) => unknown };

export type Sent = Pick<Command, 'name' | 'args' | 'promise'> & {
  resolve: (reply: unknown) => unknown;
  reject: (error: Error) => void;
  readonly isSettled: boolean;
};

/** `node`: of a cluster's pipeline. */
export type Send = (command: Sent, pipe?: Pipe, node?: unknown) => unknown;

export type Node = Pick<SingleRedis, 'status' | 'options' | 'connect'> & {
  sendCommand: Send;
  readonly stream: { destroy: () => void; readonly writable: boolean } | undefined;
  /** Of a connection that is being set up. */
  readonly condition: { readonly handshake: boolean } | null;
  /** It was told to end. */
  readonly manuallyClosing?: boolean;
  /** Sent and not replied to, the oldest first, also those that were given up. */
  readonly commandQueue: { readonly peekFront: () => { readonly command: Sent } | undefined };
};

export const inner = (node: SingleRedis | Cluster): Node => node as unknown as Node;

export const nameOf = ({ options }: Pick<Node, 'options'>): string =>
  options.sentinels
    ? `master ${options.name}`
    : (options.path ?? `${options.host}:${options.port}`);
