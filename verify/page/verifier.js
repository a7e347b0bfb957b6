// @ts-check
/** The worker, as the page sees it. */
import { sortOut } from './result-file.js';

/**
 * @typedef {import('./worker.js').Question} Question
 * @typedef {import('./worker.js').Answer} Answer
 * @typedef {{report: import('./draw.js').Report, view: import('./view.js').View | null}} Verified
 */

/** One draw, and receipts against it. */
export function createVerifier() {
  const worker = new Worker(new URL('worker.js', import.meta.url), { type: 'module' });
  /** Of those who wait for an answer. @type {Set<(fault: Error) => void>} */
  const waiting = new Set();
  const giveUp = (/** @type {string} */ reason) => {
    for (const reject of waiting) reject(new Error(reason));
  };
  worker.addEventListener('error', ({ message }) =>
    giveUp(message || 'The browser has no room to check these files.'),
  );

  /**
   * @template {Answer['tell']} Tell
   * @param {Question} question
   * @param {Tell} awaited
   * @param {(progress: import('./worker.js').Told) => void} [onProgress]
   * @returns {Promise<Extract<Answer, {tell: Tell}>>}
   */
  const ask = (question, awaited, onProgress = () => undefined) =>
    new Promise((resolve, reject) => {
      waiting.add(reject);
      worker.addEventListener('message', function listen({ data }) {
        const answer = /** @type {Answer} */ (data);
        if (answer.tell === 'progress') return onProgress(answer.progress);
        if (answer.tell !== awaited && answer.tell !== 'failure') return;
        worker.removeEventListener('message', listen);
        waiting.delete(reject);
        if (answer.tell === 'failure') reject(new Error(answer.reason));
        else resolve(/** @type {Extract<Answer, {tell: Tell}>} */ (answer));
      });
      worker.postMessage(question);
    });

  return {
    /**
     * @param {Omit<Extract<Question, {ask: 'verify'}>, 'ask'>} what
     * @param {(progress: import('./worker.js').Told) => void} [onProgress]
     * @returns {Promise<Verified>}
     */
    verify: (what, onProgress) => ask({ ask: 'verify', ...what }, 'report', onProgress),
    /**
     * @param {{receipt: string, proof: string, seal: string}} texts
     * @returns {Promise<import('./receipt.js').ReceiptReport>}
     */
    receipt: async (texts) => (await ask({ ask: 'receipt', ...texts }, 'receipt')).report,
    /**
     * @param {import('./result-file.js').ResultFile[]} files
     * @returns {Promise<import('./result-file.js').ResultReport[]>}
     */
    results: async (files) => (await ask({ ask: 'results', files }, 'results')).reports,
    stop() {
      worker.terminate();
      giveUp('Stopped.');
    },
  };
}

/**
 * For auditors and tests: verifies files without the page, `window.fairslotVerify(files, {digest})`.
 * The report is plain data: `{accepted: true, release, manifestHash, rounds, digest, checked,
 * notChecked, trust}` or `{accepted: false, file, line, reason}`.
 *
 * @param {Iterable<File>} files in any order, result files among them
 * @param {{digest?: string}} [options] digest: what that of the last round must be
 * @returns {Promise<import('./draw.js').Report>}
 */
export async function fairslotVerify(files, { digest } = {}) {
  const verifier = createVerifier();
  try {
    const { draw, results } = await sortOut([...files]);
    const { report } = await verifier.verify({ files: draw, digest });
    if (!report.accepted || results.length === 0) return report;
    const reports = await verifier.results(results);
    const wrong = reports.find(({ ok }) => !ok);
    return wrong ? { accepted: false, file: wrong.file, line: 1, reason: wrong.text } : report;
  } finally {
    verifier.stop();
  }
}
