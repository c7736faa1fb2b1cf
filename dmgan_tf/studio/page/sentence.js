/** The field of the sentence: what the model reads of it as one types, and the words it knows. */

import { byId, element } from "./elements.js";
import { UserError } from "./errors.js";
import { tokenize } from "./tokens.js";

const OFFERS = 8;

export class SentenceField {
  /** @param {import("./tokens.js").Vocabulary} vocabulary @param {number} maxWords */
  constructor(vocabulary, maxWords) {
    this.vocabulary = vocabulary;
    this.maxWords = maxWords;
    this.input = byId("sentence");
    this.input.addEventListener("input", () => this.show());
    this.show();
  }

  get value() {
    return this.input.value;
  }

  set value(sentence) {
    this.input.value = sentence;
    this.show();
  }

  /**
   * @returns {string} the sentence
   * @throws {UserError} when the model can draw nothing of it
   */
  drawable() {
    const words = this.vocabulary.read(this.value, this.maxWords);
    const known = this.vocabulary.words.slice(1, 9).join(", ");
    if (words.some(({ read }) => read)) return this.value;
    if (!words.length) throw new UserError(`Type a sentence first, of words such as: ${known}.`);
    const unknown = words.map(({ word }) => word).join(", ");
    throw new UserError(`The model knows none of these words: ${unknown}. It knows: ${known}, …`);
  }

  /** Shows which words are read, and offers known ones for the word that is being typed. */
  show() {
    const words = this.vocabulary.read(this.value, this.maxWords);
    const shown = words.flatMap(({ word, read }) => [element(read ? "span" : "s", {}, word), " "]);
    const left = words.filter(({ read }) => !read).map(({ word }) => word);
    byId("read").replaceChildren(
      ...(words.length ? ["Read: ", ...shown] : []),
      ...(left.length ? [element("span", { className: "hidden" }, `Left out: ${left}.`)] : []),
    );
    const begun = /[\p{L}\p{N}_]*$/u.exec(this.value)?.[0] ?? "";
    const beginning = tokenize(begun).at(-1) ?? "";
    const offers = this.vocabulary.offers(beginning, OFFERS);
    byId("offers").replaceChildren(
      ...offers.map((word) => {
        const onclick = () => this.#take(begun, beginning, word);
        return element("button", { type: "button", onclick }, word);
      }),
    );
  }

  /** Puts a word in the place of what was begun; behind it, where that is a known word or none. */
  #take(begun, beginning, word) {
    const whole = this.vocabulary.ids.has(beginning) && !word.startsWith(beginning);
    const kept =
      beginning && !whole
        ? this.value.slice(0, this.value.length - begun.length)
        : this.value.replace(/\S$/, "$& ");
    this.value = `${kept}${word} `;
    this.input.focus();
  }
}
