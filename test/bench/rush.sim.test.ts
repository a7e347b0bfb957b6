/** The evenings of the bench on a deployment, as small as they can be. */
import { once } from 'node:events';
import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, describe, expect, it } from 'vitest';
import { rush } from '../../bench/rush.ts';
import { soak } from '../../bench/soak.ts';
import { takingPart } from '../../bench/support/play.ts';
import type { AnyScenario, Outcome } from '../../bench/support/scenario.ts';
import { startEngine } from '../../src/demo/engine.ts';
import { EVENING_SETTINGS } from '../../src/demo/play.ts';
import { present } from '../../src/lib/assert.ts';

const silent = () => ({ advance: () => undefined, done: () => undefined });

/** On a deployment with these settings; `before`: what stands before it, and where. */
async function onTarget(
  scenario: AnyScenario,
  settings: Readonly<Record<string, string>>,
  before: (url: string) => Promise<string> = async (url) => url,
): Promise<Outcome> {
  const engine = await startEngine({ ...EVENING_SETTINGS, ...settings });
  try {
    const [part] = takingPart([scenario], { quick: true, target: engine });
    const play = present(scenario.onTarget, 'it can be played on a deployment');
    const target = { url: await before(engine.url), operatorKey: engine.operatorKey };
    return await play(target, present(part, 'it takes part').options as never, silent);
  } finally {
    await engine.stop();
  }
}

const proxies: Server[] = [];
afterAll(() => {
  for (const proxy of proxies) {
    proxy.closeAllConnections();
    proxy.close();
  }
});

/** A proxy that answers 503 to one request for an OTP, the first after a release was published. */
async function failingOnce(url: string): Promise<string> {
  let [isPublished, hasFailed] = [false, false];
  const proxy = createServer((incoming, outgoing) => {
    const { method, url: path = '', headers } = incoming;
    if (isPublished && !hasFailed && path === '/v1/auth/otp') {
      hasFailed = true;
      outgoing.writeHead(503);
      return void outgoing.end();
    }
    if (path.endsWith('/publish')) isPublished = true;
    const passed = request(`${url}${path}`, { method, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(outgoing);
    });
    passed.once('error', () => outgoing.destroy());
    return void incoming.pipe(passed);
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  proxies.push(proxy);
  return `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
}

describe.concurrent('the bench', () => {
  it('soaks a deployment that may be played on', async () => {
    const outcome = await onTarget(soak, { TRUSTED_PROXIES: 'loopback' });
    expect(outcome.errors).toBe(0);
    expect(outcome.figures).not.toHaveProperty('growth');
  });

  it('goes on soaking, and counts it, where one sign-in fails', async () => {
    const settings = { TRUSTED_PROXIES: 'loopback' };
    const { figures, errors } = await onTarget(soak, settings, failingOnce);
    expect(figures).toMatchObject({ unexpected: { 'people, sign-in: 503 ': 1 } });
    expect(errors).toBe(1);
  });

  it('signs nobody in where the operator key is no key there', async () => {
    const key = { FAIRSLOT_OPERATOR_KEY: 'the key of a deployment, of more than 32 characters' };
    await expect(onTarget(soak, { TRUSTED_PROXIES: 'loopback', ...key })).rejects.toThrow(
      /no release for this operator key: 401 OPERATOR_KEY_INVALID/,
    );
  });

  it.each([
    ['keeps no SMS', { SMS_DRIVER: 'console', TRUSTED_PROXIES: 'loopback' }, /keeps no SMS/],
    ['takes all for one', {}, /X-Forwarded-For/],
  ])('plays no rush on one that %s', async (_which, settings, message) => {
    await expect(onTarget(rush, settings)).rejects.toThrow(message);
  });
});
