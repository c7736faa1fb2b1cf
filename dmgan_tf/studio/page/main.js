/** The page: fields, pictures, links. */

import { BrowserEngine } from "./browser_engine.js";
import { Comparison } from "./comparison.js";
import { byId } from "./elements.js";
import { told } from "./errors.js";
import { clearFigures, drawnFigure } from "./figures.js";
import { fetchJson } from "./files.js";
import { fromFragment, toFragment } from "./link.js";
import { MemoryView } from "./memory.js";
import { parseSeed, stepSeed } from "./noise.js";
import { tell } from "./problem.js";
import { SentenceField } from "./sentence.js";
import { ServerEngine } from "./server_engine.js";

const MOST_ROLLED = 2 ** 31;
const STEPS = { ArrowUp: 1n, ArrowDown: -1n };

class Page {
  /** @param {import("./engine.js").Engine} engine */
  constructor(engine) {
    this.engine = engine;
    this.sentence = new SentenceField(engine.vocabulary, engine.maxWords);
    this.memory = new MemoryView();
    this.comparison = new Comparison(engine);
    this.turn = 0; // what is drawn for an older question is not shown
    const { name, title } = engine.studio;
    byId("model").textContent = title ?? name;
    document.title = `${title ?? name} – Studio`;
    byId("form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.draw();
    });
    byId("roll").addEventListener("click", () => {
      byId("seed").value = Math.floor(Math.random() * MOST_ROLLED);
      if (!byId("draw").disabled && this.sentence.value) this.draw();
    });
    byId("seed").addEventListener("keydown", (event) => this.#step(event));
    window.addEventListener("hashchange", () => this.follow());
    document.addEventListener("click", (event) => this.#clickAgain(event));
  }

  /** Lets draw, from now on: what draws is loaded. */
  start() {
    this.#describe();
    byId("draw").disabled = false;
    byId("status").textContent = "Ready.";
    this.follow();
  }

  #describe() {
    const { name, fingerprint, limitations } = this.engine.studio;
    const drawn = `Model ${name}, ${fingerprint}, drawn by ${this.engine.drawsWith}.`;
    byId("card").textContent = [drawn, limitations ?? ""].join(" ");
  }

  /** Draws what the address names, if it names anything. */
  follow() {
    const link = fromFragment(location.hash);
    if (!link) return;
    this.sentence.value = link.sentence;
    byId("seed").value = link.seed;
    const counts = [...byId("count").options].map((option) => Number(option.value));
    byId("count").value = counts.includes(link.count) ? link.count : 1;
    this.draw(link.model);
  }

  /** The next seed or the one before; a browser counts by doubles, which end at 2 ** 53. */
  #step(event) {
    const step = STEPS[/** @type {keyof STEPS} */ (event.key)];
    if (!step || event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    byId("seed").value = stepSeed(byId("seed").value, step);
  }

  /** A link to where the page is already: the address stays, so no `hashchange` comes. */
  #clickAgain({ target, ctrlKey, metaKey, shiftKey, altKey, defaultPrevented }) {
    const link = target instanceof Element && target.closest("a");
    // In a tab or a window of its own, or as a download.
    const elsewhere = ctrlKey || metaKey || shiftKey || altKey || defaultPrevented;
    if (link && !elsewhere && link.hash === location.hash) this.follow();
  }

  /** @param {string} [model] that a link was made with */
  async draw(model) {
    const turn = ++this.turn;
    const { fingerprint } = this.engine.studio;
    const foreign = model && model !== fingerprint;
    const notice = foreign
      ? `The link was made with another model (${model}); this one is ${fingerprint}. `
      : "";
    tell(notice);
    let field = "sentence"; // which is wrong, if one is
    try {
      const sentence = this.sentence.drawable();
      field = "seed";
      const first = parseSeed(byId("seed").value);
      const count = Number(byId("count").value);
      parseSeed(String(first + BigInt(count - 1)));
      field = "";
      // The address goes on naming the model of the link: opened again, it tells so again.
      const seed = String(first);
      const address = toFragment({ sentence, seed, count, model: model || fingerprint });
      history.replaceState(null, "", address);
      await this.#draw(turn, sentence, first, count);
    } catch (error) {
      if (turn !== this.turn) return;
      byId("status").textContent = "";
      tell(notice + told(error, "Drawing failed"), field);
    }
  }

  async #draw(turn, sentence, first, count) {
    const { fingerprint: model } = this.engine.studio;
    const pictures = [];
    for (let place = 0; place < count; place++) {
      byId("status").textContent = `Drawing ${place + 1} of ${count} …`;
      const drawing = await this.engine.draw(sentence, first + BigInt(place));
      const picture = await drawnFigure(drawing, model);
      if (turn !== this.turn) return;
      if (!place) this.#begin(drawing);
      pictures.push(picture);
      byId("drawn").append(picture.figure);
    }
    this.#describe();
    byId("status").textContent = count === 1 ? "Drawn." : `Drawn: ${count} pictures.`;
    this.memory.show(pictures);
  }

  /** The first picture is there: its words can be changed while the others are drawn. */
  #begin(drawing) {
    clearFigures("drawn");
    byId("drawn").hidden = false;
    this.comparison.offer(drawing);
  }
}

try {
  byId("help").hidden = true;
  const studio = await fetchJson("studio.json");
  const engine = studio.model ? new ServerEngine(studio) : await BrowserEngine.open(studio);
  const page = new Page(engine);
  await engine.load((share) => {
    byId("progress").value = share;
  });
  page.start();
  if (!studio.model) navigator.serviceWorker?.register("offline.js").catch(() => {});
} catch (error) {
  tell(told(error, "The page can't be made ready"));
}
byId("loading").hidden = true;
