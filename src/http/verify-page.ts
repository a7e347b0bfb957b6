/** /verify: the page that draws a published round again in the browser (verify/page). */
import { readFile } from 'node:fs/promises';
import { extname } from 'node:path';
import { z } from 'zod';
import { present } from '../lib/assert.ts';
import { hex, sha256 } from '../lib/hash.ts';
import { type Answer, type Route, route } from './route.ts';

const shared = {
  method: 'get',
  slice: 'http',
  errors: [],
  gates: { limit: 'read', caller: 'anyone' },
} as const;

const FOLDER = new URL('../../verify/page/', import.meta.url);
const PAGE = 'index.html';
const VENDOR = 'vendor/noble.js';
const FILES = [
  'page.js',
  'style.css',
  'element.js',
  'entry.js',
  'result.js',
  'result-file.js',
  'slots.js',
  'verifier.js',
  'worker.js',
  'server.js',
  'view.js',
  'receipt.js',
  'draw.js',
  'round.js',
  'streams.js',
  'ledger.js',
  'table.js',
  'manifest.js',
  'merkle.js',
  'beacon.js',
  'canonical.js',
  'bytes.js',
  'refusal.js',
  'time.js',
] as const;

/** All that is served below /verify. */
export const VERIFY_FILES: readonly string[] = [PAGE, VENDOR, ...FILES];

const TYPES = new Map([
  ['.js', 'text/javascript; charset=utf-8'],
  ['.css', 'text/css; charset=utf-8'],
  ['.html', 'text/html; charset=utf-8'],
]);

/** Nothing but the page's own files runs, and nothing goes anywhere but to this server. */
const POLICY =
  "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; " +
  "connect-src 'self'; img-src 'self' data:; base-uri 'self'; form-action 'none'; " +
  "frame-ancestors 'none'";

export const verifyRoutes = (): Route[] => [
  route({
    ...shared,
    path: '/verify',
    name: 'verifyPage',
    summary: 'Recomputes a published draw in the browser.',
    // The page reads it in the browser; whatever else is in the address does no harm.
    query: z.looseObject({ release: z.string().optional() }),
    answers: { 200: { mediaType: 'text/html' } },
    handler: async () => {
      const page = await readFile(new URL(PAGE, FOLDER), 'utf8');
      // The page names its files as its folder has them; here they are one level down.
      return answerOf(page.replace('<head>', '<head>\n    <base href="verify/" />'), PAGE);
    },
  }),
  route({
    ...shared,
    path: '/verify/:file',
    name: 'verifyFile',
    summary: 'Files of the page that recomputes a draw.',
    params: z.object({ file: z.enum([PAGE, ...FILES]) }),
    answers: { 200: { mediaType: 'application/octet-stream' } },
    handler: async ({ params: { file } }) => answerOf(await readFile(new URL(file, FOLDER)), file),
  }),
  route({
    ...shared,
    path: `/verify/${VENDOR}`,
    name: 'verifyVendorFile',
    summary: 'The hash and the signatures that the page uses.',
    answers: { 200: { mediaType: 'text/javascript' } },
    handler: async () => answerOf(await readFile(new URL(VENDOR, FOLDER)), VENDOR),
  }),
];

/** Cached by whoever likes, and asked for again each time by its hash. */
const answerOf = (body: string | Buffer, name: string): Answer => ({
  status: 200,
  headers: {
    'content-type': present(TYPES.get(extname(name)), name),
    'content-security-policy': POLICY,
    'cache-control': 'no-cache',
    etag: `"${hex(sha256(Buffer.from(body))).slice(0, 32)}"`,
  },
  body,
});
