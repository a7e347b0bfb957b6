import { describe, expect, test } from 'vitest';
import { ERRORS } from '../../src/errors.ts';

/** docs/errors.md; `npx vitest run test/http/errors -u` writes it anew. */
function errorsPage(): string {
  const rows = Object.entries(ERRORS).map(
    ([code, { status, title, remedy }]) => `| \`${code}\` | ${status} | ${title} | ${remedy} |`,
  );
  return `# Errors

Every refusal is a problem document (RFC 9457, \`application/problem+json\`): \`type\` is \`urn:fairslot:error:\` and the
code, \`title\` and \`status\` are those below, \`code\` is what programs act on, \`requestId\` is what to tell us.
\`detail\` and further members explain the case. A code is never reused for something else.

| Code | Status | What it means | What to do |
| --- | --- | --- | --- |
${rows.join('\n')}
`;
}

describe('the error catalogue', () => {
  test('is what docs/errors.md says', async () => {
    await expect(errorsPage()).toMatchFileSnapshot('../../docs/errors.md');
  });

  test.each(Object.entries(ERRORS))(
    '%s is a client or server error in whole sentences',
    (code, entry) => {
      expect(code).toMatch(/^[A-Z][A-Z_]+[A-Z]$/);
      expect(entry.status).toBeGreaterThanOrEqual(400);
      expect(entry.status).toBeLessThan(600);
      expect(entry.title).toMatch(/^[A-Z].*\.$/);
      expect(entry.remedy).toMatch(/^[A-Z].*\.$/);
    },
  );
});
