/** Change a word and see what changes: before, after and the difference, of one seed. */

import { byId, element } from "./elements.js";
import { told } from "./errors.js";
import { clearFigures, saveAndLink } from "./figures.js";
import { difference, toCanvas, toImage } from "./pictures.js";
import { tell } from "./problem.js";

export class Comparison {
  /** @param {import("./engine.js").Engine} engine */
  constructor(engine) {
    this.engine = engine;
    /** @type {import("./engine.js").Drawing | null} */
    this.before = null;
    this.turn = 0; // what is drawn for an older question is not shown
    this.asked = false; // since the words were offered
    byId("becomes").replaceChildren(
      ...[...engine.vocabulary.words.slice(1)].sort().map((word) => element("option", {}, word)),
    );
    byId("change-form").addEventListener("submit", (/** @type {Event} */ event) => {
      event.preventDefault();
      this.#compare();
    });
  }

  /** @param {import("./engine.js").Drawing} drawing whose words may be changed */
  offer(drawing) {
    this.before = drawing;
    this.turn++;
    this.#say(this.asked ? "There are other pictures now: compare again." : "");
    this.asked = false;
    byId("change").hidden = false;
    clearFigures("compared");
    byId("changed").replaceChildren(
      ...drawing.words.map((word, place) => element("option", { value: place }, word)),
    );
    const gates = drawing.refinements[0]?.writingGate ?? new Float32Array(1);
    byId("changed").value = gates.indexOf(gates.reduce((one, other) => Math.max(one, other)));
  }

  #say(status) {
    byId("compare-status").textContent = status;
  }

  async #compare() {
    const before = this.before;
    if (!before) return;
    const turn = ++this.turn;
    this.asked = true;
    const words = [...before.words];
    words[byId("changed").value] = byId("becomes").value;
    const changed = words.join(" ");
    tell("");
    this.#say(`Drawing “${changed}” …`);
    try {
      const after = await this.engine.draw(changed, before.seed);
      if (turn !== this.turn) return;
      const { figures, levels } = await this.#figures(before, after);
      if (turn !== this.turn) return;
      clearFigures("compared");
      byId("compared").append(...figures);
      this.#say(`Compared: ${levels} grey levels apart on average.`);
    } catch (error) {
      if (turn !== this.turn) return;
      this.#say("");
      tell(told(error, "Comparing failed"));
    }
  }

  async #figures(before, after) {
    const last = (/** @type {import("./engine.js").Drawing} */ { stages }) =>
      stages[stages.length - 1];
    const figure = async (/** @type {HTMLCanvasElement} */ canvas, name, ...caption) =>
      element("figure", {}, await toImage(canvas, name), element("figcaption", {}, ...caption));
    const picture = (/** @type {import("./engine.js").Drawing} */ drawing, name) => {
      const canvas = toCanvas(last(drawing));
      const words = drawing.words.join(" ");
      const what = `seed ${drawing.seed}, ${name.toLowerCase()}`;
      const { fingerprint } = this.engine.studio;
      const more = saveAndLink(canvas, drawing, fingerprint, what);
      return figure(canvas, `${name}: ${words}`, words, ...more);
    };
    const { canvas, mean, most } = difference(last(before).pixels, last(after).pixels);
    const levels = mean.toFixed(1);
    const caption =
      `Difference of seed ${before.seed}: ${levels} grey levels on average, ` +
      `${most.toFixed(0)} at most (the brightest pixel)`;
    const figures = await Promise.all([
      picture(before, "Before"),
      picture(after, "After"),
      figure(canvas, "Difference", caption),
    ]);
    return { figures, levels };
  }
}
