/** One request on its way to a route, as the steps hand it on. */
import type { Who } from '../gates/limits.ts';
import type { HttpRequest } from './exchange.ts';
import type { Parsed, Parser } from './parse.ts';
import type { Route } from './route.ts';

/** A route of the table, with what reads its requests. */
export type Served = Parser & { readonly route: Route };

/** `S`: undefined where there is no such route. */
export type Passage<S = Served> = {
  readonly request: HttpRequest;
  readonly served: S;
  readonly params: Readonly<Record<string, string>>;
  /** The query without its question mark. */
  readonly search: string;
  readonly requestId: string;
  readonly heard: Heard;
};

/**
 * What is known of a request so far, for the tally of refusals. The one thing that steps write: a
 * refusal may come while another step is at work, a fault from anywhere.
 */
export type Heard = {
  /**
   * Nobody, of an operator with a good key: no mistake of theirs is an offence. Without its account
   * while the access token is not known to stand: a thief's requests are not its owner's.
   */
  who: Who | undefined;
  /** '' where it names none. */
  release: string;
};

/** What an audit line or a tally may quote of a request. */
export const RELEASE_ID = /^[a-z0-9][a-z0-9-]{0,63}$/;

/** What a request says of itself before any step has looked at it. */
export function hear(
  { address }: HttpRequest,
  served: Served | undefined,
  { release = '' }: Passage['params'],
): Heard {
  const forCitizens = served?.route.gates.caller !== 'operator';
  return {
    who: { address, account: '', device: '' },
    release: forCitizens && RELEASE_ID.test(release) ? release : '',
  };
}

/** The release that a request names, in its body or its path. */
export function releaseOf({ params, body }: Parsed): string | undefined {
  const named = releaseIn(body) ?? releaseIn(params);
  return typeof named === 'string' ? named : undefined;
}

export const releaseIn = (part: unknown): unknown =>
  typeof part === 'object' && part !== null && 'release' in part ? part.release : undefined;
