/** Answers as bytes, made once and sent as they are: plain, and compressed for who takes it. */
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { hex, sha256 } from '../lib/hash.ts';
import { createRecent } from '../lib/recent.ts';
import type { Answer } from './route.ts';

const compress = promisify(gzip);
/** Less gains nothing from being compressed. */
const WORTH_COMPRESSING_BYTES = 1_024;

/** What never changes: every cache on the way may keep it for good. */
export const FOREVER = 'public, max-age=31536000, immutable';
/** What every cache on the way may keep for a second. */
export const BRIEFLY = 'public, max-age=1';
/** Where it is kept here likewise, read and prepared once for all who ask. */
export const BRIEFLY_KEPT = { freshForMs: 1_000, patienceMs: 250 } as const;

export type Prepared = {
  readonly etag: string;
  readonly plain: Buffer;
  /** Undefined where it is not worth it. */
  readonly gzip: Buffer | undefined;
};

export function prepare(body: object): Promise<Prepared> {
  const plain = Buffer.from(JSON.stringify(body));
  return prepareBytes(plain, hex(sha256(plain)).slice(0, 32));
}

export async function prepareBytes(plain: Buffer, etag: string): Promise<Prepared> {
  return {
    etag,
    plain,
    gzip: plain.length < WORTH_COMPRESSING_BYTES ? undefined : await compress(plain),
  };
}

/** Bytes that it takes where it is kept. */
export const sizeOf = ({ plain, gzip: small }: Prepared): number =>
  plain.length + (small?.length ?? 0);

/**
 * Whether a client takes gzip: RFC 9110 section 12.5.3, whatever else it would like better. What it
 * says of gzip counts before what it says of all others.
 */
const takesGzip = (acceptEncoding: string): boolean =>
  acceptEncoding.length > LONGEST_KEPT
    ? readsGzip(acceptEncoding)
    : kept.get(acceptEncoding, () => readsGzip(acceptEncoding));

/** Clients are of few kinds, each with its own list. In characters, and how many. */
const LONGEST_KEPT = 100;
const kept = createRecent<string, boolean>(200);

function readsGzip(acceptEncoding: string): boolean {
  const taken = new Map(
    acceptEncoding
      .toLowerCase()
      .split(',')
      .map((one) => {
        const [coding = '', ...weights] = one.split(';').map((part) => part.trim());
        return [coding, !weights.some((weight) => /^q=0(?:\.0*)?$/.test(weight))] as const;
      }),
  );
  return taken.get('gzip') ?? taken.get('*') ?? false;
}

/** `cacheControl`: who may keep it and for how long. */
export function answerWith(
  { etag, plain, gzip: small }: Prepared,
  acceptEncoding: string | undefined,
  cacheControl: string,
): Answer {
  const isSmall = small !== undefined && takesGzip(acceptEncoding ?? '');
  return {
    status: 200,
    headers: {
      'content-type': 'application/json; charset=utf-8',
      'cache-control': cacheControl,
      vary: 'accept-encoding',
      ...(isSmall && { 'content-encoding': 'gzip' }),
      etag: isSmall ? `"${etag}-gzip"` : `"${etag}"`,
    },
    body: isSmall ? small : plain,
  };
}
