// @ts-check
/** Seats by slot: a table that is its own plot. */
import { count, drawing, element } from './element.js';

/** Further slots are left to the files. */
const MOST_ROWS = 40;
const WIDTH = 1000;

/**
 * @param {import('./view.js').SlotView} slot
 * @param {number} most what the full width stands for
 */
function plot({ asked, seats, given }, most) {
  const width = (/** @type {number} */ value) => (value / most) * WIDTH;
  return drawing(
    'svg',
    { viewBox: `0 0 ${WIDTH} 20`, preserveAspectRatio: 'none', 'aria-hidden': 'true' },
    drawing('rect', { class: 'seats', x: 0, y: 2, height: 9, width: width(seats) }),
    drawing('rect', { class: 'given', x: 0, y: 2, height: 9, width: width(given) }),
    drawing('rect', { class: 'asked', x: 0, y: 14, height: 4, width: width(asked) }),
  );
}

/**
 * @param {import('./view.js').SlotView} slot
 * @param {number} most
 */
function row(slot, most) {
  const name = element('th', 'breaks', slot.slot + (slot.closed ? ' (closed)' : ''));
  name.scope = 'row';
  return element(
    'tr',
    '',
    name,
    element('td', 'number', count(slot.asked)),
    element('td', 'number', count(slot.seats)),
    element('td', 'number', count(slot.given)),
    element('td', 'plot', plot(slot, most)),
  );
}

/**
 * @param {string} kind
 * @param {string} text
 */
function legend(kind, text) {
  const sign = drawing(
    'svg',
    { class: 'key', viewBox: '0 0 10 10', preserveAspectRatio: 'none', 'aria-hidden': 'true' },
    drawing('rect', { class: kind, width: 10, height: 10 }),
  );
  return element('span', '', sign, text);
}

/** @param {readonly import('./view.js').SlotView[]} slots */
export function slotsTable(slots) {
  const shown = slots.toSorted((a, b) => b.asked - a.asked).slice(0, MOST_ROWS);
  const most = Math.max(1, ...shown.flatMap(({ asked, seats }) => [asked, seats]));
  const heads = ['Slot', 'Asked for first', 'Seats', 'Given'].map((text, at) => {
    const head = element('th', at > 0 ? 'number' : '', text);
    head.scope = 'col';
    return head;
  });
  const left = slots.length - shown.length;
  const more = left > 0 ? ` The ${count(left)} least asked for are left out.` : '';
  const caption = element(
    'caption',
    '',
    element(
      'span',
      'legend',
      legend('seats', 'seats'),
      legend('given', 'given'),
      legend('asked', 'asked for as first choice'),
    ),
    more,
  );
  const table = element(
    'table',
    'slots',
    caption,
    element('thead', '', element('tr', '', ...heads, element('td', 'plot'))),
    element('tbody', '', ...shown.map((slot) => row(slot, most))),
  );
  return element('div', 'scroll', table);
}
