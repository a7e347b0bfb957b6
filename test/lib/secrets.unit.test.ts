import { expect, test } from 'vitest';
import { createSecrets, equalSecrets } from '../../src/lib/secrets.ts';

const secrets = createSecrets('a secret of at least thirty-two bytes');

test('what is encrypted is read back, and looks different each time', () => {
  const sealed = secrets.encrypt('Aşa +91 98');
  expect(secrets.decrypt(sealed)).toBe('Aşa +91 98');
  expect(secrets.encrypt('Aşa +91 98')).not.toBe(sealed);
});

test('a sealed value that was changed, or is of another secret, is a fault', () => {
  const sealed = secrets.encrypt('name');
  expect(() => secrets.decrypt(sealed.replace('1.', '2.'))).toThrow('unknown key id');
  const [id, iv, body = ''] = sealed.split('.');
  const changed = Buffer.from(body, 'base64url');
  changed[0]! ^= 1;
  expect(() => secrets.decrypt(`${id}.${iv}.${changed.toString('base64url')}`)).toThrow();
  expect(() => createSecrets('another secret of thirty-two bytes').decrypt(sealed)).toThrow();
});

test('a pseudonym is the same for the same value, and another for another purpose', () => {
  const id = secrets.pseudonym('person', '1234');
  expect(id).toMatch(/^[A-Za-z0-9_-]{22}$/);
  expect(secrets.pseudonym('person', '1234')).toBe(id);
  expect(secrets.pseudonym('mobile', '1234')).not.toBe(id);
  expect(secrets.pseudonym('person', '1235')).not.toBe(id);
});

test('keys differ by purpose and secret', () => {
  const keys = [
    secrets.key('a'),
    secrets.key('b'),
    createSecrets('another secret of thirty-two bytes').key('a'),
  ].map((key) => key.toString('hex'));
  expect(new Set(keys).size).toBe(3);
  expect(keys[0]).toHaveLength(64);
});

test('secrets are equal when all of their bytes are', () => {
  expect(equalSecrets('key', 'key')).toBe(true);
  expect(equalSecrets('key', 'kez')).toBe(false);
  expect(equalSecrets('key', 'keys')).toBe(false);
});
