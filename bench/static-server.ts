/**
 * The least that an answer can cost: node:http, and bytes in memory. They are fetched once, from
 * BENCH_URL and with the headers of BENCH_HEADERS (JSON), so that they are those of another server.
 */
import { createServer } from 'node:http';
import { present } from '../src/lib/assert.ts';

const url = present(process.env['BENCH_URL'], 'BENCH_URL');
const asked = JSON.parse(process.env['BENCH_HEADERS'] ?? '{}') as Record<string, string>;

const { bytes, headers } = await new Promise<{ bytes: Buffer; headers: Record<string, string> }>(
  (resolve, reject) => {
    void import('node:http').then(({ get }) =>
      get(url, { headers: asked }, (received) => {
        const chunks: Buffer[] = [];
        received.on('data', (chunk: Buffer) => chunks.push(chunk));
        received.once('error', reject);
        received.once('end', () => {
          const whole = Buffer.concat(chunks);
          const { 'content-type': type = '', 'content-encoding': coding } = received.headers;
          resolve({
            bytes: whole,
            headers: {
              'content-type': type,
              'content-length': String(whole.length),
              ...(coding !== undefined && { 'content-encoding': coding }),
            },
          });
        });
      }).once('error', reject),
    );
  },
);

const server = createServer((_incoming, outgoing) => {
  outgoing.writeHead(200, headers);
  outgoing.end(bytes);
});
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  process.stdout.write(`{"listening":"http://127.0.0.1:${port}"}\n`);
});
process.once('SIGTERM', () => {
  server.closeAllConnections();
  server.close();
});
