/** Tells a Redis that is away, which passes, from a fault of ours. */

const NAMES = new Set([
  'NodeAwayError',
  'ReplicasAwayError',
  'AbortError',
  'InterruptError',
  'MaxRetriesPerRequestError',
  'ClusterAllFailedError',
]);

/** How ioredis says that it has no connection, where it does not say so by the error's name. */
const SENTENCES = [
  'Connection is closed',
  'Command timed out',
  "Stream isn't writeable",
  "Cluster isn't ready",
  'None of startup nodes',
  'Node is disconnected',
  'Too many Cluster redirections',
];

/** First words of Redis's own replies that mean "not now": of a write only, while reads go on. */
const WRITE_REPLIES = new Set(['READONLY', 'MISCONF', 'OOM', 'NOREPLICAS']);
const REPLIES = new Set(['LOADING', 'BUSY', 'CLUSTERDOWN', 'MASTERDOWN', 'TRYAGAIN']);
/** Of a pipeline that met several moves of slots at once, which ioredis does not follow. */
const MOVES = new Set(['MOVED', 'ASK']);

const firstWord = ({ message }: Error): string => message.split(' ', 1)[0] ?? '';

/** Redis is full, or too few replicas follow it: what is written is kept, and can be read. */
export const isWriteRefused = (error: unknown): boolean =>
  error instanceof Error &&
  (error.name === 'ReplicasAwayError' || WRITE_REPLIES.has(firstWord(error)));

export const isRedisAway = (error: unknown): boolean =>
  error instanceof Error &&
  (NAMES.has(error.name) ||
    isWriteRefused(error) ||
    REPLIES.has(firstWord(error)) ||
    MOVES.has(firstWord(error)) ||
    SENTENCES.some((sentence) => error.message.startsWith(sentence)));
