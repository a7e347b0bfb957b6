// @ts-check
/** What came of a receipt, for the person who has it. */
import { count, element } from './element.js';

/**
 * @typedef {import('./receipt.js').ReceiptReport} ReceiptReport
 * @typedef {import('./receipt.js').Standing} Standing
 */

const ANSWERS = /** @type {const} */ ({
  accepted: { kind: 'good', text: 'All is as the receipt says.' },
  refused: { kind: 'bad', text: 'Something is wrong.' },
  open: { kind: 'open', text: 'Not everything could be checked.' },
});

/** @param {Standing} standing */
function standingText({ round, place, of, state, slot, pool, ahead }) {
  const where = `Place ${count(place)} of ${count(of)} in round ${count(round)}.`;
  const before =
    ahead === 0 ? 'Nobody who waits comes first.' : `${count(ahead ?? 0)} who wait come first.`;
  if (state === 'holds') {
    const reserve = pool === 'open' ? '' : `, from the seats reserved for ${pool}`;
    return `${where} The entry has its seats in ${slot}${reserve}.`;
  }
  if (state === 'waits') return `${where} The entry waits. ${before}`;
  if (state === 'displaced')
    return `${where} The seats of the entry were lost, so it waits ahead of the others. ${before}`;
  return `${where} The entry is out: cancelled, not confirmed in time, or withdrawn.`;
}

const MARKS = /** @type {const} */ ([
  [true, 'Right: '],
  [false, 'Wrong: '],
  [null, 'Open: '],
]);

/** @param {readonly {ok: boolean | null, text: string}[]} findings */
export const findingsList = (findings) =>
  element(
    'ul',
    '',
    ...findings.map(({ ok, text }) => {
      const mark = MARKS.find(([known]) => known === ok)?.[1] ?? '';
      return element('li', 'breaks', element('strong', '', mark), text);
    }),
  );

/** @param {ReceiptReport} report */
export function entryResult({ verdict, findings, standing }) {
  const { kind, text } = ANSWERS[verdict];
  const place = standing ? [element('p', 'breaks', standingText(standing))] : [];
  return element('div', kind, element('p', 'answer', text), ...place, findingsList(findings));
}
