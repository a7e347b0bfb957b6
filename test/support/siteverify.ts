/** A captcha provider to test with: it knows siteverify, and misbehaves as it is told. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

export const SITE_KEY = 'a-site-key';
export const SITE_SECRET = 'a-site-secret';
export const HOSTNAME = 'slots.example';
/** The response that a person got for solving it. */
export const GOOD = 'P1_a-good-response';

export type ProviderMode =
  | 'honest'
  | 'other hostname'
  | 'no hostname'
  | 'other sitekey'
  | 'other ticket'
  | 'refuses us'
  | 'lies'
  | 'not json'
  | 'huge'
  | 'fails'
  | 'redirects'
  | 'closes'
  | 'hangs'
  | 'fails once';

export type TestProvider = Awaited<ReturnType<typeof startProvider>>;

/** On a port of its own; `mode` may be changed while it runs. `cdata`: what Turnstile repeats. */
export async function startProvider(mode: ProviderMode = 'honest') {
  const state = { mode, cdata: '', forms: [] as Record<string, string>[] };
  const server = createServer((request, response) => {
    void receive(request, response);
  });
  const receive = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const form = Object.fromEntries(new URLSearchParams(await text(request)));
    state.forms.push(form);
    answer(state, form, response);
  };
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    state,
    url: `http://127.0.0.1:${port}/siteverify`,
    close: async (): Promise<void> => {
      server.closeAllConnections();
      await new Promise((resolve) => {
        server.close(resolve);
      });
    },
  };
}

type State = { mode: ProviderMode; cdata: string };

function answer(state: State, form: Record<string, string>, response: ServerResponse): void {
  const say = (body: object): void => {
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  };
  const no = (code: string): void => say({ success: false, 'error-codes': [code] });
  const yes = { success: true, hostname: HOSTNAME, cdata: state.cdata };
  switch (state.mode) {
    case 'honest':
      if (form['secret'] !== SITE_SECRET) return no('invalid-input-secret');
      return form['response'] === GOOD ? say(yes) : no('invalid-input-response');
    case 'other hostname':
      return say({ ...yes, hostname: `${HOSTNAME}.elsewhere` });
    case 'no hostname':
      return say({ success: true });
    case 'other sitekey':
      return say({ ...yes, sitekey: 'another-site-key' });
    case 'other ticket':
      return say({ ...yes, cdata: 'another-ticket' });
    case 'refuses us':
      return no('invalid-input-secret');
    case 'lies':
      return say({ ...yes, success: 'true' });
    case 'not json':
      return void response.writeHead(200).end('<html>true</html>');
    case 'huge':
      return say({ ...yes, padding: 'x'.repeat(100_000) });
    case 'fails':
      return void response.writeHead(500).end(JSON.stringify(yes));
    case 'redirects':
      return void response.writeHead(302, { location: '/elsewhere' }).end();
    case 'closes':
      return void response.destroy();
    case 'hangs':
      return undefined;
    case 'fails once':
      state.mode = 'honest';
      return void response.writeHead(502).end();
  }
}
