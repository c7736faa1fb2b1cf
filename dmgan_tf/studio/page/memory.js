/** The memory, live: attention and gates over the pictures, words of a pixel, bars per word. */

import { byId, element } from "./elements.js";
import { paintHeat } from "./pictures.js";

const TOP_WORDS = 3;
const STEPS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

/**
 * @typedef {object} Shown a picture on the page
 * @property {import("./engine.js").Drawing} drawing
 * @property {HTMLElement} frame which takes the pointer and the keys
 * @property {HTMLCanvasElement} overlay
 */

export class MemoryView {
  constructor() {
    /** @type {Shown[]} */
    this.shown = [];
    this.current = 0; // the picture whose bars are shown
    this.refinement = 0;
    /** @type {number | null} */
    this.pointed = null; // the word that is pointed at
    /** @type {number | null} */
    this.pinned = null;
    byId("response").addEventListener("change", () => this.#overlay());
  }

  /** @param {Shown[]} shown pictures of one sentence */
  show(shown) {
    this.shown = shown;
    this.current = 0;
    this.pointed = this.pinned = null;
    const { refinements } = shown[0].drawing;
    this.refinement = Math.min(this.refinement, refinements.length - 1);
    byId("memory").hidden = !refinements.length;
    if (!refinements.length) return;
    byId("refinements").replaceChildren(
      ...refinements.map(({ side }, place) => {
        const radio = element("input", {
          type: "radio",
          name: "refinement",
          checked: place === this.refinement,
          onchange: () => this.#choose(place),
        });
        return element("label", {}, radio, ` ${side} → ${2 * side} px`);
      }),
    );
    shown.forEach((_, place) => this.#listen(place));
    this.#words();
    this.#fillBars();
    this.#choose(this.refinement);
  }

  #choose(refinement) {
    this.refinement = refinement;
    byId("pixel").textContent = "";
    this.#overlay();
  }

  #memoryOf({ drawing }) {
    return drawing.refinements[this.refinement];
  }

  /** The list of words, with an empty bar per stage. */
  #words() {
    const { words, refinements } = this.shown[0].drawing;
    byId("words-title").textContent = "Words";
    byId("words").replaceChildren(
      ...words.map((word, place) => {
        const button = element(
          "button",
          {
            type: "button",
            "aria-pressed": false,
            onpointerenter: () => this.#point(place),
            onpointerleave: () => this.#point(null),
            onfocus: () => this.#point(place),
            onblur: () => this.#point(null),
            onclick: () => this.#pin(place),
          },
          word,
        );
        const bars = refinements.map(() => {
          const meter = element("meter", { min: 0, max: 1 });
          return element("span", { className: "bar" }, meter, element("span"));
        });
        return element("li", {}, button, ...bars, element("span", { className: "share" }));
      }),
    );
  }

  /** Fills the bars with the current picture's gates. The words stay: one may have the focus. */
  #fillBars() {
    const { words, refinements, seed } = this.shown[this.current].drawing;
    for (const [place, item] of [...byId("words").children].entries()) {
      for (const [stage, bar] of [...item.querySelectorAll(".bar")].entries()) {
        const { side, writingGate } = refinements[stage];
        const [meter, text] = bar.children;
        const name = `Writing gate of ${words[place]} at ${side} px, seed ${seed}`;
        meter.setAttribute("aria-label", name);
        meter.value = writingGate[place];
        text.textContent = `${side} px ${meter.value.toFixed(2)}`;
      }
    }
  }

  #point(word) {
    this.pointed = word;
    this.#overlay();
  }

  #pin(word) {
    this.pinned = this.pinned === word ? null : word;
    byId("words")
      .querySelectorAll("button")
      .forEach((button, place) => {
        button.setAttribute("aria-pressed", String(place === this.pinned));
      });
    this.#overlay();
  }

  /** Lays over each picture what is asked for: a word's attention, else the response gate. */
  #overlay() {
    const word = this.pointed ?? this.pinned;
    for (const one of this.shown) {
      const { side, attention, responseGate } = this.#memoryOf(one);
      const count = one.drawing.words.length;
      one.overlay.hidden = word === null && !byId("response").checked;
      if (word !== null) {
        const most = attention.reduce((a, b) => Math.max(a, b), 0); // one scale for all words
        const shares = Float32Array.from(
          { length: side * side },
          (_, pixel) => attention[pixel * count + word] / most,
        );
        paintHeat(one.overlay, side, shares);
      } else if (byId("response").checked) {
        paintHeat(one.overlay, side, responseGate);
      }
    }
  }

  #listen(place) {
    const { frame, drawing } = this.shown[place];
    const name = `Picture of seed ${drawing.seed}; arrow keys tell the words that a pixel reads`;
    frame.tabIndex = 0;
    frame.setAttribute("role", "application"); // screen readers leave the arrow keys to it
    frame.setAttribute("aria-label", name);
    let row = 0;
    let column = 0;
    const read = () => this.#readPixel(place, row, column);
    const side = () => this.#memoryOf(this.shown[place]).side;
    const inside = (/** @type {number} */ value) => Math.min(Math.max(value, 0), side() - 1);
    frame.onpointerdown = frame.onpointermove = (event) => {
      const box = frame.getBoundingClientRect();
      row = inside(Math.floor(((event.clientY - box.top) / box.height) * side()));
      column = inside(Math.floor(((event.clientX - box.left) / box.width) * side()));
      read();
    };
    frame.onpointerleave = () => this.#leave(frame);
    frame.onblur = () => this.#leave(frame);
    frame.onfocus = () => {
      row = inside(row);
      column = inside(column);
      read();
    };
    frame.onkeydown = (event) => {
      const step = STEPS[/** @type {keyof STEPS} */ (event.key)];
      if (!step || event.ctrlKey || event.altKey || event.metaKey) return;
      event.preventDefault();
      row = inside(row + step[0]);
      column = inside(column + step[1]);
      read();
    };
  }

  #leave(frame) {
    frame.style.removeProperty("--row");
    frame.classList.remove("read");
    for (const share of byId("words").querySelectorAll(".share")) share.textContent = "";
  }

  /** The words that a pixel reads, the most first, and each word's share in the list. */
  #readPixel(place, row, column) {
    const { frame, drawing } = this.shown[place];
    if (place !== this.current) {
      this.current = place;
      this.#fillBars();
    }
    const { side, attention, responseGate } = drawing.refinements[this.refinement];
    const pixel = row * side + column;
    const count = drawing.words.length;
    const shares = Array.from(attention.subarray(pixel * count, (pixel + 1) * count));
    const percent = (/** @type {number} */ share) => `${Math.round(100 * share)} %`;
    const ranked = shares
      .map((share, word) => ({ share, word: drawing.words[word] }))
      .sort((one, other) => other.share - one.share)
      .slice(0, TOP_WORDS)
      .map(({ share, word }) => `${word} ${percent(share)}`);
    byId("pixel").textContent =
      `Seed ${drawing.seed}, row ${row + 1}, column ${column + 1} of ${side} reads ` +
      `${ranked.join(", ")}; response gate ${responseGate[pixel].toFixed(2)}.`;
    byId("words")
      .querySelectorAll(".share")
      .forEach((span, word) => {
        span.textContent = `read ${percent(shares[word])}`;
      });
    frame.classList.add("read");
    for (const [name, value] of Object.entries({ row, column, side })) {
      frame.style.setProperty(`--${name}`, String(value));
    }
  }
}
