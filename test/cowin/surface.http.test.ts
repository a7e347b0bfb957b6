/** The CoWIN surface beside our own: a document and a page of its own, and any origin. */
import { Validator } from '@seriousme/openapi-schema-validator';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { serveApi, type TestApi } from '../support/api.ts';
import { useRedis } from '../support/redis.ts';

const ORIGIN = 'https://book.example.org';
const ELSEWHERE = 'https://elsewhere.example';

const used = useRedis();
let api: TestApi;
beforeAll(async () => {
  api = await serveApi(used.redis, undefined, { CORS_ORIGINS: ORIGIN });
});
afterAll(() => api.close());

type Document = {
  readonly openapi: string;
  readonly info: { readonly title: string };
  readonly paths: Record<
    string,
    Record<
      string,
      {
        readonly operationId: string;
        readonly requestBody?: { readonly required: boolean };
        readonly responses: Record<
          string,
          { readonly content?: Record<string, { readonly examples?: Record<string, unknown> }> }
        >;
      }
    >
  >;
};
const documentAt = async (path: string): Promise<Document> => (await api.call('GET', path)).json;
const namesIn = ({ paths }: Document): string[] =>
  Object.values(paths).flatMap((methods) =>
    Object.values(methods).map(({ operationId }) => operationId),
  );

describe('the OpenAPI document of the surface', () => {
  test('is valid OpenAPI 3.1, as that of our own surface is', async () => {
    const titles: string[] = [];
    for (const path of ['/api/openapi.json', '/openapi.json']) {
      const document = await documentAt(path);
      expect(document.openapi).toBe('3.1.0');
      expect(await new Validator().validate(document)).toMatchObject({ valid: true });
      titles.push(document.info.title);
    }
    expect(new Set(titles).size).toBe(2);
  });

  test('has every route of the surface and no other, and the first has none of them', async () => {
    const [ours, theirs] = [
      await documentAt('/openapi.json'),
      await documentAt('/api/openapi.json'),
    ];
    const cowin = api.routes.filter(({ path }) => path.startsWith('/api/'));
    expect(namesIn(theirs).toSorted()).toEqual(cowin.map(({ name }) => name).toSorted());
    expect(cowin.length).toBeGreaterThan(20);
    expect(Object.keys(theirs.paths).every((path) => path.startsWith('/api/v2/'))).toBe(true);
    expect(Object.keys(ours.paths).filter((path) => path.startsWith('/api'))).toEqual([]);
    const others = api.routes.filter(({ path }) => !path.startsWith('/api/'));
    expect(namesIn(ours)).toEqual(expect.arrayContaining(others.map(({ name }) => name)));
  });

  test('says what clients of it hear: their codes, ours beside them, and 401 as text', async () => {
    const { paths } = await documentAt('/api/openapi.json');
    const responses = paths['/api/v2/appointment/schedule']?.['post']?.responses ?? {};
    expect(Object.keys(responses['401']?.content ?? {})).toEqual(['text/plain']);
    expect(responses['409']?.content?.['application/json']?.examples).toMatchObject({
      COOLING_DOWN: {
        value: { errorCode: 'APPOIN0040', error: /./, fairslot: { code: 'COOLING_DOWN' } },
      },
    });
    // bound elsewhere, or only for seconds
    for (const status of ['409', '429'])
      expect(responses[status]?.content?.['application/json']?.examples).toHaveProperty(
        'CLAIMED_ELSEWHERE',
      );
    expect(responses['503']).toBeUndefined();
    const captcha = paths['/api/v2/auth/getRecaptcha']?.['post'];
    expect(captcha?.requestBody?.required).toBe(false);
    expect(paths['/api/v2/appointment/schedule']?.['post']?.requestBody?.required).toBe(true);
  });

  test('has a page to read it, which brings all of its files itself', async () => {
    const page = await api.call('GET', '/api/docs');
    expect([page.status, page.headers['content-type']]).toEqual([200, 'text/html; charset=utf-8']);
    const files = [...page.text.matchAll(/(?:src|href)="([^"]+)"/g)].map((match) => match[1]);
    expect(files).toHaveLength(4);
    const bodies = await Promise.all(
      files.map(async (file) => {
        const { pathname } = new URL(String(file), 'http://x/api/docs');
        expect(pathname).toMatch(/^\/api\/docs\//);
        const answer = await api.call('GET', pathname);
        expect(answer.status).toBe(200);
        return answer.text;
      }),
    );
    const [at = ''] = bodies.flatMap(
      (text) => /^SwaggerUIBundle\(\{ url: '([^']+)'/.exec(text)?.[1] ?? [],
    );
    // as its page has it: the document of this surface
    expect(new URL(at, 'http://x/api/docs').pathname).toBe('/api/openapi.json');
    expect((await api.call('GET', '/api/docs/package.json')).status).toBe(400);
  });
});

describe('another origin', () => {
  const allows = 'access-control-allow-origin';
  const STATES = '/api/v2/admin/location/states';
  const preflight = (path: string, method: string, origin: string) =>
    api.call('OPTIONS', path, {
      headers: { origin, 'access-control-request-method': method },
    });

  test('may read every answer of the surface, refusals too', async () => {
    const asks = [
      ['GET', STATES, 200],
      ['GET', '/api/v2/appointment/beneficiaries', 401],
      ['GET', '/api/v2/appointment/sessions/public/findByPin?pincode=1&date=x', 400],
      ['POST', '/api/v2/auth/public/generateOTP', 400],
      // what an address does not take
      ['DELETE', STATES, 405],
    ] as const;
    for (const [method, path, status] of asks)
      for (const origin of [ORIGIN, ELSEWHERE, 'null']) {
        const answer = await api.call(method, path, { headers: { origin } });
        expect([answer.status, answer.headers[allows]], path).toEqual([status, '*']);
      }
  });

  test('may ask the surface, and is told so ahead', async () => {
    for (const [path, method] of [
      [STATES, 'GET'],
      ['/api/v2/appointment/schedule', 'POST'],
    ] as const) {
      const { status, headers } = await preflight(path, method, ELSEWHERE);
      expect([status, headers[allows]]).toEqual([204, '*']);
      expect(headers['access-control-allow-methods']?.split(', ')).toContain(method);
      expect(headers['access-control-allow-headers']?.split(', ')).toEqual(
        expect.arrayContaining(['authorization', '*']),
      );
      expect(headers['access-control-allow-credentials']).toBeUndefined();
    }
  });

  test('may not ask our own surface, unless it is in the settings', async () => {
    const path = '/v1/releases';
    for (const [origin, allowed] of [
      [ORIGIN, ORIGIN],
      [ELSEWHERE, undefined],
    ] as const) {
      const answer = await api.call('GET', path, { headers: { origin } });
      expect([answer.status, answer.headers[allows]]).toEqual([200, allowed]);
    }
    const refused = await preflight('/v1/bookings', 'POST', ELSEWHERE);
    expect([refused.status, refused.headers[allows]]).toEqual([405, undefined]);
    const { status, headers } = await preflight('/v1/bookings', 'POST', ORIGIN);
    expect([status, headers[allows]]).toEqual([204, ORIGIN]);
    expect(headers['access-control-allow-headers']?.split(', ')).toEqual(
      expect.arrayContaining([
        'authorization',
        'captcha-solution',
        'device-token',
        'idempotency-key',
      ]),
    );
  });
});
