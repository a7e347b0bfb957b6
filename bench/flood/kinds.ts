/** The kinds of hostile requests: how each is made, and how it is to be answered. */
import { connect } from 'node:net';
import { present } from '../../src/lib/assert.ts';
import type { Answer, Sent } from './client.ts';
import { codeOf, labelOf } from './client.ts';

/** Who attacks: an address with a device token of its own. */
export type Stranger = { readonly from: string; readonly deviceToken: string };
/** Who attacks under an account with a registered person. */
export type Insider = Stranger & { readonly bearer: string; readonly beneficiary: string };
/** A value of Captcha-Solution, and whose it is. */
export type Solved<T extends Stranger> = { readonly by: T; readonly solution: string };

/** All that an attacker has prepared. */
export type Arms = {
  readonly url: string;
  readonly release: string;
  readonly slot: string;
  readonly strangers: readonly Stranger[];
  readonly insiders: readonly Insider[];
  readonly forgedTokens: readonly string[];
  readonly expiredTokens: readonly string[];
  /** One for each request of the kind, while there are any. */
  readonly otpManyMobiles: readonly Solved<Stranger>[];
  readonly otpOneMobile: readonly Solved<Stranger>[];
  readonly unsolved: readonly Solved<Insider>[];
  /** One for each who sends it again and again. */
  readonly replayed: readonly Solved<Insider>[];
};

/** `number`: how many of this kind came before. */
type Fire = (
  arms: Arms,
  number: number,
  send: (sent: Sent) => Promise<Answer>,
  over: AbortSignal,
) => Promise<string>;

export type Kind = {
  /** Of a hundred requests. */
  readonly weight: number;
  /** What it may be answered. */
  readonly answers: readonly string[];
  readonly fire: Fire;
};

const MEGABYTE = Buffer.alloc(1024 * 1024, ' ');
const DEEP = '['.repeat(4_000) + ']'.repeat(4_000);
const TRICKLE_EVERY_MS = 1_000;
/** The attacker went away before any answer. */
const LEFT = 'left';
const LIMITED = '429 TOO_MANY_REQUESTS';
/** The connection ended with the refusal, before its sender had read it. */
const CUT_OFF = ['ECONNRESET', 'EPIPE'];

const nth = <T>(list: readonly T[], number: number): T =>
  present(list[number % list.length], 'arms');
const deviceOf = ({ deviceToken }: Stranger) => ({ 'device-token': deviceToken });
const allOf = (by: Insider) => ({ ...deviceOf(by), authorization: by.bearer });
const entryOf = ({ slot }: Arms, { beneficiary }: { readonly beneficiary: string }): string =>
  JSON.stringify({ beneficiaries: [beneficiary], preferences: [slot] });
const ANY_ENTRY = { beneficiary: 'nobody' };
const mobileOf = (number: number): string => `+9177${String(number).padStart(8, '0')}`;
const VICTIM = '+917900000000';

/** Enters, or tries to. */
const putEntry = (arms: Arms, by: Insider, headers: Record<string, string> = {}): Sent => ({
  method: 'PUT',
  path: `/v1/releases/${arms.release}/entry`,
  from: by.from,
  headers: { ...allOf(by), ...headers },
  body: entryOf(arms, by),
});

const withToken = (arms: Arms, number: number, tokens: readonly string[]): Sent => ({
  method: 'PUT',
  path: `/v1/releases/${arms.release}/entry`,
  from: nth(arms.strangers, number).from,
  headers: { authorization: nth(tokens, number), ...deviceOf(nth(arms.strangers, number)) },
  body: entryOf(arms, ANY_ENTRY),
});

const askOtp = ({ by, solution }: Solved<Stranger>, mobile: string): Sent => ({
  method: 'POST',
  path: '/v1/auth/otp',
  from: by.from,
  headers: { ...deviceOf(by), 'captcha-solution': solution },
  body: JSON.stringify({ mobile }),
});

/** The route that asks for least before it looks at a body. */
const signIn = (arms: Arms, number: number, body: string | Buffer): Sent => ({
  method: 'POST',
  path: '/v1/auth/token',
  from: nth(arms.strangers, number).from,
  headers: deviceOf(nth(arms.strangers, number)),
  body,
});

/** Opens a connection, sends `head`, then a byte a second until it is answered or all is over. */
function trickle({ url }: Arms, from: string, head: string, over: AbortSignal): Promise<string> {
  return new Promise((resolve) => {
    const { hostname, port } = new URL(url);
    const socket = connect({ host: hostname, port: Number(port), localAddress: from });
    socket.setEncoding('utf8');
    socket.write(head);
    const timer = setInterval(() => socket.write('x'), TRICKLE_EVERY_MS);
    let text = '';
    const end = (label: string): void => {
      clearInterval(timer);
      over.removeEventListener('abort', leave);
      socket.destroy();
      resolve(label);
    };
    const leave = (): void => end(LEFT);
    socket.on('data', (chunk: string) => {
      text += chunk;
    });
    socket.once('error', (error) => end(text === '' ? codeOf(error) : statusOf(text)));
    socket.once('close', () => end(text === '' ? 'closed' : statusOf(text)));
    over.addEventListener('abort', leave);
  });
}

const statusOf = (text: string): string =>
  labelOf(Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 0), text);

