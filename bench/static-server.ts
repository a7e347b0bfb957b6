/**
 * The least that an answer can cost: node:http, and bytes in memory. They are fetched once, from
 * BENCH_URL and with the headers of BENCH_HEADERS (JSON), so that they are those of another server.
 */
import { present } from '../src/lib/assert.ts';
import { listen } from './support/bare-server.ts';
import { exchange } from './support/exchange.ts';

const url = present(process.env['BENCH_URL'], 'BENCH_URL');
const asked = JSON.parse(process.env['BENCH_HEADERS'] ?? '{}') as Record<string, string>;

const { headers, body } = await exchange(url, { headers: asked });
const { 'content-type': type = '', 'content-encoding': coding } = headers;
const own = {
  'content-type': type,
  'content-length': String(body.length),
  ...(coding !== undefined && { 'content-encoding': coding }),
};
listen((_incoming, outgoing) => {
  outgoing.writeHead(200, own);
  outgoing.end(body);
});
