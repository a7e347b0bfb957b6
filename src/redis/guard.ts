/**
 * Keeps commands from a Redis that does not answer. A node that left a command without a reply for
 * a second, or has no connection for as long, gets no further ones: they are refused at once, so
 * that requests neither pile up in memory nor arrive all together when it goes on. What tells that
 * it is back is the reply to what it was sent, or a new connection's handshake.
 *
 * ioredis sends everything, also what is in a pipeline, through `sendCommand` of the connection to
 * one node, which is replaced here.
 */
import { Cluster, type Redis as SingleRedis } from 'ioredis';
import { monotonicMs } from '../lib/clock.ts';
import { NodeAwayError, ReplicasAwayError } from './away.ts';
import { inner, nameOf, type Node, type Pipe, type Sent } from './inner.ts';
import {
  createReplicas,
  type HeldWrites,
  isWrite,
  type Replicas,
  type ReplicaTerms,
} from './replicas.ts';

export type NodeState = 'ANSWERS' | 'STALLED' | 'DISCONNECTED' | 'REPLICAS_AWAY';

export type GuardWatch = {
  /** Of one node; `node` is no label for a metric, since nodes come and go. */
  readonly onGuard?: (state: NodeState, node: string) => void;
};

export type GuardTerms = GuardWatch & {
  readonly replicas: ReplicaTerms;
  /** A command that waits for its reply this long is given up, and its connection with it. */
  readonly giveUpAfterMs: number;
};

/** A reply takes less than a ms: after a second without any, Redis stands still. */
const STALLED_AFTER_MS = 1_000;
const TICK_MS = 100;
/** A tick that is so late says that this process was busy, not Redis. */
const BUSY_MS = 250;
/** So many in a row are passed over: a process that is always busy must look sometime. */
const LATE_TICKS = 3;
/** Between two tries to reach a node of a cluster that is away. */
const LOOK_AGAIN_AFTER_MS = 250;
/** Long after a cluster knows who took the slots of a node. */
const FORGOTTEN_AFTER_MS = 60_000;
/** What sets a connection up. */
const HANDSHAKE = new Set(['hello', 'auth', 'select', 'client', 'readonly', 'info']);

export function guardRedis(redis: SingleRedis | Cluster, terms: GuardTerms): void {
  const nodes = new Map<string, NodeGuard>();
  const states = new Map<string, NodeState>();
  const isCluster = redis instanceof Cluster;
  const cluster = isCluster ? guardCluster(redis) : undefined;
  const held: HeldWrites = new WeakMap();
  const add = (node: SingleRedis): void => {
    const key = nameOf(inner(node));
    nodes.set(key, guardNode(inner(node), terms, held, nodes.get(key)?.away()));
  };
  if (isCluster) redis.on('+node', add);
  else add(redis);

  let tickedAtMs = monotonicMs();
  let lateTicks = 0;
  const tick = (): void => {
    // One that is told to end while it reconnects does not say 'end'.
    if (redis.status === 'reconnecting' && inner(redis).manuallyClosing) clearInterval(timer);
    const nowMs = monotonicMs();
    lateTicks = nowMs - tickedAtMs > TICK_MS + BUSY_MS ? lateTicks + 1 : 0;
    tickedAtMs = nowMs;
    // Replies may lie in the socket, not read yet.
    if (lateTicks % (LATE_TICKS + 1) > 0) return;
    cluster?.tick(nowMs);
    for (const [key, node] of nodes) {
      const state = node.tick(nowMs);
      if ((states.get(key) ?? 'ANSWERS') !== state) terms.onGuard?.(state, key);
      states.set(key, state);
      if (!node.isForgotten(nowMs)) continue;
      nodes.delete(key);
      states.delete(key);
    }
    // A pipeline waits for the one before it: behind one without replies none would be refused.
    redis.options.enableAutoPipelining = ![...states.values()].includes('STALLED');
  };
  const timer = setInterval(tick, TICK_MS).unref();
  redis.once('end', () => clearInterval(timer));
}

type NodeGuard = ReturnType<typeof guardNode>;
/** What is known of a node, also from its earlier connections. */
type Away = { sinceMs: number | undefined; triedAtMs: number };

