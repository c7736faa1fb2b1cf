/** Elements of the page by their id, and new ones. Text is always set as text, never as HTML. */

/**
 * @param {string} id
 * @returns {any} the element
 */
export function byId(id) {
  return document.getElementById(id);
}

/**
 * @param {string} tag
 * @param {Record<string, unknown>} [properties] of the element; names with a dash: attributes
 * @param {...(Node | string)} children
 * @returns {any} a new element
 */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes("-") || name === "role") made.setAttribute(name, String(value));
    else Object.assign(made, { [name]: value });
  }
  made.append(...children);
  return made;
}
