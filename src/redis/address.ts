/** What REDIS_URL may be, and how its Redis is named to people: without a secret. Pure. */
import { isSentinelUrl, readSentinelUrl } from './sentinel.ts';

const SCHEME = /^([a-z][a-z\d+.-]*):\/\//i;
const nodesOf = (url: string): string[] => url.split(',').map((one) => one.trim());

/** What is no address of Redis would be taken for a socket's path, or for a host of that name. */
export const hasOtherScheme = (url: string): boolean =>
  nodesOf(url).some((one) => {
    const scheme = SCHEME.exec(one)?.[1];
    return scheme !== undefined && !/^rediss?(\+sentinel)?$/i.test(scheme);
  });

/** Host and port, or what stands for them; nothing of an address that cannot be read. */
export function placeOf({ url, cluster }: { readonly url: string; readonly cluster: boolean }) {
  if (isSentinelUrl(url)) {
    const { sentinels = [], name = '' } = readSentinelUrl(url) ?? {};
    return `master ${name} of ${sentinels.map(({ host, port }) => `${host}:${port}`).join(',')}`;
  }
  return (cluster ? nodesOf(url) : [url]).map(placeOfNode).join(',');
}

function placeOfNode(url: string): string {
  if (url.startsWith('/')) return url.replace(/\?.*/, '');
  const read = URL.parse(SCHEME.test(url) ? url : `redis://${url}`);
  return read ? `${read.hostname}:${read.port || '6379'}` : 'REDIS_URL';
}
