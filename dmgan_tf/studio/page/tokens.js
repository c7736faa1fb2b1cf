/**
 * Captions to ids, as `dmgan_tf/data/tokens.py` and `vocabulary.py` do it: lower case; runs of
 * letters, digits and underscore; what isn't ASCII removed from each; unknown words dropped; cut at
 * the model's limit.
 */

/**
 * @param {string} caption
 * @returns {string[]} its words
 */
export function tokenize(caption) {
  const words = caption.toLowerCase().match(/[\p{L}\p{N}_]+/gu) ?? [];
  return words.map((word) => word.replace(/[^\x00-\x7f]+/g, "")).filter(Boolean);
}

/** How many first letters two words share. */
function firstShared(word, other) {
  let length = 0;
  while (length < word.length && word[length] === other[length]) length++;
  return length;
}

/** Neighbouring letters of a word, two by two. */
function pairs(word) {
  return Array.from({ length: Math.max(word.length - 1, 0) }, (_, i) => word.slice(i, i + 2));
}

/** The words that a model knows; a word's id is its place. */
export class Vocabulary {
  /** @param {string[]} words the first is the end of a caption */
  constructor(words) {
    this.words = words;
    this.ids = new Map(words.map((word, id) => [word, id]));
  }

  /**
   * @param {string} caption
   * @param {number} maxWords
   * @returns {{word: string, id: number | undefined, read: boolean}[]} every word of the caption;
   *   `read`: it is known and not beyond the limit
   */
  read(caption, maxWords) {
    let count = 0;
    return tokenize(caption).map((word) => {
      const id = this.ids.get(word);
      return { word, id, read: id !== undefined && count++ < maxWords };
    });
  }

  /**
   * @param {string} caption
   * @param {number} maxWords
   * @returns {number[]} ids of what is read
   */
  encode(caption, maxWords) {
    return this.read(caption, maxWords).flatMap(({ id, read }) => (read ? [Number(id)] : []));
  }

  /**
   * Known words to offer for what somebody begins to type: those that share its first letters.
   * Where none does, all may be: those that look like it first, then the model's first words.
   *
   * @param {string} beginning of a word; empty: the model's first words
   * @param {number} count at most
   * @returns {string[]} the best first
   */
  offers(beginning, count) {
    const begun = new Set(pairs(beginning));
    const others = this.words
      .slice(1)
      .filter((word) => word !== beginning)
      .map((word) => ({
        word,
        first: firstShared(word, beginning),
        alike: pairs(word).filter((pair) => begun.has(pair)).length,
      }));
    const near = others.filter(({ first }) => first > 0);
    return (near.length ? near : others)
      .sort((one, other) => other.first - one.first || other.alike - one.alike)
      .slice(0, count)
      .map(({ word }) => word);
  }
}
