/** /openapi.json, and /docs: Swagger UI from its package, so that it works without the internet. */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join, dirname } from 'node:path';
import { z } from 'zod';
import { present } from '../lib/assert.ts';
import { hex, sha256 } from '../lib/hash.ts';
import { type Answer, type Route, route } from './route.ts';

const shared = { method: 'get', slice: 'http', errors: [] } as const;
const gates = { limit: 'read', caller: 'anyone' } as const;

const swaggerUi = dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'));

const ASSETS = new Map([
  ['swagger-ui.css', 'text/css; charset=utf-8'],
  ['swagger-ui-bundle.js', 'text/javascript; charset=utf-8'],
  ['favicon-32x32.png', 'image/png'],
]);
const INITIALIZER = 'initializer.js';

const PAGE = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <title>fairslot API</title>
    <link rel="icon" href="docs/favicon-32x32.png" />
    <link rel="stylesheet" href="docs/swagger-ui.css" />
  </head>
  <body>
    <div id="swagger-ui"></div>
    <script src="docs/swagger-ui-bundle.js"></script>
    <script src="docs/${INITIALIZER}"></script>
  </body>
</html>
`;
const SCRIPT = `SwaggerUIBundle({ url: 'openapi.json', dom_id: '#swagger-ui', validatorUrl: null });\n`;
/**
 * The page's own files only; Swagger UI sets styles from its script and draws with data: images.
 */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; " +
  "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; " +
  "frame-ancestors 'none'";

/**
 * `createDocument`: gives the OpenAPI document; called once, at the first request for it. `root`:
 * where the API begins, as `/api`; `name`: a prefix for the names of these routes.
 */
export function docsRoutes(createDocument: () => object, root = '', name = ''): Route[] {
  let openapi: Answer | undefined;
  return [
    route({
      ...shared,
      path: `${root}/openapi.json`,
      name: `${name}openapi`,
      summary: 'This API as an OpenAPI 3.1 document.',
      gates,
      answers: { 200: { mediaType: 'application/json' } },
      handler: async () =>
        (openapi ??= revalidated(JSON.stringify(createDocument()), 'application/json')),
    }),
    route({
      ...shared,
      path: `${root}/docs`,
      name: `${name}docs`,
      summary: 'This API to read and try out.',
      gates,
      answers: { 200: { mediaType: 'text/html' } },
      handler: async () => {
        const page = revalidated(PAGE, 'text/html; charset=utf-8');
        return { ...page, headers: { ...page.headers, 'content-security-policy': POLICY } };
      },
    }),
    route({
      ...shared,
      path: `${root}/docs/:file`,
      name: `${name}docsFile`,
      summary: 'Files of the documentation page.',
      gates,
      params: z.object({ file: z.enum([INITIALIZER, ...ASSETS.keys()]) }),
      answers: { 200: { mediaType: 'application/octet-stream' } },
      handler: async ({ params: { file } }) => {
        if (file === INITIALIZER) return revalidated(SCRIPT, 'text/javascript; charset=utf-8');
        const type = present(ASSETS.get(file), file);
        return revalidated(await readFile(join(swaggerUi, file)), type);
      },
    }),
  ];
}

/** Cached by whoever likes, and asked for again each time by its hash. */
const revalidated = (body: string | Buffer, contentType: string): Answer => ({
  status: 200,
  headers: {
    'content-type': contentType,
    'cache-control': 'no-cache',
    etag: `"${hex(sha256(Buffer.from(body))).slice(0, 32)}"`,
  },
  body,
});
