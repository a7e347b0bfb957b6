/** What a request needs to get past device and captcha, for tests that use every operation. */
import { solveCaptcha } from '../../src/demo/captcha.ts';
import type { call, CallOptions } from './app.ts';

type Ask = (method: string, path: string, options?: CallOptions) => ReturnType<typeof call>;

export type Passing = {
  readonly operation: string;
  readonly path: string;
  /** As it is sent. */
  readonly body: string | undefined;
  readonly token: string | undefined;
  /** A device token; '' while there is none. */
  readonly device: string;
};

/** What a captcha is to be solved for, of the operations that ask for one. */
const PURPOSES: Readonly<Record<string, (path: string, body: string) => string>> = {
  mintDevice: () => 'device',
  sendOtp: () => 'otp',
  enter: (path) => `enter:${/^\/v1\/releases\/([^/]*)/.exec(path)?.[1] ?? ''}`,
  book: (_path, body) => `book:${/"release":"([^"]*)"/.exec(body)?.[1] ?? ''}`,
};

/** Headers with which a request passes, as far as it can. */
export async function passingHeaders(
  ask: Ask,
  { operation, path, body = '', token, device }: Passing,
): Promise<Record<string, string>> {
  const own: Record<string, string> = device === '' ? {} : { 'device-token': device };
  const purpose = PURPOSES[operation]?.(path, body);
  if (purpose === undefined) return own;
  const forAccount = purpose.includes(':') && token !== undefined ? { token } : {};
  // Whoever mints a device has none yet.
  const headers = purpose === 'device' ? {} : own;
  const asked = async () => {
    const at = `/v1/captcha?purpose=${encodeURIComponent(purpose)}`;
    const { status, json } = await ask('GET', at, { headers, ...forAccount });
    return { status, body: json, code: json.code, retryAfterMs: 0, left: 0 };
  };
  const solved = await solveCaptcha(asked, purpose);
  const solution = 'solution' in solved && solved.solution;
  return { ...headers, ...(solution && { 'captcha-solution': solution }) };
}
