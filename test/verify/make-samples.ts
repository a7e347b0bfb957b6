/** Writes verify/samples anew: `node test/verify/make-samples.ts`. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { SAMPLES } from './samples.ts';

for (const { name, files } of SAMPLES) {
  const folder = new URL(`../../verify/samples/${name}/`, import.meta.url);
  mkdirSync(folder, { recursive: true });
  for (const [round, bytes] of files.entries())
    writeFileSync(new URL(`round-${round}.ndjson.gz`, folder), gzipSync(bytes, { level: 9 }));
}
