// @ts-check
/** The page: from what people choose to what they are told. */
import { byId, count, counted, element } from './element.js';
import { entryResult } from './entry.js';
import { acceptedResult, failedResult, refusedResult, resultFilesResult } from './result.js';
import { sortOut } from './result-file.js';
import { createVerifier, fairslotVerify } from './verifier.js';

/** Shorter than this and a bar would only flash. */
const SHOW_PROGRESS_AFTER_MS = 300;
/** Receipts and proofs are small. */
const LONGEST_DOCUMENT = 1024 * 1024;

const files = byId('files', HTMLInputElement);
const drop = byId('drop', HTMLDivElement);
const release = byId('release', HTMLInputElement);
const elsewhere = byId('elsewhere', HTMLInputElement);
const progress = byId('progress', HTMLElement);
const bar = byId('bar', HTMLProgressElement);
const result = byId('result', HTMLElement);
const said = byId('said', HTMLParagraphElement);

/** @type {ReturnType<typeof createVerifier> | undefined} */
let verifier;
/** Digest of the draw that is shown, if it was accepted. */
let digest = '';
/** Those chosen last. @type {import('./result-file.js').ResultFile[]} */
let resultFiles = [];

/** @param {import('./worker.js').Told} told */
function showProgress({ file, files, bytes, totalBytes, entries }) {
  bar.max = totalBytes || files;
  bar.value = totalBytes ? bytes : file;
  const read = `${count(Math.round(bytes / 1024))} KiB`;
  byId('progress-text', HTMLParagraphElement).textContent =
    `File ${count(file + 1)} of ${count(files)}, ${read} read, ` +
    `${counted(entries, 'entry', 'entries')} drawn.`;
}

/** @param {readonly Node[]} nodes */
function show(nodes) {
  result.replaceChildren(...nodes);
  result.hidden = false;
  compare();
  const heading = document.getElementById('verdict');
  said.textContent = heading?.textContent ?? '';
  heading?.focus();
}

/** @param {{files?: File[], release?: string}} what */
async function verify(what) {
  verifier?.stop();
  const mine = createVerifier();
  verifier = mine;
  digest = '';
  result.hidden = true;
  result.replaceChildren();
  bar.removeAttribute('value');
  byId('progress-text', HTMLParagraphElement).textContent = '';
  byId('entry-result', HTMLDivElement).replaceChildren();
  byId('given', HTMLElement).hidden = true;
  const timer = setTimeout(() => (progress.hidden = false), SHOW_PROGRESS_AFTER_MS);
  let current = true;
  /** @type {Node[]} */
  let nodes = [];
  try {
    const { report, view } = await mine.verify(what, showProgress);
    if (report.accepted && view) {
      digest = report.digest;
      nodes = acceptedResult(report, view);
    } else if (!report.accepted) nodes = refusedResult(report);
  } catch (fault) {
    mine.stop();
    current = verifier === mine;
    if (current) verifier = undefined;
    nodes = failedResult(fault instanceof Error ? fault.message : 'The browser gave up.');
  } finally {
    clearTimeout(timer);
  }
  if (!current || (verifier && verifier !== mine)) return; // another one was begun
  progress.hidden = true;
  show(nodes);
  await checkResults();
}

function compare() {
  const compared = document.getElementById('compared');
  if (!compared) return;
  const wanted = elsewhere.value.trim().toLowerCase();
  compared.className = '';
  compared.textContent = '';
  if (wanted === '' || digest === '') return;
  const same = wanted === digest;
  compared.className = `compared ${same ? 'good' : 'bad'}`;
  const text = same
    ? 'Your digest is the same: it was this very draw.'
    : 'Your digest is another one: somebody was shown another draw, or another round is the last.';
  compared.append(element('p', 'answer', text));
}

async function checkResults() {
  if (resultFiles.length === 0) return;
  const asked = (verifier ??= createVerifier());
  const reports = await asked.results(resultFiles);
  byId('given-result', HTMLDivElement).replaceChildren(resultFilesResult(reports));
  byId('given', HTMLElement).hidden = false;
}

/** @param {Iterable<File> | null} chosen */
async function begin(chosen) {
  const { draw, results } = await sortOut([...(chosen ?? [])]);
  if (results.length > 0) resultFiles = results;
  if (draw.length > 0) await verify({ files: draw });
  else if (results.length > 0) await checkResults();
}

/**
 * @param {File | undefined} file
 * @param {string} field
 */
async function readInto(file, field) {
  if (file) byId(field, HTMLTextAreaElement).value = await file.slice(0, LONGEST_DOCUMENT).text();
}

async function checkEntry() {
  const asked = (verifier ??= createVerifier());
  const report = await asked.receipt({
    receipt: byId('receipt', HTMLTextAreaElement).value,
    proof: byId('proof', HTMLTextAreaElement).value,
    seal: byId('seal', HTMLTextAreaElement).value,
  });
  byId('entry-result', HTMLDivElement).replaceChildren(entryResult(report));
}

files.addEventListener('change', () => void begin(files.files));
// The same file, fetched once more, is a change too.
files.addEventListener('click', () => (files.value = ''));
elsewhere.addEventListener('input', compare);
byId('stop', HTMLButtonElement).addEventListener('click', () => verifier?.stop());
byId('fetch', HTMLFormElement).addEventListener('submit', (event) => {
  event.preventDefault();
  void verify({ release: release.value.trim() });
});

// Anywhere on the page: a file that misses the box must not replace the page.
document.addEventListener('dragover', (event) => {
  event.preventDefault();
  drop.classList.add('over');
});
document.addEventListener('dragleave', () => drop.classList.remove('over'));
document.addEventListener('drop', (event) => {
  event.preventDefault();
  drop.classList.remove('over');
  void begin(event.dataTransfer?.files ?? null);
});

for (const name of ['receipt', 'proof', 'seal']) {
  const chooser = byId(`${name}-file`, HTMLInputElement);
  chooser.addEventListener('change', () => void readInto(chooser.files?.[0], name));
}
byId('entry', HTMLFormElement).addEventListener('submit', (event) => {
  event.preventDefault();
  void checkEntry();
});

Object.assign(window, { fairslotVerify });

const named = new URLSearchParams(location.search).get('release');
if (named) {
  release.value = named;
  void verify({ release: named });
}
