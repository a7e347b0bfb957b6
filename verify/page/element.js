// @ts-check
/** Makes elements. Text from files goes in as text and never as markup. */

/**
 * @template {keyof HTMLElementTagNameMap} Name
 * @param {Name} name
 * @param {string} [className]
 * @param {...(Node | string)} children
 */
export function element(name, className = '', ...children) {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

/**
 * @param {string} name
 * @param {Record<string, string | number>} attributes
 * @param {...Node} children
 */
export function drawing(name, attributes, ...children) {
  const made = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [attribute, value] of Object.entries(attributes))
    made.setAttribute(attribute, String(value));
  made.append(...children);
  return made;
}

/**
 * @template {HTMLElement} Kind
 * @param {string} id
 * @param {new () => Kind} Type
 * @returns {Kind}
 */
export function byId(id, Type) {
  const found = document.getElementById(id);
  if (found instanceof Type) return found;
  throw new Error(`the page has no ${id}`);
}

const format = new Intl.NumberFormat();

/** @param {number} number */
export const count = (number) => format.format(number);

/**
 * @param {number} number
 * @param {string} one
 * @param {string} many
 */
export const counted = (number, one, many) => `${count(number)} ${number === 1 ? one : many}`;
