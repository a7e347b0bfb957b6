/** What `release import` sends for a file: which route takes it, and as what. */
import { extname } from 'node:path';
import type { Problem } from '../command-line.ts';

export type ImportRequest = {
  readonly path: string;
  readonly body: string;
  readonly type: string;
};

/** `options`: the terms by their names in the query. A reply is JSON by its name or its content. */
export function importRequest(
  release: string,
  file: string,
  body: string,
  options: Readonly<Record<string, string>>,
): ImportRequest | Problem {
  const isReply = extname(file).toLowerCase() === '.json' || /^\uFEFF?\s*\{/.test(body);
  if (isReply && !(options['stateId'] && options['districtId']))
    return {
      problem: 'A saved reply names neither state nor district: say --state-id and --district-id.',
    };
  const query = new URLSearchParams(options).toString();
  const path = `/v1/admin/releases/${encodeURIComponent(release)}`;
  return isReply
    ? {
        path: `${path}/calendar?${query}`,
        body: body.replace(/^\uFEFF/, ''),
        type: 'application/json',
      }
    : { path: `${path}/import?${query}`, body, type: 'text/csv' };
}
