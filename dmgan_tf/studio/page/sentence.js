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
    this.input.addEventListener("input", () => this.#show(true));
    // Not all of it: offers that are made anew as the field is left would miss the click on one.
    this.input.addEventListener("change", () => this.#tellLeftOut(this.#words()));
    this.#show(false);
  }

  get value() {
    return this.input.value;
  }

  set value(sentence) {
    this.input.value = sentence;
    this.#show(false);
  }

  /**
   * @returns {string} the sentence
   * @throws {UserError} when the model can draw nothing of it
   */
  drawable() {
    const words = this.#words();
    const known = this.vocabulary.words.slice(1, 9).join(", ");
    if (words.some(({ read }) => read)) return this.value;
    if (!words.length) throw new UserError(`Type a sentence first, of words such as: ${known}.`);
    const unknown = words.map(({ word }) => word).join(", ");
    throw new UserError(`The model knows none of these words: ${unknown}. It knows: ${known}, …`);
  }

  #words() {
    return this.vocabulary.read(this.value, this.maxWords);
  }

  /**
   * Shows which words are read, and offers known ones for the word that is being typed.
   *
   * @param {boolean} typing the last word may go on
   */
  #show(typing) {
    const words = this.#words();
    const shown = words.flatMap(({ word, read }) => [element(read ? "span" : "s", {}, word), " "]);
    byId("read").replaceChildren(...(words.length ? ["Read: ", ...shown] : []));
    const begun = /[\p{L}\p{N}_]*$/u.exec(this.value)?.[0] ?? "";
    const beginning = tokenize(begun).at(-1) ?? "";
    this.#tellLeftOut(typing && beginning ? words.slice(0, -1) : words);
    const offers = this.vocabulary.offers(beginning, OFFERS);
    byId("offers").replaceChildren(
      ...offers.map((word) => {
        const onclick = () => this.#take(begun, beginning, word);
        return element("button", { type: "button", onclick }, word);
      }),
    );
  }

  /** Tells screen readers, only when it changes: they read it aloud. */
  #tellLeftOut(words) {
    const left = words.filter(({ read }) => !read).map(({ word }) => word);
    const text = left.length ? `Left out: ${left.join(", ")}.` : "";
    if (byId("left-out").textContent !== text) byId("left-out").textContent = text;
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
