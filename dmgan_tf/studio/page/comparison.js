/** Change a word and see what changes: before, after and the difference, of one seed. */

import { byId, element } from "./elements.js";
import { told } from "./errors.js";
import { difference, toCanvas, toImage } from "./pictures.js";
import { tell } from "./problem.js";

export class Comparison {
  /** @param {import("./engine.js").Engine} engine */
  constructor(engine) {
    this.engine = engine;
    /** @type {import("./engine.js").Drawing | null} */
    this.before = null;
    byId("becomes").replaceChildren(
      ...[...engine.vocabulary.words.slice(1)].sort().map((word) => element("option", {}, word)),
    );
    byId("change-form").addEventListener("submit", (/** @type {Event} */ event) => {
      event.preventDefault();
      this.#compare().catch((error) => tell(told(error, "Drawing failed")));
    });
  }

  /** @param {import("./engine.js").Drawing} drawing whose words may be changed */
  offer(drawing) {
    this.before = drawing;
    byId("change").hidden = false;
    byId("compared").replaceChildren();
    byId("changed").replaceChildren(
      ...drawing.words.map((word, place) => element("option", { value: place }, word)),
    );
    const gates = drawing.refinements[0]?.writingGate ?? new Float32Array(1);
    byId("changed").value = gates.indexOf(gates.reduce((one, other) => Math.max(one, other)));
  }

  async #compare() {
    const before = this.before;
    if (!before) return;
    const words = [...before.words];
    words[byId("changed").value] = byId("becomes").value;
    const after = await this.engine.draw(words.join(" "), before.seed);
    if (before !== this.before) return; // another sentence was drawn meanwhile
    const [one, other] = [before, after].map(({ stages }) => stages[stages.length - 1]);
    const { canvas, mean, most } = difference(one.pixels, other.pixels);
    const figure = async (/** @type {HTMLCanvasElement} */ picture, name, caption) =>
      element("figure", {}, await toImage(picture, name), element("figcaption", {}, caption));
    byId("compared").replaceChildren(
      await figure(toCanvas(one), `Before: ${before.words.join(" ")}`, before.words.join(" ")),
      await figure(toCanvas(other), `After: ${after.sentence}`, after.sentence),
      await figure(
        canvas,
        "Difference",
        `Difference of seed ${before.seed}: ${mean.toFixed(1)} grey levels on average, ` +
          `${most.toFixed(0)} at most (the brightest pixel)`,
      ),
    );
  }
}
