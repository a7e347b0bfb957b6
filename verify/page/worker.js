// @ts-check
/** Verifies away from the page, which stays at hand meanwhile; one draw in its life. */
import { verifyDraw } from './draw.js';
import { checkReceipt } from './receipt.js';
import { checkResults } from './result-file.js';
import { filesOf } from './server.js';
import { viewOf } from './view.js';

/**
 * @typedef {{ask: 'verify', files?: File[], release?: string, digest?: string | undefined} |
 *   {ask: 'results', files: import('./result-file.js').ResultFile[]} |
 *   {ask: 'receipt', receipt: string, proof: string, seal: string}} Question release: fetch it from the server
 * @typedef {import('./draw.js').Progress & {totalBytes: number}} Told totalBytes: 0 if not known
 * @typedef {{tell: 'progress', progress: Told} |
 *   {tell: 'report', report: import('./draw.js').Report, view: import('./view.js').View | null} |
 *   {tell: 'receipt', report: import('./receipt.js').ReceiptReport} |
 *   {tell: 'results', reports: import('./result-file.js').ResultReport[]} |
 *   {tell: 'failure', reason: string}} Answer
 */

const BETWEEN_TELLINGS_MS = 100;
/** Where the server's interface is, when this folder is served by one. */
const SERVER = new URL('../', import.meta.url).href;

/** @type {import('./ledger.js').Ledger | undefined} */
let ledger;

/** @param {Answer} answer */
const tell = (answer) => self.postMessage(answer);

/** @param {Extract<Question, {ask: 'verify'}>} question */
async function verify({ files, release = '', digest }) {
  const sources = files ?? (await filesOf(SERVER, release));
  const sizes = sources.map(({ size = 0 }) => size);
  const totalBytes = sizes.reduce((sum, size) => sum + size, 0);
  let toldAt = 0;
  const onProgress = (/** @type {import('./draw.js').Progress} */ progress) => {
    const now = performance.now();
    if (now - toldAt < BETWEEN_TELLINGS_MS) return;
    toldAt = now;
    const before = sizes.slice(0, progress.file).reduce((sum, size) => sum + size, 0);
    const told = { ...progress, bytes: before + progress.bytes, totalBytes };
    tell({ tell: 'progress', progress: told });
  };
  const result = await verifyDraw(sources, { digest, inOrder: files === undefined, onProgress });
  ledger = result.ledger;
  tell({ tell: 'report', report: result.report, view: ledger ? viewOf(ledger) : null });
}

self.addEventListener('message', ({ data }) => {
  const question = /** @type {Question} */ (data);
  if (question.ask === 'receipt')
    return tell({ tell: 'receipt', report: checkReceipt(question, ledger) });
  if (question.ask === 'results')
    return tell({ tell: 'results', reports: checkResults(question.files, ledger) });
  verify(question).catch((fault) => {
    const reason = fault instanceof Error ? fault.message : 'The page cannot go on.';
    tell({ tell: 'failure', reason });
  });
});