/** Opens a connection and drops it, with half a request on it or none. */
const openAndLeave = ({ url }: Arms, from: string, head: string): Promise<string> =>
  new Promise((resolve) => {
    const { hostname, port } = new URL(url);
    const socket = connect({ host: hostname, port: Number(port), localAddress: from });
    socket.once('error', (error) => resolve(codeOf(error)));
    socket.once('connect', () => {
      socket.write(head, () => {
        socket.resetAndDestroy();
        resolve(LEFT);
      });
    });
  });

const HEAD = 'POST /v1/auth/token HTTP/1.1\r\nHost: flood\r\nContent-Type: application/json\r\n';

export const KINDS = {
  forgedToken: {
    weight: 12,
    answers: ['401 ACCESS_TOKEN_INVALID'],
    fire: async (arms, number, send) =>
      (await send(withToken(arms, number, arms.forgedTokens))).label,
  },
  expiredToken: {
    weight: 6,
    answers: ['401 ACCESS_TOKEN_EXPIRED'],
    fire: async (arms, number, send) =>
      (await send(withToken(arms, number, arms.expiredTokens))).label,
  },
  garbageDevice: {
    weight: 10,
    answers: ['403 DEVICE_TOKEN_INVALID'],
    fire: async (arms, number, send) => {
      const { from } = nth(arms.strangers, number);
      const by = { from, deviceToken: `${nth(arms.forgedTokens, number).slice(7)}x` };
      return (await send(askOtp({ by, solution: 'none none' }, VICTIM))).label;
    },
  },
  /** One account, device and address that asks far more often than it may. */
  oneAccount: {
    weight: 10,
    answers: ['200', LIMITED],
    fire: async (arms, _number, send) => {
      const by = nth(arms.insiders, 0);
      const path = `/v1/releases/${arms.release}/entry`;
      return (await send({ method: 'GET', path, from: by.from, headers: allOf(by) })).label;
    },
  },
  otpManyMobiles: {
    weight: 6,
    answers: ['202', LIMITED],
    fire: async (arms, number, send) =>
      (await send(askOtp(nth(arms.otpManyMobiles, number), mobileOf(number)))).label,
  },
  otpOneMobile: {
    weight: 5,
    answers: ['202', '429 OTP_TOO_SOON', '429 OTP_TOO_MANY', LIMITED],
    fire: async (arms, number, send) =>
      (await send(askOtp(nth(arms.otpOneMobile, number), VICTIM))).label,
  },
  noCaptcha: {
    weight: 10,
    answers: ['403 CAPTCHA_MISSING', LIMITED],
    fire: async (arms, number, send) =>
      (await send(putEntry(arms, nth(arms.insiders, number)))).label,
  },
  unsolvedCaptcha: {
    weight: 6,
    answers: ['403 CAPTCHA_WRONG', LIMITED],
    fire: async (arms, number, send) => {
      const { by, solution } = nth(arms.unsolved, number);
      return (await send(putEntry(arms, by, { 'captcha-solution': solution }))).label;
    },
  },
  replayedCaptcha: {
    weight: 6,
    answers: ['200', '403 CAPTCHA_SPENT', LIMITED],
    fire: async (arms, number, send) => {
      const { by, solution } = nth(arms.replayed, number);
      return (await send(putEntry(arms, by, { 'captcha-solution': solution }))).label;
    },
  },
  /** 1 MB, by its Content-Length. */
  largeBody: {
    weight: 3,
    answers: ['413 BODY_TOO_LARGE', LIMITED, ...CUT_OFF],
    fire: async (arms, number, send) => (await send(signIn(arms, number, MEGABYTE))).label,
  },
  /** 1 MB in chunks. */
  largeChunks: {
    weight: 2,
    answers: ['413 BODY_TOO_LARGE', LIMITED, ...CUT_OFF],
    fire: async (arms, number, send) =>
      (await send({ ...signIn(arms, number, MEGABYTE), chunked: true })).label,
  },
  slowHeaders: {
    weight: 1,
    answers: ['408 REQUEST_TOO_SLOW', LEFT],
    fire: (arms, number, _send, over) =>
      trickle(arms, nth(arms.strangers, number).from, `${HEAD}X-Slow: `, over),
  },
  slowBody: {
    weight: 1,
    answers: ['408 REQUEST_TOO_SLOW', LIMITED, LEFT],
    fire: (arms, number, _send, over) => {
      const { from, deviceToken } = nth(arms.strangers, number);
      const head = `${HEAD}Device-Token: ${deviceToken}\r\nContent-Length: 1000\r\n\r\n`;
      return trickle(arms, from, head, over);
    },
  },
  unknownRoute: {
    weight: 10,
    answers: ['404 ROUTE_UNKNOWN'],
    fire: async (arms, number, send) => {
      const { from } = nth(arms.strangers, number);
      return (await send({ method: 'GET', path: `/wp-admin/${number}`, from })).label;
    },
  },
  deepJson: {
    weight: 6,
    answers: ['400 REQUEST_INVALID', LIMITED],
    fire: async (arms, number, send) => (await send(signIn(arms, number, DEEP))).label,
  },
  openAndLeave: {
    weight: 6,
    answers: [LEFT],
    fire: (arms, number) =>
      openAndLeave(arms, nth(arms.strangers, number).from, number % 2 === 0 ? '' : HEAD),
  },
} as const satisfies Record<string, Kind>;

export type KindName = keyof typeof KINDS;
export const KIND_NAMES = Object.keys(KINDS) as KindName[];
