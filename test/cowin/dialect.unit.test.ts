/** Clients of the surface act on codes that they know, and wait where there is one for it. */
import { expect, test } from 'vitest';
import { COWIN } from '../../src/cowin/dialect.ts';
import { createEngine } from '../../src/engine.ts';
import { codesOf } from '../../src/http/openapi.ts';
import { present } from '../../src/lib/assert.ts';
import { refuse } from '../../src/refusal.ts';
import { connectRedis } from '../../src/redis/client.ts';
import { cowinRoutes } from '../../src/cowin/routes.ts';
import { configWith, SECRET } from '../support/app.ts';

test('a schedule is refused in no way that makes a client ask again at once, but by its mistake', () => {
  const redis = connectRedis({ url: 'redis://127.0.0.1:1', cluster: false });
  redis.disconnect();
  const config = configWith();
  const routes = cowinRoutes(createEngine(redis, { secret: SECRET }), redis, config);
  const schedule = present(
    routes.find(({ name }) => name === 'cowin-schedule'),
    'the route',
  );
  for (const code of codesOf(schedule)) {
    const { status, body } = COWIN.refusal(refuse(code));
    if (code === 'INTERNAL') continue; // our own fault, and nothing that sheds load
    const known = typeof body === 'object' && body !== null && 'errorCode' in body;
    expect(known || status === 429 || status === 401, `${code} is answered ${status}`).toBe(true);
    expect(status, code).toBeLessThan(500);
  }
  expect(COWIN.refusal(refuse('UNAVAILABLE')).status).toBe(429);
});