function guardNode(node: Node, terms: GuardTerms, held: HeldWrites, before?: Away) {
  const replicas =
    terms.replicas.count > 0 ? createReplicas(node, terms.replicas, held) : undefined;
  const away: Away = before ?? { sinceMs: undefined, triedAtMs: 0 };
  const isLong = (nowMs: number): boolean =>
    away.sinceMs !== undefined && nowMs - away.sinceMs > STALLED_AFTER_MS;
  let state: NodeState = isLong(monotonicMs()) ? 'DISCONNECTED' : 'ANSWERS';
  keepAway(node, { replicas, away, state: () => state });
  /** The command that is replied to next, and since when it is that one. */
  let next: { command: Sent | undefined; sinceMs: number } = { command: undefined, sinceMs: 0 };

  return {
    away: () => away,

    /** A cluster's node that ended some time ago, and that nothing asked for since. */
    isForgotten: (nowMs: number): boolean =>
      node.status === 'end' && nowMs - (away.sinceMs ?? 0) > FORGOTTEN_AFTER_MS,

    tick(nowMs: number): NodeState {
      const command = node.commandQueue.peekFront()?.command;
      // Where many wait, but one after the other is replied to, nothing stands still.
      if (command === undefined || command !== next.command) next = { command, sinceMs: nowMs };
      const silentMs = nowMs - next.sinceMs;
      if (node.status === 'ready' && node.stream?.writable) away.sinceMs = undefined;
      else if (node.status !== 'wait') away.sinceMs ??= nowMs - silentMs;
      void replicas?.probe();
      if (isLong(nowMs)) state = 'DISCONNECTED';
      else if (silentMs > STALLED_AFTER_MS) state = 'STALLED';
      else state = replicas?.isShort() ? 'REPLICAS_AWAY' : 'ANSWERS';
      if (silentMs > terms.giveUpAfterMs) {
        // A host that lost its power says nothing, not even that the connection is gone.
        node.stream?.destroy();
        away.sinceMs ??= nowMs - silentMs;
      }
      return state;
    },
  };
}

type Known = {
  readonly replicas: Replicas | undefined;
  readonly away: Away;
  readonly state: () => NodeState;
};

/**
 * Fills the place of a command that is not sent. A pipeline is written once all of its places are
 * filled, while those that are have been put in line for a reply: one place left empty, and each
 * reply from then on would go to somebody else.
 */
const leaveOut = (pipe: Pipe | undefined): unknown => pipe?.write('');

/** Refuses what is not to be sent now. */
function keepAway(node: Node, { replicas, away, state }: Known): void {
  const send = node.sendCommand.bind(node);
  /** A pipeline is written once all of it is there, so it is refused as a whole. */
  const verdicts = new WeakMap<Pipe, boolean>();

  const isRefused = ({ name }: Sent, pipe: Pipe | undefined): boolean => {
    if (state() !== 'STALLED' && state() !== 'DISCONNECTED') return false;
    const setsUp = name === 'cluster' || (node.condition?.handshake && HANDSHAKE.has(name));
    return pipe !== undefined || !setsUp;
  };
  const refuse = (command: Sent, why: Error): unknown => {
    command.reject(why);
    // Of a cluster's node, nobody else would look whether it is back.
    if (node.status === 'wait' && monotonicMs() - away.triedAtMs > LOOK_AGAIN_AFTER_MS) {
      away.triedAtMs = monotonicMs();
      void node.connect().catch(() => undefined);
    }
    return command.promise;
  };

  node.sendCommand = (command, pipe) => {
    // Given up while it waited for a connection: who sent it was told so, and has moved on.
    if (command.isSettled) {
      leaveOut(pipe);
      return command.promise;
    }
    const verdict = (pipe && verdicts.get(pipe)) ?? isRefused(command, pipe);
    if (pipe) verdicts.set(pipe, verdict);
    if (verdict) return refuse(command, new NodeAwayError(nameOf(node)));
    if (replicas && isWrite(command)) {
      if (replicas.isShort() && node.status === 'ready' && node.stream?.writable) {
        leaveOut(pipe); // the reads of the pipeline are sent
        return refuse(command, new ReplicasAwayError(nameOf(node), false));
      }
      replicas.hold(command);
    }
    return send(command, pipe);
  };
}

/** Without any node a cluster keeps commands, without an end. */
function guardCluster(cluster: Cluster) {
  const outer = cluster as unknown as Pick<Node, 'sendCommand'> & {
    readonly flushQueue: (error: Error) => void;
    readonly refreshSlotsCache: () => void;
  };
  const send = outer.sendCommand.bind(cluster);
  let awaySinceMs: number | undefined;
  let isAway = false;
  const nodeAway = (): Error => new NodeAwayError('any address of the cluster');
  outer.sendCommand = (command, pipe, node) => {
    if (!isAway || command.name === 'cluster') {
      // A pipeline that met several moves is not retried, and nobody would learn where slots are.
      if (pipe)
        void Promise.resolve(command.promise).catch(({ message }: Error) => {
          if (message.startsWith('MOVED')) outer.refreshSlotsCache();
        });
      return send(command, pipe, node);
    }
    command.reject(nodeAway());
    return command.promise;
  };
  return {
    tick(nowMs: number): void {
      awaySinceMs = cluster.status === 'ready' ? undefined : (awaySinceMs ?? nowMs);
      isAway = awaySinceMs !== undefined && nowMs - awaySinceMs > STALLED_AFTER_MS;
      if (isAway) outer.flushQueue(nodeAway());
    },
  };
}
