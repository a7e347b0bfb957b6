/**
 * What is begun before the limits have said their word, to share their round trip: the body is read
 * and parsed, the captcha's ticket used, and what the route does `ahead`.
 */
import type { Admission, Captcha, Presented } from '../gates/captcha/captcha.ts';
import { isRefusal, type Refusal } from '../refusal.ts';
import type { Asker } from './asker.ts';
import { type Passage, releaseOf } from './passage.ts';
import { type Call, takesKey } from './route.ts';

export type Begun = {
  readonly bytes: Buffer;
  readonly call: Call;
  /** The request's Idempotency-Key, where the route takes one. */
  readonly key: string | undefined;
  readonly admission: Admission | undefined;
  readonly ahead: Promise<unknown> | undefined;
};

export const createBegin =
  (captcha: Pick<Captcha, 'begin'>) =>
  async (
    { request, served, params, search, requestId, heard }: Passage,
    { caller: { owner, operator }, who }: Asker,
    solution?: Presented,
    /** Why the access token is refused, if it is; left out where it stood a moment ago. */
    revoking?: Promise<Refusal | undefined>,
  ): Promise<Begun | Refusal> => {
    const { route } = served;
    const bytes = await served.read(request);
    if (isRefusal(bytes)) return bytes;
    const parsed = served.parse(params, search, bytes);
    if (isRefusal(parsed)) return parsed;
    const release = releaseOf(parsed);
    heard.release = release ?? '';

    const key = takesKey(route) ? request.header('idempotency-key') : undefined;
    const attempt = key === undefined ? undefined : `${owner} ${key}`;
    const admission =
      solution &&
      route.gates.captcha &&
      captcha.begin(solution, route.gates.captcha, release, attempt);
    if (isRefusal(admission)) return admission;

    const named = { operator: operator?.name ?? '', centres: operator?.centres, requestId };
    const call = { ...parsed, ...who, ...named, header: request.header };
    const ahead =
      route.claims && revoking
        ? revoking.then((refusal) => (refusal ? undefined : route.ahead?.(call)))
        : route.ahead?.(call);
    ahead?.catch(() => undefined); // the handler awaits it, unless the request is refused first
    return { bytes, call, key, admission, ahead };
  };
