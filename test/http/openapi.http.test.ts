import { Validator } from '@seriousme/openapi-schema-validator';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startApp, type TestApp } from '../support/app.ts';
import { useRedis } from '../support/redis.ts';

const used = useRedis();
let it: TestApp;
beforeAll(async () => {
  it = await startApp(used.redis);
});
afterAll(() => it.server.close());

type Operation = {
  operationId: string;
  security: object[];
  parameters?: { name: string }[];
  responses: Record<string, { description: string; content?: Record<string, { schema: object }> }>;
};

type Document = { openapi: string; paths: Record<string, Record<string, Operation>> };

const documentOf = async (): Promise<Document> => (await it.call('GET', '/openapi.json')).json;

describe('the OpenAPI document', () => {
  test('is valid OpenAPI 3.1', async () => {
    const document = await documentOf();
    expect(document.openapi).toBe('3.1.0');
    expect(await new Validator().validate(document)).toMatchObject({ valid: true });
  });

  test('has every route of the table', async () => {
    const { paths } = await documentOf();
    const described = Object.values(paths).flatMap((path) => Object.values(path));
    expect(described.map(({ operationId }) => operationId).toSorted()).toEqual(
      it.app.routes.map(({ name }) => name).toSorted(),
    );
    expect(it.app.routes.length).toBeGreaterThan(it.routes.length);
  });

  test('says what a route asks for and what its gates can refuse', async () => {
    const { paths } = await documentOf();
    const write = paths['/v1/things/{thing}']?.['put'];
    expect(write?.security).toEqual([{ accessToken: [] }]);
    expect(write?.parameters?.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['thing', 'Idempotency-Key']),
    );
    expect(Object.keys(write?.responses ?? {})).toEqual([
      '200',
      '400',
      '401',
      '403',
      '409',
      '413',
      '415',
      '422',
      '429',
      '500',
      '503',
    ]);
    expect(JSON.stringify(write?.responses['409'])).toContain('IDEMPOTENCY_IN_FLIGHT');
    const read = paths['/v1/things/{thing}']?.['get'];
    expect(read?.security).toEqual([]);
    expect(JSON.stringify(read?.responses['404'])).toContain('RELEASE_UNKNOWN');
  });

  test('is revalidated by its hash', async () => {
    const { headers } = await it.call('GET', '/openapi.json');
    const again = { 'if-none-match': String(headers['etag']) };
    expect((await it.call('GET', '/openapi.json', { headers: again })).status).toBe(304);
  });
});

describe('the documentation page', () => {
  test('brings all of its files itself', async () => {
    const page = await it.call('GET', '/docs');
    expect(page.headers['content-type']).toBe('text/html; charset=utf-8');
    expect(page.text).not.toMatch(/https?:/);
    const files = [...page.text.matchAll(/(?:src|href)="([^"]+)"/g)].map((match) => match[1]);
    expect(files).toHaveLength(4);
    for (const file of files) {
      const answer = await it.call('GET', new URL(String(file), 'http://x/docs').pathname);
      expect(answer.status).toBe(200);
      expect(answer.text.length).toBeGreaterThan(0);
    }
  });

  test('brings no others', async () => {
    for (const file of ['package.json', '..%2Fpackage.json', 'index.html'])
      expect((await it.call('GET', `/docs/${file}`)).status).toBe(400);
  });
});
