/** Wires the HTTP room: gates, pipeline, meta routes, Express. */
import type { Config } from '../config.ts';
import { createAccessTokens } from '../gates/access-tokens.ts';
import { createTally } from '../gates/bots/tally.ts';
import { createAudit } from '../gates/audit.ts';
import { createIdentify } from '../gates/callers.ts';
import { createCaptcha } from '../gates/captcha/captcha.ts';
import { createDeviceTokens, createRecognise } from '../gates/devices.ts';
import { createLimits } from '../gates/limits.ts';
import { createOperatorKeys } from '../gates/operator-keys.ts';
import { createRevocations } from '../gates/revocations.ts';
import { gateRoutes } from '../gates/routes.ts';
import type { Secrets } from '../lib/secrets.ts';
import { everyNth, type Log } from '../log.ts';
import type { Metrics } from '../metrics/server.ts';
import type { Redis } from '../redis/client.ts';
import { docsRoutes } from './docs-page.ts';
import { createClientAddress } from './client-address.ts';
import type { DropReason } from './connections.ts';
import { createCors } from './cors.ts';
import type { Dispatch } from './exchange.ts';
import { createExpressApp } from './express.ts';
import { healthRoutes } from './health.ts';
import { createHotFirst } from './hot.ts';
import { createOnce } from './idempotency.ts';
import { createListener, type Listener } from './node.ts';
import { createOpenApi } from './openapi.ts';
import { createDispatch } from './pipeline.ts';
import type { Route } from './route.ts';
import { type Unreadable, unreadable } from './unreadable.ts';
import { verifyRoutes } from './verify-page.ts';

export type AppParts = {
  readonly routes: readonly Route[];
  readonly redis: Redis;
  readonly config: Pick<
    Config,
    | 'limits'
    | 'operatorKey'
    | 'accessTokenSecrets'
    | 'deviceTokenSecrets'
    | 'trustedProxies'
    | 'corsOrigins'
    | 'captcha'
    | 'devices'
    | 'logRequestsOneIn'
  >;
  readonly secrets: Secrets;
  readonly log: Log;
  readonly metrics: Metrics;
};

export type App = {
  /** For node:http. */
  readonly handler: Listener;
  readonly dispatch: Dispatch;
  /** Hears of a connection that is one too many. */
  readonly onDropped: (reason: DropReason) => void;
  /** The answer to what node:http could not read as a request. */
  readonly unreadable: (fault: Error) => Unreadable | undefined;
  /** The routes of the API, with those that the gates add. */
  readonly routes: readonly Route[];
  /** From now on each answer is the last of its connection, and /readyz sends others elsewhere. */
  readonly leave: () => void;
  /** After the last answer: hands over what is only in memory. */
  readonly finish: () => Promise<void>;
};

/** One OpenAPI document of our own surface, and one of each dialect. */
function documents(routes: readonly Route[]): Route[] {
  const byDialect = Map.groupBy(routes, ({ dialect }) => dialect);
  return Array.from(byDialect, ([dialect, those]) =>
    docsRoutes(() => createOpenApi(those, dialect), dialect?.root, dialect?.root.slice(1)),
  ).flat();
}

export function createApp(parts: AppParts): App {
  const { redis, config, secrets, log, metrics } = parts;
  const devicesRequired = config.devices.required;
  const devices = createDeviceTokens(config.deviceTokenSecrets);
  const captcha = createCaptcha({ redis, config, secrets, log, ...metrics.captcha.watch });
  metrics.captcha.watchProvider(captcha.isProviderDown);
  const routes = [...parts.routes, ...gateRoutes({ captcha, devices, devicesRequired })];
  let leaving = false;
  const isLeaving = (): boolean => leaving;
  const limits = createLimits(redis, secrets, config.limits, (limit, by) =>
    metrics.gates.limits.inc({ limit, by }),
  );
  metrics.gates.watchBlocked(limits.blockedCallers);
  const tally = createTally(redis, secrets, (many) => metrics.gates.uncounted.inc(many));
  const dispatch = createDispatch({
    routes: [
      ...routes,
      ...healthRoutes(redis, metrics, isLeaving),
      ...documents(routes),
      ...verifyRoutes(),
    ],
    identify: createIdentify({
      tokens: createAccessTokens(config.accessTokenSecrets),
      operatorKeys: createOperatorKeys(redis, config.operatorKey),
      limits,
    }),
    recognise: createRecognise(devices, devicesRequired),
    captcha,
    limits,
    revocations: createRevocations(redis),
    audit: createAudit(redis, log),
    once: createOnce(redis, secrets, log, (outcome) => metrics.http.replays.inc({ outcome })),
    cors: createCors(config.corsOrigins),
    tally: tally.refused,
    isLeaving,
    log,
    isLogged: everyNth(config.logRequestsOneIn),
    metrics: metrics.http,
  });
  const direct = createListener(dispatch, log, createClientAddress(config.trustedProxies));
  return {
    handler: createHotFirst(routes, direct, createExpressApp(direct)),
    dispatch,
    onDropped: (reason) => metrics.http.dropped.inc({ reason }),
    unreadable: (fault) => {
      const answer = unreadable(fault);
      if (answer) {
        metrics.http.refusals.inc({ code: answer.code, gate: 'none' });
        tally.refused(answer.code, '');
      }
      return answer;
    },
    routes,
    leave: () => {
      leaving = true;
    },
    finish: tally.finish,
  };
}
