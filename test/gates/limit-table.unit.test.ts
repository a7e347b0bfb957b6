/** One table says how many requests a minute pass; settings and documents follow it. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ConfigError } from '../../src/config.ts';
import {
  COUNTED_BY,
  countedBy,
  LIMIT_NAMES,
  LIMIT_TABLE,
  limitSetting,
} from '../../src/gates/limit-table.ts';
import { configWith } from '../support/app.ts';

const DOCUMENT = readFileSync(new URL('../../docs/limits.md', import.meta.url), 'utf8');

/** The rows of the document's table: the limit, and its numbers in the order of COUNTED_BY. */
const documented = Object.fromEntries(
  DOCUMENT.split('\n')
    .filter((line) => /^\| `[a-zA-Z]+` \|/.test(line))
    .map((line) => line.split('|').map((cell) => cell.trim()))
    .map(([, limit = '', , ...numbers]) => [limit.replaceAll('`', ''), numbers.slice(0, 4)]),
);

describe('the table of limits', () => {
  it('stands in docs/limits.md number for number', () => {
    const rows = LIMIT_NAMES.map((limit) => {
      const row = new Map(countedBy(limit));
      return [limit, COUNTED_BY.map((by) => row.get(by)?.toLocaleString('en') ?? '')];
    });
    expect(documented).toEqual(Object.fromEntries(rows));
  });

  it('is what a deployment has that sets nothing', () => {
    expect(configWith({}).limits).toEqual(LIMIT_TABLE);
  });

  it.each(LIMIT_NAMES.flatMap((limit) => countedBy(limit).map(([by]) => [limit, by] as const)))(
    '%s by %s can be set, and nothing else changes with it',
    (limit, by) => {
      const set = configWith({ [limitSetting(limit, by)]: '77' }).limits;
      expect(set).toEqual({ ...LIMIT_TABLE, [limit]: { ...LIMIT_TABLE[limit], [by]: 77 } });
    },
  );

  it('is shared among the servers of a machine where each counts for itself', () => {
    const { limits, connectionsPerAddress } = configWith({ SERVERS: '4' });
    const discovery = { ...LIMIT_TABLE.discovery, network: 7_500 };
    expect(limits).toEqual({ ...LIMIT_TABLE, discovery });
    expect(connectionsPerAddress).toBe(500);
  });

  it('names its settings in capitals', () => {
    expect(limitSetting('wrongKey', 'address')).toBe('LIMIT_WRONG_KEY_PER_ADDRESS');
    expect(limitSetting('write', 'network')).toBe('LIMIT_WRITE_PER_NETWORK');
  });

  it.each(['0', '-1', '1.5', 'many'])(
    'takes no limit of %s, and says which setting it was',
    (text) => {
      expect(() => configWith({ LIMIT_OTP_PER_DEVICE: text })).toThrow(ConfigError);
      expect(() => configWith({ LIMIT_OTP_PER_DEVICE: text })).toThrow('LIMIT_OTP_PER_DEVICE');
    },
  );
});
