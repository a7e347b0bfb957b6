/** One request with node:http, of which more is asked than `fetch` tells. */
import { once } from 'node:events';
import {
  type Agent,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request as httpRequest,
} from 'node:http';
import type { Request } from 'autocannon';
import { assert } from '../../src/lib/assert.ts';

const TIMEOUT_MS = 10_000;

export type Exchanged = {
  readonly headers: IncomingHttpHeaders;
  /** As it came: nothing is decompressed. */
  readonly body: Buffer;
  /** What came back on the wire over its connection so far, heads and bodies. */
  readonly wireBytes: number;
};

/** Over a connection of its own where no agent is given. Throws at an answer that is not 2xx. */
export async function exchange(
  url: string,
  { method = 'GET', path = '', headers = {}, body }: Request,
  agent: Agent | false = false,
): Promise<Exchanged> {
  const asked = httpRequest(`${url}${path}`, { method, agent, headers, timeout: TIMEOUT_MS });
  asked.once('timeout', () => asked.destroy(new Error('no answer in time')));
  asked.end(body);
  const [received] = (await once(asked, 'response')) as [IncomingMessage];
  const { socket, statusCode = 0 } = received;
  const chunks = (await received.toArray()) as Buffer[];
  const whole = Buffer.concat(chunks);
  const isGranted = statusCode >= 200 && statusCode < 300;
  assert(isGranted, `${method} ${path} was answered ${statusCode} ${whole.toString()}`);
  return { headers: received.headers, body: whole, wireBytes: socket.bytesRead };
}
