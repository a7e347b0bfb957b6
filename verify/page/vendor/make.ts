/**
 * Makes noble.js, all that the page takes from others: the hash and the signatures. Run by hand,
 * `node verify/page/vendor/make.ts`, after a change of the libraries' versions.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { build } from 'esbuild';

const USED = `
export { sha256 } from '@noble/hashes/sha2.js';
export { ed25519 } from '@noble/curves/ed25519.js';
export { bls12_381 } from '@noble/curves/bls12-381.js';
`;

const versionOf = (name: string): string => {
  const path = new URL(`../../../node_modules/${name}/package.json`, import.meta.url);
  return (JSON.parse(readFileSync(path, 'utf8')) as { version: string }).version;
};

/** The licence asks that its text goes along; libraries and versions tell where to compare. */
function notice(): string {
  const path = new URL('../../../node_modules/@noble/curves/LICENSE', import.meta.url);
  const names = ['@noble/hashes', '@noble/curves'];
  const what = names.map((name) => `${name} ${versionOf(name)}`).join(' and ');
  return `/*!\n${what}, by Paul Miller (https://paulmillr.com), in one file.\n\n${readFileSync(path, 'utf8').trim()}\n*/`;
}

/** The bytes of noble.js. */
export async function makeVendorFile(): Promise<string> {
  const made = await build({
    stdin: { contents: USED, resolveDir: import.meta.dirname },
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    legalComments: 'none',
    charset: 'ascii',
    banner: { js: notice() },
    write: false,
  });
  return made.outputFiles[0]?.text ?? '';
}

if (import.meta.main) writeFileSync(new URL('noble.js', import.meta.url), await makeVendorFile());
