/** Answers as bytes, made once and sent as they are: plain, and compressed for who takes it. */
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { hex, sha256 } from '../lib/hash.ts';
import type { Answer } from '../http/route.ts';

const compress = promisify(gzip);
/** Less gains nothing from being compressed. */
const WORTH_COMPRESSING_BYTES = 1_024;

export type Prepared = {
  readonly etag: string;
  readonly plain: Buffer;
  /** Undefined where it is not worth it. */
  readonly gzip: Buffer | undefined;
};

export async function prepare(body: object): Promise<Prepared> {
  const plain = Buffer.from(JSON.stringify(body));
  return {
    etag: hex(sha256(plain)).slice(0, 32),
    plain,
    gzip: plain.length < WORTH_COMPRESSING_BYTES ? undefined : await compress(plain),
  };
}

/**
 * Whether a client takes gzip: RFC 9110 section 12.5.3, whatever else it would like better. What it
 * says of gzip counts before what it says of all others.
 */
function takesGzip(acceptEncoding: string): boolean {
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
