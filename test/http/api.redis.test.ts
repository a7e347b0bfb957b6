/** The API's own route table: what holds for all of its routes. */
import { Validator } from '@seriousme/openapi-schema-validator';
import { beforeAll, describe, expect, test } from 'vitest';
import { createEngine } from '../../src/engine.ts';
import { createOpenApi } from '../../src/http/openapi.ts';
import type { Route } from '../../src/http/route.ts';
import { apiRoutes } from '../../src/routes.ts';
import { configWith } from '../support/app.ts';
import { useRedis } from '../support/redis.ts';

const used = useRedis();
let routes: readonly Route[];
beforeAll(() => {
  const config = configWith({ SMS_DRIVER: 'inbox' });
  routes = apiRoutes(createEngine(used.redis, config), used.redis, config);
});

describe('the API', () => {
  test('is described by a valid OpenAPI document', async () => {
    const result = await new Validator().validate({ ...createOpenApi(routes) });
    expect(result).toMatchObject({ valid: true });
  });

  test('names each route once', () => {
    const names = routes.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
  });

  test('describes every member of every path', () => {
    for (const { path, params } of routes) {
      const inPath = Array.from(path.matchAll(/:(\w+)/g), ([, name]) => name);
      expect(Object.keys(params?.shape ?? {})).toEqual(inPath);
    }
  });

  /** A proxy may keep strangers out of the one place that only operators need; centres call from outside. */
  test('asks operators only under /v1/admin/, and nobody else there; but centres elsewhere', () => {
    for (const { path, gates } of routes) {
      const isOperators = gates.caller === 'operator' && gates.scope !== 'vaccinator';
      expect(isOperators, path).toBe(path.startsWith('/v1/admin/'));
    }
  });

  test('lets no route by without a limit', () => {
    expect(routes.filter(({ gates }) => gates.limit === 'none')).toEqual([]);
  });
});
