/** The whole API behind its gates, and clients that pass them, or try to. */
import { solveCaptcha } from '../../src/demo/captcha.ts';
import { createEngine } from '../../src/engine.ts';
import { createAccessTokens } from '../../src/gates/access-tokens.ts';
import { createDeviceTokens } from '../../src/gates/devices.ts';
import { countedBy, LIMIT_NAMES, limitSetting } from '../../src/gates/limit-table.ts';
import { createApp } from '../../src/http/app.ts';
import { listen } from '../../src/http/server.ts';
import { createLog } from '../../src/log.ts';
import { createMetrics } from '../../src/metrics/server.ts';
import type { Redis } from '../../src/redis/client.ts';
import { allRoutes } from '../../src/routes.ts';
import { SECRET, call, type CallOptions, configWith, secrets } from './app.ts';

const GENEROUS = Object.fromEntries(
  LIMIT_NAMES.flatMap((limit) =>
    countedBy(limit).map(([by]) => [limitSetting(limit, by), '100000']),
  ),
);
/** Real work, but little. */
const EASY = { CAPTCHA_DRIVER: 'altcha', CAPTCHA_TRIES: '2', CAPTCHA_TRIES_MOST: '4' };

export type Gated = Awaited<ReturnType<typeof startGated>>;

export async function startGated(redis: Redis, settings: Record<string, string> = {}) {
  const config = configWith({ SMS_DRIVER: 'inbox', ...GENEROUS, ...EASY, ...settings });
  const engine = createEngine(redis, config);
  const metrics = createMetrics();
  const routes = allRoutes(engine, redis, config);
  const log = createLog('silent');
  const app = createApp({ routes, redis, config, secrets, log, metrics });
  const server = await listen(app, { host: '127.0.0.1', port: 0 });
  const ask = (method: string, path: string, options?: CallOptions) =>
    call(server.url, method, path, options);
  /** The value of one line of /metrics; 0 where there is none yet. */
  const metric = async (line: string): Promise<number> => {
    const lines = (await metrics.registry.metrics()).split('\n');
    return Number(lines.find((one) => one.startsWith(`${line} `))?.split(' ')[1] ?? 0);
  };
  return { engine, routes, app, server, call: ask, metrics, metric, ...clients(ask) };
}

/** Whoever asks: how they look to the gates. */
export type Asker = {
  readonly token?: string;
  readonly device?: string;
  readonly from?: string;
};

const optionsOf = ({ token, device, from }: Asker): CallOptions => ({
  ...(token !== undefined && { token }),
  ...(from !== undefined && { from }),
  headers: device === undefined ? {} : { 'device-token': device },
});

type Ask = (method: string, path: string, options?: CallOptions) => ReturnType<typeof call>;

function clients(ask: Ask) {
  /** What the engine wants to have solved. */
  const challenge = (purpose: string, asker: Asker = {}) =>
    ask('GET', `/v1/captcha?purpose=${encodeURIComponent(purpose)}`, optionsOf(asker));

  /** A value of Captcha-Solution. */
  const solve = async (purpose: string, asker: Asker = {}): Promise<string> => {
    const get = async () => {
      const { status, json } = await challenge(purpose, asker);
      return { status, body: json, code: json.code, retryAfterMs: 0, left: 0 };
    };
    const solved = await solveCaptcha(get, purpose);
    if ('refused' in solved) throw new Error(`refused: ${solved.refused.code}`);
    return String(solved.solution);
  };

  /** Sends a request with a solution. */
  const send = (
    method: string,
    path: string,
    {
      solution,
      body,
      headers,
      ...asker
    }: Asker & {
      readonly solution?: string | undefined;
      readonly body?: unknown;
      readonly headers?: Record<string, string>;
    },
  ) => {
    const options = optionsOf(asker);
    const captcha = solution === undefined ? {} : { 'captcha-solution': solution };
    return ask(method, path, {
      ...options,
      body,
      headers: { ...options.headers, ...captcha, ...headers },
    });
  };

  /** A device of our own making: minting one over HTTP has tests of its own. */
  const newDevice = () => createDeviceTokens([SECRET]).mint();
  const tokenFor = async (account: string, device = ''): Promise<string> =>
    (await createAccessTokens([SECRET]).issue({ account, epoch: 0, device })).accessToken;
  return { challenge, solve, send, newDevice, tokenFor };
}
