import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { fetchTranscripts } from '../../src/rounds/verify/fetch-command.ts';

const DIGEST = 'ab'.repeat(32);
let server: Server;
let url: string;
let answer: (path: string, response: ServerResponse) => void;
let to: string;

beforeAll(async () => {
  server = createServer((request, response) => answer(request.url ?? '', response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => void server.close());
beforeEach(() => {
  to = mkdtempSync(join(tmpdir(), 'fairslot-fetch-'));
  return () => rmSync(to, { recursive: true });
});

/** A server whose list has these rounds, and which answers transcripts as `transcript` does. */
const serve = (rounds: unknown, transcript: (response: ServerResponse) => void): void => {
  answer = (path, response) => {
    if (path.endsWith('/transcript')) transcript(response);
    else response.end(JSON.stringify({ rounds }));
  };
};
const fetchPune = async () => {
  const told: string[] = [];
  const problem = await fetchTranscripts({ url, release: 'pune', to }, (line) => told.push(line));
  return { problem: problem?.problem, told };
};

test('saves each transcript and tells its digest', async () => {
  serve([{ round: 0, digest: DIGEST }], (response) => response.end('the transcript'));
  const file = join(to, 'pune-round-0.ndjson.gz');
  expect(await fetchPune()).toEqual({ problem: undefined, told: [`${file}  digest ${DIGEST}`] });
  expect(readFileSync(file, 'utf8')).toBe('the transcript');
});

test('says so where no round is published yet', async () => {
  serve([], (response) => response.end());
  expect(await fetchPune()).toEqual({ problem: 'pune has no published round yet.', told: [] });
});

test('saves no error as a transcript, and nothing that was cut short', async () => {
  serve([{ round: 0, digest: DIGEST }], (response) => {
    response.statusCode = 503;
    response.end(`{"code":"UNAVAILABLE"}\u001b${'x'.repeat(10_000)}`);
  });
  const { problem } = await fetchPune();
  expect(problem).toMatch(/^\/v1\/releases\/pune\/rounds\/0\/transcript answered 503: [ -~]+$/);
  expect(problem?.length).toBeLessThan(600);
  expect(readdirSync(to)).toEqual([]);
  serve([{ round: 0, digest: DIGEST }], (response) => {
    response.writeHead(200, { 'content-length': 100 });
    response.write('half');
    setTimeout(() => response.destroy(), 20);
  });
  expect((await fetchPune()).problem).toContain('pune-round-0');
  expect(readdirSync(to)).toEqual([]);
});

test('lets no answer name a file, and says when there is no engine', async () => {
  for (const rounds of [
    [{ round: '../../x', digest: DIGEST }],
    [{ round: 0, digest: '\u001b' }],
    7,
  ]) {
    serve(rounds, (response) => response.end());
    expect((await fetchPune()).problem).toContain('did not answer a list of rounds');
  }
  url = 'http://127.0.0.1:1';
  expect((await fetchPune()).problem).toMatch(/^No engine answers at http:\/\/127\.0\.0\.1:1/);
});
