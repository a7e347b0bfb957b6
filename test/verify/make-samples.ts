/** Writes verify/samples anew: `node test/verify/make-samples.ts`. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { SAMPLES } from './samples.ts';

const readme = new URL('../../verify/samples/README.md', import.meta.url);
for (const { name, files, digest } of SAMPLES) {
  const folder = new URL(`../../verify/samples/${name}/`, import.meta.url);
  mkdirSync(folder, { recursive: true });
  for (const [round, bytes] of files.entries())
    writeFileSync(new URL(`round-${round}.ndjson.gz`, folder), gzipSync(bytes, { level: 9 }));
  const row = new RegExp(`(\\| \`${name}\` .*)\`[0-9a-f]{64}\``);
  writeFileSync(readme, readFileSync(readme, 'utf8').replace(row, `$1\`${digest}\``));
}
