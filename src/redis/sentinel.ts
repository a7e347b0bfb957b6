/**
 * The address of a master that Sentinel watches, as other clients write it:
 * `redis+sentinel://[user:password@]host:port,host:port/name[/db]`, rediss+sentinel:// for TLS
 * (https://redis.io/docs/latest/operate/oss_and_stack/management/sentinel/). User and password are
 * Redis's; Sentinel's own are `?sentinelUsername=…&sentinelPassword=…`.
 */
import type { RedisOptions } from 'ioredis';

/** Those that name no form of replies, which the client sets itself. */
type SentinelOptions = Omit<RedisOptions, 'replyMapping' | 'protocol'>;

const FORM = /^redis(s?)\+sentinel:\/\/(?:([^@/]*)@)?([^/?]+)\/([^/?]+)(?:\/(\d+))?(?:\?(.*))?$/;
const HOST = /^(\[[^\]]+\]|[^:[\]]+)(?::(\d+))?$/;
const SENTINEL_PORT = 26_379;
const ANSWER_WITHIN_MS = 1_000;

export const isSentinelUrl = (url: string): boolean => /^rediss?\+sentinel:/.test(url);

/** Undefined where it has another form. */
export function readSentinelUrl(url: string): SentinelOptions | undefined {
  const found = FORM.exec(url);
  if (!found) return undefined;
  const [, secure, credentials = '', hosts = '', name = '', db = '0', query = ''] = found;
  const sentinels = hosts.split(',').map((one) => {
    const [, host = '', port = SENTINEL_PORT] = HOST.exec(one.trim()) ?? [];
    return { host: host.replace(/^\[(.*)\]$/, '$1'), port: Number(port) };
  });
  if (sentinels.some(({ host }) => host === '')) return undefined;
  const mark = credentials.indexOf(':');
  const username = decodeURIComponent(credentials.slice(0, Math.max(0, mark)));
  const password = decodeURIComponent(credentials.slice(mark + 1));
  const own = new URLSearchParams(query);
  const [sentinelUsername, sentinelPassword] = [
    own.get('sentinelUsername'),
    own.get('sentinelPassword'),
  ];
  return {
    sentinels,
    name: decodeURIComponent(name),
    db: Number(db),
    ...(username && { username }),
    ...(password && { password }),
    ...(sentinelUsername && { sentinelUsername }),
    ...(sentinelPassword && { sentinelPassword }),
    ...(secure && { tls: {}, sentinelTLS: {}, enableTLSForSentinelMode: true }),
    sentinelCommandTimeout: ANSWER_WITHIN_MS,
    // ioredis's own failoverDetector ends a connection for good that was being made anew when the
    // word of a new master came. It is not needed: a master that hangs is cut off (guard.ts), and
    // one that is none any more says READONLY (client.ts).
    failoverDetector: false,
  };
}
