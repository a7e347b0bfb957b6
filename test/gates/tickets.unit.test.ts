import { describe, expect, test } from 'vitest';
import { triesFor } from '../../src/gates/captcha/captcha.ts';
import { createTickets, TICKET_LIFETIME_MS } from '../../src/gates/captcha/ticket.ts';
import { createSecrets } from '../../src/lib/secrets.ts';
import { configWith, secrets } from '../support/app.ts';

const START_MS = 1_700_000_000_000;
const TERMS = {
  kind: 'altcha',
  purpose: 'enter:pune',
  subject: 'somebody',
  answer: 'a hash',
  expiresAtMs: START_MS + TICKET_LIFETIME_MS,
} as const;
const at =
  (now = START_MS) =>
  () =>
    now;

describe('a ticket', () => {
  test('says what it was issued for, to every process with the secret', () => {
    const issued = createTickets(secrets, at()).issue(TERMS);
    const text = createTickets(secrets, at()).textOf(issued);
    expect(createTickets(secrets, at()).read(text)).toEqual(issued);
    expect(issued).toMatchObject(TERMS);
  });

  test('is one of its kind', () => {
    const tickets = createTickets(secrets, at());
    const nonces = Array.from({ length: 100 }, () => tickets.issue(TERMS).nonce);
    expect(new Set(nonces).size).toBe(100);
  });

  test('expires', () => {
    let now = START_MS;
    const tickets = createTickets(secrets, () => now);
    const text = tickets.textOf(tickets.issue(TERMS));
    now += TICKET_LIFETIME_MS - 1;
    expect(tickets.read(text)).toMatchObject(TERMS);
    now += 1;
    expect(tickets.read(text)).toBe('expired');
  });

  test('is forged with another secret, without one, or with any character changed', () => {
    const tickets = createTickets(secrets, at());
    const other = createTickets(createSecrets('another secret of more than 32 characters'), at());
    const text = tickets.textOf(tickets.issue(TERMS));
    expect(tickets.read(other.textOf(other.issue(TERMS)))).toBe('forged');
    for (const bad of ['', '.', 'a.b', text.split('.')[0] ?? '', `${text}.x`, `${text}A`])
      expect(tickets.read(bad), bad).toBe('forged');
    for (let at = 0; at < text.length; at++) {
      const changed = text[at] === 'A' ? 'B' : 'A';
      expect(tickets.read(text.slice(0, at) + changed + text.slice(at + 1))).toBe('forged');
    }
  });
});

describe('the work', () => {
  const most = { tries: 400, triesMost: 8_000 };

  test('rises with what is used up of the limit, from the least to the most', () => {
    const shares = [0, 0.25, 0.5, 0.75, 1];
    const tries = shares.map((share) => triesFor(most, share));
    expect(tries[0]).toBe(400);
    expect(tries.at(-1)).toBe(8_000);
    expect(tries.toSorted((a, b) => a - b)).toEqual(tries);
    expect(triesFor(most, 7)).toBe(8_000);
    expect(triesFor(most, 1 / 60)).toBeLessThan(450);
  });
});

describe('the captcha settings', () => {
  const PRODUCTION = { NODE_ENV: 'production' };
  const PROVIDER = {
    CAPTCHA_DRIVER: 'turnstile',
    CAPTCHA_SITE_KEY: 'a',
    CAPTCHA_SECRET: 'b',
    CAPTCHA_HOSTNAMES: 'slots.example, www.slots.example',
  };

  test('are ALTCHA and device tokens unless said, but for tests', () => {
    for (const NODE_ENV of ['development', 'production']) {
      const { captcha, devices } = configWith({ NODE_ENV, REDIS_URL: 'embedded' });
      expect([captcha.driver, devices.required]).toEqual(['altcha', true]);
    }
    expect(configWith().captcha.driver).toBe('none');
    expect(configWith().devices.required).toBe(false);
    expect(configWith({ DEVICE_TOKENS: 'required' }).devices.required).toBe(true);
  });

  test('refuse no captcha in production', () => {
    expect(() => configWith({ ...PRODUCTION, CAPTCHA_DRIVER: 'none' })).toThrow('CAPTCHA_DRIVER');
  });

  test('refuse a provider without keys or hostnames, and what cannot work', () => {
    const { provider } = configWith(PROVIDER).captcha;
    expect(provider?.hostnames).toEqual(['slots.example', 'www.slots.example']);
    expect(provider?.url).toContain('challenges.cloudflare.com');
    for (const missing of ['CAPTCHA_SITE_KEY', 'CAPTCHA_SECRET', 'CAPTCHA_HOSTNAMES'])
      expect(() => configWith({ ...PROVIDER, [missing]: '' })).toThrow(missing);
    expect(() => configWith({ CAPTCHA_TRIES: '9', CAPTCHA_TRIES_MOST: '8' })).toThrow('below');
    expect(() => configWith({ CAPTCHA_URL: 'ftp://x' })).toThrow('CAPTCHA_URL');
    expect(() => configWith({ CAPTCHA_DRIVER: 'recaptcha' })).toThrow('CAPTCHA_DRIVER');
  });
});
