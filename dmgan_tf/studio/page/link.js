/** What a link to a picture holds, in the part of the address behind `#`. */

/**
 * @typedef {object} Link
 * @property {string} sentence
 * @property {string} seed
 * @property {number} count of pictures
 * @property {string} model its fingerprint
 */

/** @param {Link} link */
export function toFragment({ sentence, seed, count, model }) {
  return `#${new URLSearchParams({ sentence, seed, pictures: String(count), model })}`;
}

/**
 * @param {string} fragment
 * @returns {Link | null} null: the address names no picture
 */
export function fromFragment(fragment) {
  const found = new URLSearchParams(fragment.replace(/^#/, ""));
  const sentence = found.get("sentence");
  if (sentence === null) return null;
  return {
    sentence,
    seed: found.get("seed") ?? "0",
    count: Number(found.get("pictures") ?? 1),
    model: found.get("model") ?? "",
  };
}
