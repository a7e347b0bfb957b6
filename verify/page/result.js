// @ts-check
/** What came of a draw, for people. */
import { count, counted, element } from './element.js';
import { findingsList } from './entry.js';
import { slotsTable } from './slots.js';

/**
 * @typedef {import('./draw.js').Accepted} Accepted
 * @typedef {import('./draw.js').Refused} Refused
 * @typedef {import('./view.js').View} View
 */

/** More rounds than these are shown when asked for. */
const ROUNDS_SHOWN = 20;

/**
 * @param {'good' | 'bad' | 'open'} kind
 * @param {string} title
 * @param {...string} sentences
 */
function verdict(kind, title, ...sentences) {
  const heading = element('h2', '', title);
  heading.id = 'verdict';
  heading.tabIndex = -1;
  const text = sentences.map((sentence) => element('p', 'breaks', sentence));
  return element('div', `verdict ${kind}`, heading, ...text);
}

/** @param {Refused} report */
export function refusedResult({ file, line, reason }) {
  if (reason.startsWith('the file cannot be read'))
    return [verdict('open', 'NOT CHECKED', `${file}: ${reason}.`)];
  const where = file
    ? `Line ${count(line)} of ${file} is the first that is not as it must be.`
    : '';
  return [
    verdict('bad', 'REFUSED', 'These files are not a correct draw.', where),
    element('h3', '', 'What is wrong there'),
    element('p', 'breaks', reason),
    element(
      'p',
      'hint',
      'A file that was damaged on its way is refused too: fetch it once more before you complain.',
    ),
  ];
}

/** @param {string} reason */
export const failedResult = (reason) => [verdict('open', 'NOT CHECKED', reason)];

/**
 * @param {Accepted} report
 * @param {View} view
 */
function summary({ rounds }, view) {
  const entered = rounds.reduce((sum, { entries }) => sum + entries, 0);
  return (
    `${counted(rounds.length, 'round', 'rounds')}, ${counted(entered, 'entry', 'entries')} of ` +
    `${counted(view.people, 'person', 'people')}. In the end ${count(view.seated)} have seats ` +
    `and ${count(view.waiting)} wait.`
  );
}

/** @param {string} digest */
function digestBlock(digest) {
  const shown = element('code', 'digest mono', digest);
  shown.id = 'digest';
  const copy = element('button', 'plain', 'Copy');
  copy.type = 'button';
  const select = () => {
    getSelection()?.selectAllChildren(shown);
    copy.textContent = 'Selected';
  };
  copy.addEventListener('click', () => {
    // Browsers have no clipboard for pages that came over plain HTTP.
    const written = navigator.clipboard?.writeText(digest) ?? Promise.reject(new Error('none'));
    written.then(() => (copy.textContent = 'Copied'), select);
  });
  const compared = element('div', '');
  compared.id = 'compared';
  compared.setAttribute('role', 'status');
  return [
    element('h3', '', 'The digest of all that came to pass'),
    element('p', 'hint', 'Whoever has the same digest has seen the same draw, in every detail.'),
    shown,
    copy,
    compared,
  ];
}

/** @param {string} time as it is in a seal */
const timeText = (time) => `${time.slice(0, 10)} ${time.slice(11, 19)} UTC`;

/**
 * @param {Accepted} report
 * @param {View} view
 */
function roundsTable({ rounds }, view) {
  const heads = ['Round', 'Sealed at', 'New entries', 'Got seats', 'Digest'].map((text, at) => {
    const head = element('th', ['', '', 'number', 'number', 'wide'][at], text);
    head.scope = 'col';
    return head;
  });
  const rows = rounds.map(({ round, entries, served, digest }) =>
    element(
      'tr',
      '',
      element('td', '', count(round)),
      element('td', '', timeText(view.sealedAt[round] ?? '')),
      element('td', 'number', count(entries)),
      element('td', 'number', count(served)),
      element('td', 'mono', digest),
    ),
  );
  const body = element('tbody', '', ...rows.slice(0, ROUNDS_SHOWN));
  const table = element('table', 'rounds', element('thead', '', element('tr', '', ...heads)), body);
  const block = element('div', 'scroll', table);
  if (rows.length > ROUNDS_SHOWN) {
    const all = element('button', 'plain', `Show all ${count(rows.length)} rounds`);
    all.type = 'button';
    all.addEventListener('click', () => {
      body.append(...rows.slice(ROUNDS_SHOWN));
      all.remove();
    });
    block.append(all);
  }
  return block;
}

/**
 * @param {Accepted} report
 * @param {View} view
 */
function trust(report, view) {
  const chains = {
    quicknet: 'The network is quicknet, the public one, by its chain and its key.',
    drand: `Whose network this is no file can tell. Its chain: ${view.chain}.`,
    'hash-chain':
      'The operator could not pick a value after the seal, but could have tried out which entry ' +
      'of its own would turn the draw its way.',
  };
  return [
    element('h3', '', 'Whom you still have to trust'),
    element('p', '', `For the randomness: ${report.trust}.`),
    element('p', 'breaks', chains[view.beacon]),
  ];
}

/** @param {readonly import('./result-file.js').ResultReport[]} reports */
export function resultFilesResult(reports) {
  const findings = reports.map(({ file, ok, text }) => ({ ok, text: `${file}: ${text}` }));
  const [kind, answer] = reports.some(({ ok }) => ok === false)
    ? ['bad', 'REFUSED: a result file does not say what the draw gave. What counts is the draw.']
    : reports.some(({ ok }) => ok === null)
      ? ['open', 'NOT CHECKED']
      : ['good', 'ACCEPTED: the result files say what the draw gave.'];
  return element('div', kind, element('p', 'answer', answer), findingsList(findings));
}

const UNSEEN = [
  'whether the people behind the entries exist',
  'whether an entry was refused, withdrawn or lost before the seal: its owner knows, and has a receipt',
  'whether several people were given one entry: they can tell who compare their receipts',
  'when a seal was really written: whoever fetched it in time can tell',
  'why a round took place when it did, and whether an entry should have been carried over',
  'what the owner of a hash chain did with its secret',
];

/** @param {readonly string[]} items */
const list = (items) => element('ul', '', ...items.map((item) => element('li', 'breaks', item)));

/**
 * @param {Accepted} report
 * @param {View} view
 */
export function acceptedResult(report, view) {
  const notChecked = report.notChecked.length > 0;
  return [
    verdict(
      'good',
      'ACCEPTED',
      `The draw of ${report.release}${view.title ? ` (${view.title})` : ''} is correct: every ` +
        'seat went to whom the rules give it.',
      summary(report, view),
    ),
    ...digestBlock(report.digest),
    element('h3', '', 'Seats'),
    slotsTable(view.slots),
    element('h3', '', 'Rounds'),
    roundsTable(report, view),
    ...trust(report, view),
    element('h3', '', 'What was checked'),
    list(report.checked),
    ...(notChecked ? [element('h3', '', 'What was not checked'), list(report.notChecked)] : []),
    element('h3', '', 'What no program can see in the files'),
    list(UNSEEN),
  ];
}
