import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createClientAddress } from '../../src/http/client-address.ts';
import { NetworksText } from '../../src/http/networks.ts';

const PROXIES = NetworksText.parse('10.0.0.0/8, 192.0.2.1, 2001:db8:f::/48, loopback');
const clientAddress = createClientAddress(PROXIES);

describe('the client of a request', () => {
  test.each([
    // who calls directly is who it is, whatever it says
    ['203.0.113.7', undefined, '203.0.113.7'],
    ['203.0.113.7', '198.51.100.1', '203.0.113.7'],
    ['203.0.113.7', '10.0.0.1, 127.0.0.1', '203.0.113.7'],
    ['::ffff:203.0.113.7', '198.51.100.1', '203.0.113.7'],
    // a trusted proxy names it
    ['10.0.0.1', '203.0.113.7', '203.0.113.7'],
    ['::ffff:10.0.0.1', '203.0.113.7', '203.0.113.7'],
    ['192.0.2.1', '203.0.113.7', '203.0.113.7'],
    ['::1', '203.0.113.7', '203.0.113.7'],
    ['2001:db8:f:1::1', '2001:db8:1::1', '2001:db8:1::1'],
    // and what stands left of the client was written by the client
    ['10.0.0.1', '198.51.100.1, 203.0.113.7', '203.0.113.7'],
    ['10.0.0.1', '198.51.100.1, 203.0.113.7, 10.9.9.9, 192.0.2.1', '203.0.113.7'],
    ['10.0.0.1', '10.0.0.2, 203.0.113.7', '203.0.113.7'],
    // a neighbour of a trusted address is not trusted
    ['192.0.2.2', '203.0.113.7', '192.0.2.2'],
    // nobody but proxies: the first of them
    ['10.0.0.1', '10.0.0.3, 10.0.0.2', '10.0.0.3'],
    ['10.0.0.1', undefined, '10.0.0.1'],
    ['10.0.0.1', '', '10.0.0.1'],
    // one spelling
    ['10.0.0.1', '203.0.113.7:4711', '203.0.113.7'],
    ['10.0.0.1', '[2001:db8:1::1]:4711', '2001:db8:1::1'],
    ['10.0.0.1', '[2001:db8:1::1]', '2001:db8:1::1'],
    ['10.0.0.1', '2001:0DB8:0001:0:0:0:0:1', '2001:db8:1::1'],
    ['10.0.0.1', '::ffff:203.0.113.7', '203.0.113.7'],
    ['10.0.0.1', '::ffff:cb00:7107', '203.0.113.7'],
    ['10.0.0.1', '\t203.0.113.7 ', '203.0.113.7'],
    // empty elements are none
    ['10.0.0.1', '203.0.113.7, , ,', '203.0.113.7'],
    ['10.0.0.1', ',,,', '10.0.0.1'],
    // what is no address counts for the proxy that wrote it
    ['10.0.0.1', 'unknown', '10.0.0.1'],
    ['10.0.0.1', '203.0.113.7, unknown, 10.0.0.2', '10.0.0.2'],
    ['10.0.0.1', '_hidden, 10.0.0.2', '10.0.0.2'],
    ['10.0.0.1', '010.1.1.1', '10.0.0.1'],
    ['10.0.0.1', '203.0.113.7.8', '10.0.0.1'],
    ['10.0.0.1', '203.0.113.7:4711:1', '10.0.0.1'],
    ['10.0.0.1', '[203.0.113.7', '10.0.0.1'],
    ['10.0.0.1', '[]', '10.0.0.1'],
    ['10.0.0.1', 'fe80::1%eth0', '10.0.0.1'],
    ['10.0.0.1', '"203.0.113.7"', '10.0.0.1'],
    ['10.0.0.1', 'for=203.0.113.7', '10.0.0.1'],
    ['10.0.0.1', '203.0.113.7; 203.0.113.8', '10.0.0.1'],
    ['', '203.0.113.7', ''],
  ])('that %s sends with %j is %s', (peer, forwardedFor, client) => {
    expect(clientAddress(peer, forwardedFor)).toBe(client);
  });

  test('is found behind a thousand proxies, and before a thousand forged ones', () => {
    const proxies = Array.from(
      { length: 1_000 },
      (_, index) => `10.0.${index >> 8}.${index % 256}`,
    );
    expect(clientAddress('10.0.0.1', `203.0.113.7,${proxies.join()}`)).toBe('203.0.113.7');
    expect(clientAddress('10.0.0.1', `${proxies.join()},203.0.113.7`)).toBe('203.0.113.7');
  });

  test('is the one that the proxy saw, whatever stands before it', () => {
    const anything = fc.oneof(
      fc.string(),
      fc.ipV4(),
      fc.ipV6(),
      fc.constantFrom('10.0.0.1', ',', 'unknown', '[::1]:80'),
    );
    fc.assert(
      fc.property(fc.array(anything), (forged) => {
        expect(clientAddress('10.0.0.1', [...forged, '203.0.113.7'].join(', '))).toBe(
          '203.0.113.7',
        );
      }),
    );
  });

  test('is always an address, whatever is sent', () => {
    fc.assert(
      fc.property(fc.string(), (sent) => {
        expect(clientAddress('10.0.0.1', sent)).toMatch(/^[\da-f.:]+$/);
      }),
    );
  });
});

describe('a set of networks', () => {
  test('is empty unless something is named', () => {
    const none = NetworksText.parse('');
    expect(none.has('127.0.0.1')).toBe(false);
    expect(createClientAddress(none)('127.0.0.1', '203.0.113.7')).toBe('127.0.0.1');
  });

  test('knows words for loopback and private addresses', () => {
    const both = NetworksText.parse('loopback,private');
    for (const inside of ['127.9.9.9', '::1', '10.1.2.3', '172.31.0.1', '192.168.9.9', 'fd00::1'])
      expect(both.has(inside), inside).toBe(true);
    for (const outside of ['172.32.0.1', '203.0.113.7', '2001:db8::1', '169.254.1.1', 'no', ''])
      expect(both.has(outside), outside).toBe(false);
  });

  test.each([
    '10.0.0.0/33',
    '::/129',
    '10.0.0.0/',
    '10.0.0.0/a',
    '10.0.0.0/8/8',
    '10.0.0',
    'proxy.example.org',
    '*',
    'fe80::1%eth0',
    '10.0.0.1 10.0.0.2',
    '10.0.0.0/-1',
  ])('is not %s', (text) => {
    expect(NetworksText.safeParse(text).success).toBe(false);
  });
});
