/** A provider that is well, one that lies, and one that is away; over real HTTP. */
import { afterEach, describe, expect, test } from 'vitest';
import { createProvider } from '../../src/gates/captcha/siteverify.ts';
import { createLog } from '../../src/log.ts';
import { nowMs, sleep } from '../../src/lib/clock.ts';
import {
  GOOD,
  HOSTNAME,
  type ProviderMode,
  SITE_KEY,
  SITE_SECRET,
  startProvider,
  type TestProvider,
} from '../support/siteverify.ts';

let provider: TestProvider;
afterEach(() => provider.close());

const TIMEOUT_MS = 150;
const LONG_REST_MS = 11_000;

async function start(mode: ProviderMode, name: 'hcaptcha' | 'turnstile' = 'hcaptcha') {
  provider = await startProvider(mode);
  const outcomes: string[] = [];
  let passedMs = 0;
  const verifier = createProvider(
    {
      name,
      url: provider.url,
      siteKey: SITE_KEY,
      secret: SITE_SECRET,
      hostnames: [HOSTNAME],
      timeoutMs: TIMEOUT_MS,
    },
    {
      log: createLog('silent'),
      onAnswer: (outcome) => void outcomes.push(outcome),
      now: () => performance.now() + passedMs,
    },
  );
  const letRest = (): void => {
    passedMs += LONG_REST_MS;
  };
  return { ...verifier, outcomes, letRest };
}

describe('a provider', () => {
  test('passes a solved response, and is told no more than it needs', async () => {
    const { verify, outcomes } = await start('honest');
    expect(await verify(GOOD, 'nonce')).toBe('passed');
    expect(provider.state.forms).toEqual([
      { secret: SITE_SECRET, response: GOOD, sitekey: SITE_KEY },
    ]);
    expect(outcomes).toEqual(['passed']);
  });

  test('refuses a response that is none', async () => {
    const { verify, outcomes } = await start('honest');
    expect(await verify('made-up', 'nonce')).toBe('wrong');
    expect(outcomes).toEqual(['wrong']);
  });

  test('of Turnstile repeats which ticket the page was given, and asks under one key', async () => {
    const { verify } = await start('honest', 'turnstile');
    provider.state.cdata = 'nonce-1';
    expect(await verify(GOOD, 'nonce-2')).toBe('wrong');
    expect(await verify(GOOD, 'nonce-1')).toBe('passed');
    const [first, second] = provider.state.forms;
    expect(first).toHaveProperty('idempotency_key');
    expect(first?.['idempotency_key']).not.toBe(second?.['idempotency_key']);
    expect(first).not.toHaveProperty('sitekey');
  });

  test.each<[ProviderMode, 'wrong' | 'unavailable', string[]]>([
    ['other hostname', 'wrong', ['other_hostname']],
    ['no hostname', 'wrong', ['other_hostname']],
    ['other sitekey', 'wrong', ['other_sitekey']],
    ['refuses us', 'unavailable', ['refuses_us']],
    ['lies', 'unavailable', ['malformed']],
    ['not json', 'unavailable', ['malformed']],
    ['huge', 'unavailable', ['malformed']],
    ['fails', 'unavailable', ['bad_status', 'bad_status']],
    ['redirects', 'unavailable', ['bad_status', 'bad_status']],
    ['closes', 'unavailable', ['unreachable', 'unreachable']],
    ['hangs', 'unavailable', ['timeout', 'timeout']],
  ])('that %s never opens the gate', async (mode, verdict, answers) => {
    const { verify, outcomes } = await start(mode);
    const askedAtMs = nowMs();
    expect(await verify(GOOD, 'nonce')).toBe(verdict);
    expect(nowMs() - askedAtMs).toBeLessThan(2 * TIMEOUT_MS + 1_000);
    expect(outcomes).toEqual(answers);
  });

  test('that fails once is asked again', async () => {
    const { verify, outcomes } = await start('fails once');
    expect(await verify(GOOD, 'nonce')).toBe('passed');
    expect(outcomes).toEqual(['bad_status', 'passed']);
  });

  test('that nobody can reach is unavailable', async () => {
    const { verify, outcomes } = await start('honest');
    await provider.close();
    expect(await verify(GOOD, 'nonce')).toBe('unavailable');
    expect(outcomes).toEqual(['unreachable', 'unreachable']);
    provider = await startProvider();
  });
});

describe('a provider with a hundred questions before it', () => {
  test('is full and not down, is asked no more, and takes others once it has answered', async () => {
    const { verify, isDown, isFull } = await start('hangs');
    expect(isFull()).toBe(false);
    const questions = Array.from({ length: 100 }, () => verify(GOOD, 'nonce'));
    expect([isFull(), isDown()]).toEqual([true, false]);
    expect(await verify(GOOD, 'nonce')).toBe('unavailable');
    expect(isFull()).toBe(true);
    await Promise.all(questions);
    expect(isFull()).toBe(false);
  });
});

describe('the breaker', () => {
  test('opens after three failures in a row, and then asks nobody', async () => {
    const { verify, isDown } = await start('fails');
    for (let request = 0; request < 2; request++) await verify(GOOD, 'nonce');
    expect(isDown()).toBe(false);
    await verify(GOOD, 'nonce');
    expect(isDown()).toBe(true);
    const asked = provider.state.forms.length;
    expect(await verify(GOOD, 'nonce')).toBe('unavailable');
    expect(provider.state.forms).toHaveLength(asked);
  });

  test('is not opened by wrong solutions, however many', async () => {
    const { verify, isDown } = await start('honest');
    for (let request = 0; request < 10; request++) await verify('made-up', 'nonce');
    expect(isDown()).toBe(false);
  });

  test('counts failures in a row only', async () => {
    const { verify, isDown } = await start('fails');
    for (let request = 0; request < 9; request++) {
      provider.state.mode = request % 3 === 2 ? 'honest' : 'fails';
      await verify(GOOD, 'nonce');
    }
    expect(isDown()).toBe(false);
  });

  test('closes once the provider answers a probe, at nobody’s cost', async () => {
    const { verify, isDown, letRest } = await start('fails');
    for (let request = 0; request < 3; request++) await verify(GOOD, 'nonce');
    letRest();
    expect(isDown()).toBe(true); // and probes: still failing
    await sleep(50);
    expect(isDown()).toBe(true);
    const asked = provider.state.forms.length;
    expect(isDown()).toBe(true); // it has just been asked
    expect(provider.state.forms).toHaveLength(asked);
    provider.state.mode = 'honest';
    letRest();
    const looks = Array.from({ length: 20 }, isDown);
    expect(looks).not.toContain(false);
    await expect.poll(isDown).toBe(false);
    expect(provider.state.forms.slice(asked)).toMatchObject([{ response: 'probe' }]);
    expect(await verify(GOOD, 'nonce')).toBe('passed');
  });
});
