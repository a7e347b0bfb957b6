/** Tells a Redis that is away, which passes, from a fault of ours. */

const NAMES = new Set([
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

/** First words of Redis's own replies that mean "not now". */
const REPLIES = new Set([
  'LOADING',
  'READONLY',
  'MISCONF',
  'OOM',
  'BUSY',
  'CLUSTERDOWN',
  'MASTERDOWN',
  'TRYAGAIN',
  'NOREPLICAS',
]);

export const isRedisAway = (error: unknown): boolean =>
  error instanceof Error &&
  (NAMES.has(error.name) ||
    REPLIES.has(error.message.split(' ', 1)[0] ?? '') ||
    SENTENCES.some((sentence) => error.message.startsWith(sentence)));
