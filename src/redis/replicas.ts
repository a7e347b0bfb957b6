/**
 * A write counts once enough replicas have it (docs/adr/0024): its reply is held back until a WAIT
 * that was sent after it, on the same connection, says so. All writes that leave in one turn of the
 * event loop, a pipeline say, share one WAIT.
 */
import { createHash } from 'node:crypto';
import { Command, ReplyError } from 'ioredis';
import { monotonicMs } from '../lib/clock.ts';
import { ReplicasAwayError } from './away.ts';
import { nameOf, type Node, type Sent } from './inner.ts';
import { boundScripts, readScript } from './script.ts';

export type ReplicaTerms = {
  /** That must have a write; 0: none. */
  readonly count: number;
  /** Longest wait for them, in ms; below what a connection may be silent (guard.ts). */
  readonly withinMs: number;
};

/**
 * A probe must leave a replica the time to write to its disk and say so, and keeps reads waiting as
 * long where there is none.
 */
const PROBE_WITHIN_MS = 50;
const PROBE_EVERY_MS = 500;

/** Commands that change nothing. Any other is taken for a write. */
const READS = new Set(
  [
    ['get', 'getrange', 'mget', 'strlen', 'exists', 'type', 'ttl', 'pttl', 'keys', 'scan', 'dump'],
    ['hget', 'hmget', 'hgetall', 'hkeys', 'hvals', 'hlen', 'hexists', 'hscan', 'hstrlen'],
    ['zcard', 'zcount', 'zrange', 'zrangebyscore', 'zrevrange', 'zscore', 'zmscore', 'zscan'],
    ['scard', 'sismember', 'smembers', 'smismember', 'sscan', 'lrange', 'llen', 'lindex'],
    ['xlen', 'xrange', 'xrevrange', 'dbsize', 'time', 'ping', 'info', 'memory', 'config', 'wait'],
    ['auth', 'hello', 'client', 'select', 'readonly', 'quit', 'cluster', 'script', 'command'],
    ['latency', 'slowlog', 'role', 'debug'],
  ].flat(),
);

/** Of a master that is short of replicas, until Sentinel is asked again whether it is one. */
const ASK_SENTINEL_AFTER_MS = 5_000;

/** As a command names them: by hash, or whole. */
let unacknowledging: ReadonlySet<string> | undefined;
const isUnacknowledging = (script: unknown): boolean => {
  unacknowledging ??= new Set(
    boundScripts
      .filter(({ acknowledges }) => acknowledges === false)
      .map(({ file }) => readScript(file))
      .flatMap((text) => [text, createHash('sha1').update(text).digest('hex')]),
  );
  return unacknowledging.has(String(script));
};

export const isWrite = ({ name, args }: Pick<Sent, 'name' | 'args'>): boolean =>
  name === 'eval' || name === 'evalsha' ? !isUnacknowledging(args[0]) : !READS.has(name);

/** What a write's reply waits for: the WAIT after it was last sent, and where it was sent to. */
type Held = {
  enough: Promise<boolean>;
  node: string;
  /** How it is resolved; ioredis gives it another way when it retries it in a pipeline. */
  readonly resolve: Sent['resolve'];
};
/** One for all nodes of a connection: a cluster sends a write to one after the other. */
export type HeldWrites = WeakMap<Sent, Held>;

export type Replicas = ReturnType<typeof createReplicas>;

export function createReplicas(node: Node, { count, withinMs }: ReplicaTerms, held: HeldWrites) {
  const send = node.sendCommand.bind(node);
  let next: Promise<boolean> | undefined;
  let isShort = false;
  let shortSinceMs = 0;
  let isAsking = false;
  let askedAtMs = 0;

  /** Whether so many replicas have all that this connection wrote. Never fails. */
  const ask = async (timeoutMs: number): Promise<boolean> => {
    const { stream, status } = node;
    // One that waited for another connection would say nothing of what was written on this one.
    if (status !== 'ready') return false;
    const wait = new Command('wait', [String(count), String(timeoutMs)]) as unknown as Sent;
    try {
      await send(wait);
      const had = (await wait.promise) as number;
      // On a new connection, perhaps to another master, it speaks of nothing that was sent before.
      if (node.stream !== stream) return false;
      if (had < count && !isShort) shortSinceMs = monotonicMs();
      isShort = had < count;
      return !isShort;
    } catch (error) {
      // What is no master any more knows no WAIT: the next write is to hear that from it.
      if (error instanceof ReplyError) isShort = false;
      return false;
    }
  };

  return {
    isShort: () => isShort,

    /** To be called for a write before it is sent. */
    hold(command: Sent): void {
      next ??= Promise.resolve().then(() => {
        next = undefined;
        return ask(withinMs);
      });
      const now = { enough: next, node: nameOf(node) };
      const before = held.get(command);
      // It is sent again as it was: after a reconnect, or to another node of a cluster.
      if (before?.resolve === command.resolve) return void Object.assign(before, now);
      const { resolve } = command;
      const hold: Held = {
        ...now,
        resolve: (reply) => {
          void hold.enough.then((isEnough) => {
            if (isEnough) return resolve(reply);
            if (command.isSettled) return undefined;
            return command.reject(new ReplicasAwayError(hold.node, true));
          });
          return command.promise;
        },
      };
      held.set(command, hold);
      command.resolve = hold.resolve;
    },

    /** While there are too few, looks whether they are back. */
    async probe(): Promise<void> {
      if (!isShort || isAsking || monotonicMs() - askedAtMs < PROBE_EVERY_MS) return;
      askedAtMs = monotonicMs();
      if (node.options.sentinels && askedAtMs - shortSinceMs > ASK_SENTINEL_AFTER_MS) {
        // It may be cut off from its replicas and from Sentinel, who made one of them the master.
        shortSinceMs = askedAtMs;
        node.stream?.destroy();
        return;
      }
      isAsking = true;
      await ask(PROBE_WITHIN_MS);
      isAsking = false;
    },
  };
}
