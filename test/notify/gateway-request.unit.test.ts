/** The operator's templates: what is filled in never leaves its place, and bad ones are told at once. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { ConfigError } from '../../src/config.ts';
import {
  compileGateway,
  type Fill,
  type GatewaySettings,
} from '../../src/notify/gateway-request.ts';
import { configWith } from '../support/app.ts';

const SETTINGS: GatewaySettings = {
  url: 'https://gateway.example/send',
  method: 'POST',
  headers: {},
  body: '{"to":"{mobile}","nested":{"text":"{text}"},"id":"{id}"}',
  timeoutMs: 1_000,
};
const FORM = { 'content-type': 'application/x-www-form-urlencoded' };
const SMS = { mobile: '+919812345678', text: 'नमस्ते & "welcome"', reference: 'ref' };

function compiled(settings: Partial<GatewaySettings> = {}): Fill {
  const fill = compileGateway({ ...SETTINGS, ...settings });
  if ('problem' in fill) throw new Error(fill.problem);
  return fill;
}
const problemOf = (settings: Partial<GatewaySettings>): string => {
  const fill = compileGateway({ ...SETTINGS, ...settings });
  return 'problem' in fill ? fill.problem : 'none';
};

describe('a request', () => {
  it('of JSON holds any text as it is', () => {
    const fill = compiled();
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        const { body = '' } = fill({ ...SMS, text });
        expect(JSON.parse(body)).toEqual({ to: SMS.mobile, nested: { text }, id: 'ref' });
      }),
    );
  });

  it('of a form holds any text as it is', () => {
    const fill = compiled({ headers: FORM, body: 'to={mobile_digits}&text={text}&sender=FAIRSL' });
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        const form = new URLSearchParams(fill({ ...SMS, text }).body);
        expect(Object.fromEntries(form)).toEqual({ to: '919812345678', text, sender: 'FAIRSL' });
      }),
    );
  });

  it('may carry everything in its query, and then has no body', () => {
    const url = 'https://gateway.example/send?key=k&to={mobile}&text={text}';
    const request = compiled({ url, method: 'GET' })(SMS);
    expect(request).not.toHaveProperty('body');
    const { searchParams, host } = new URL(request.url);
    expect(host).toBe('gateway.example');
    expect(Object.fromEntries(searchParams)).toEqual({ key: 'k', to: SMS.mobile, text: SMS.text });
  });

  it('does not fill in what was filled in', () => {
    const { body = '' } = compiled()({ ...SMS, text: '{mobile} {id}' });
    expect(JSON.parse(body)).toMatchObject({ nested: { text: '{mobile} {id}' } });
  });

  it('names its SMS in a header, always the same', () => {
    const { headers } = compiled({ headers: { Authorization: 'Bearer x' } })(SMS);
    expect(headers).toEqual({
      authorization: 'Bearer x',
      'content-type': 'application/json',
      'idempotency-key': 'ref',
    });
  });
});

describe('settings that cannot work', () => {
  it.each<[string, Partial<GatewaySettings>, string]>([
    ['an address that is none', { url: 'gateway' }, 'no URL of HTTP'],
    ['another protocol', { url: 'ftp://gateway.example/' }, 'no URL of HTTP'],
    ['a password in the address', { url: 'https://a:b@gateway.example/' }, 'user or password'],
    ['a host to be filled in', { url: 'https://{id}.example/' }, 'placeholder in its host'],
    ['no text', { body: '{"to":"{mobile}"}' }, 'has {text}'],
    ['no mobile', { body: '{"text":"{text}"}' }, '{mobile} or {mobile_digits}'],
    ['a placeholder that is none', { body: '{"to":"{mobile}","t":"{txet}"}' }, '{txet}'],
    ['a body that is no JSON', { body: '{"to":"{mobile}","text":{text}}' }, 'no JSON'],
    ['another media type', { headers: { 'content-type': 'text/xml' } }, 'neither JSON nor a form'],
    ['a header that is none', { headers: { 'a b': 'secret' } }, 'does not allow'],
    ['a header that is ours', { headers: { Host: 'x' } }, 'must not set host'],
    ['a GET that says nothing', { method: 'GET' }, 'has {text}'],
  ])('%s', (_what, settings, problem) => {
    expect(problemOf(settings)).toContain(problem);
    expect(problemOf(settings)).not.toContain('secret');
  });
});

describe('the configuration', () => {
  const directory = mkdtempSync(join(tmpdir(), 'fairslot-sms-'));
  afterAll(() => rmSync(directory, { recursive: true }));
  const file = (name: string, text: string): string => {
    writeFileSync(join(directory, name), text);
    return join(directory, name);
  };
  const HTTP = { SMS_DRIVER: 'http', SMS_HTTP_URL: 'https://gateway.example/send' };
  const PRODUCTION = { ...HTTP, NODE_ENV: 'production', REDIS_URL: 'embedded' };

  it('reads what is secret from files', () => {
    const { sms } = configWith({
      SMS_DRIVER: 'http',
      SMS_HTTP_URL_FILE: file('url', 'https://gateway.example/send\n'),
      SMS_HTTP_HEADERS_FILE: file('headers', '{"authorization":"Bearer s"}\n'),
      SMS_HTTP_BODY_FILE: file('body', '{"a":"{mobile}","b":"{text}"}'),
    });
    expect(sms.gateway).toEqual({
      url: 'https://gateway.example/send',
      method: 'POST',
      headers: { authorization: 'Bearer s' },
      body: '{"a":"{mobile}","b":"{text}"}',
      timeoutMs: 5_000,
    });
  });

  it.each<[string, Record<string, string>, string]>([
    ['no address', { SMS_DRIVER: 'http' }, 'needs SMS_HTTP_URL'],
    ['a file that is not there', { SMS_DRIVER: 'http', SMS_HTTP_URL_FILE: '/no/file' }, 'ENOENT'],
    ['a setting twice', { ...HTTP, SMS_HTTP_URL_FILE: '/no/file' }, 'both SMS_HTTP_URL and'],
    ['headers that are no JSON', { ...HTTP, SMS_HTTP_HEADERS: 'key: secret' }, 'no JSON object'],
    ['headers that are no strings', { ...HTTP, SMS_HTTP_HEADERS: '{"a":1}' }, 'no JSON object'],
    ['a bad template', { ...HTTP, SMS_HTTP_BODY: '{}' }, 'has {text}'],
    ['an unknown method', { ...HTTP, SMS_HTTP_METHOD: 'DELETE' }, 'SMS_HTTP_METHOD'],
    ['too long a wait', { ...HTTP, SMS_HTTP_TIMEOUT_MS: '60000' }, 'SMS_HTTP_TIMEOUT_MS'],
    ['no time zone', { TIME_ZONE: 'Pune' }, 'no time zone'],
    ['no checks of certificates', { ...HTTP, NODE_TLS_REJECT_UNAUTHORIZED: '0' }, 'hand SMS to'],
    [
      'clear text in production',
      { ...PRODUCTION, SMS_HTTP_URL: 'http://gateway.example/' },
      'https://',
    ],
  ])('is refused with %s', (_what, settings, message) => {
    expect(() => configWith(settings)).toThrow(ConfigError);
    expect(() => configWith(settings)).toThrow(message);
    expect(() => configWith(settings)).not.toThrow('secret');
  });

  it('lets SMS go in clear to a gateway on this machine', () => {
    const url = 'http://127.0.0.1:9/';
    expect(configWith({ ...PRODUCTION, SMS_HTTP_URL: url }).sms.gateway).toHaveProperty('url', url);
  });
});
