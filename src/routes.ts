/** Every route of the engine: what Express, OpenAPI and the tests are made from. */
import { arrivalRoutes } from './arrivals/routes.ts';
import { bookingRoutes } from './bookings/routes.ts';
import { slipRoute } from './bookings/slip-route.ts';
import type { Config } from './config.ts';
import { cowinRoutes } from './cowin/routes.ts';
import type { Engine } from './engine.ts';
import { createAccessTokens } from './gates/access-tokens.ts';
import { createAuditReader } from './gates/audit.ts';
import { auditRoutes } from './gates/audit-routes.ts';
import { botRoutes } from './gates/bots/routes.ts';
import type { Route } from './http/route.ts';
import { notifyRoutes } from './notify/routes.ts';
import { peopleRoutes } from './people/routes.ts';
import { redisNowMs, type Redis } from './redis/client.ts';
import { operatorRoutes, releaseRoutes } from './releases/routes.ts';
import { roundRoutes } from './rounds/routes.ts';

/** Of all surfaces that a deployment serves. */
export const allRoutes = (
  engine: Engine,
  redis: Redis,
  config: Pick<Config, 'smsDriver' | 'accessTokenSecrets' | 'captcha' | 'cowinSurface'>,
): Route[] => [
  ...apiRoutes(engine, redis, config),
  ...(config.cowinSurface ? cowinRoutes(engine, redis, config) : []),
];

/** Of our own surface. */
export function apiRoutes(
  engine: Engine,
  redis: Redis,
  config: Pick<Config, 'smsDriver' | 'accessTokenSecrets'>,
): Route[] {
  const { secrets, people, erasure, releases, rounds, receipts, bookings } = engine;
  const issueToken = createAccessTokens(config.accessTokenSecrets).issue;
  const readInbox = config.smsDriver === 'inbox' ? engine.inbox.read : undefined;
  return [
    ...peopleRoutes({ people, erasure, issueToken, secrets, readInbox }),
    ...releaseRoutes(releases),
    ...roundRoutes(rounds, receipts),
    ...bookingRoutes(bookings),
    ...arrivalRoutes(engine.arrivals),
    slipRoute(engine.slips),
    ...notifyRoutes(engine.outbox),
    ...auditRoutes(createAuditReader(redis)),
    ...botRoutes(engine.bots),
    ...operatorRoutes(releases, () => redisNowMs(redis)),
  ];
}
