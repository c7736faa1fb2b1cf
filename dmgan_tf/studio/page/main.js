/** The page: fields, pictures, links. */

import { BrowserEngine } from "./browser_engine.js";
import { Comparison } from "./comparison.js";
import { byId, element } from "./elements.js";
import { told } from "./errors.js";
import { fetchJson } from "./files.js";
import { fromFragment, toFragment } from "./link.js";
import { MemoryView } from "./memory.js";
import { parseSeed } from "./noise.js";
import { toCanvas, toImage, toPng } from "./pictures.js";
import { tell } from "./problem.js";
import { SentenceField } from "./sentence.js";
import { ServerEngine } from "./server_engine.js";

const MOST_ROLLED = 2 ** 31;

/** A picture with what belongs to it. */
async function shown(drawing, link) {
  const last = drawing.stages.at(-1);
  const canvas = toCanvas(last);
  const image = await toImage(canvas, drawing.sentence);
  const overlay = element("canvas", { className: "overlay", hidden: true, "aria-hidden": true });
  const frame = element(
    "div",
    {
      className: "frame",
      tabIndex: 0,
      role: "group",
      "aria-label": `Picture of seed ${drawing.seed}; arrow keys: the words that a pixel reads`,
    },
    image,
    overlay,
  );
  const stages = drawing.stages.map((stage) => {
    const small = toCanvas(stage);
    small.setAttribute("aria-hidden", "true");
    return element("li", {}, small, `${stage.side} px`);
  });
  const button = element("button", { type: "button", onclick: () => save(canvas, drawing) });
  button.append("Save PNG", element("span", { className: "hidden" }, ` of seed ${drawing.seed}`));
  const anchor = element("a", { href: link }, "Link");
  anchor.append(element("span", { className: "hidden" }, ` to the picture of seed ${drawing.seed}`));
  const figure = element(
    "figure",
    {},
    frame,
    element("figcaption", {}, `Seed ${drawing.seed}`, button, anchor),
    element("ol", { className: "stages", "aria-label": "Stages" }, ...stages),
  );
  return { figure, drawing, frame, overlay };
}

async function save(canvas, { sentence, seed }) {
  try {
    const name = sentence.replace(/[^\p{L}\p{N}]+/gu, "_").slice(0, 80);
    const href = URL.createObjectURL(await toPng(canvas));
    element("a", { href, download: `${name}_seed_${seed}.png` }).click();
    setTimeout(() => URL.revokeObjectURL(href), 60_000);
  } catch (error) {
    tell(told(error, "The picture can't be saved"));
  }
}

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
    byId("form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.draw();
    });
    byId("roll").addEventListener("click", () => {
      byId("seed").value = Math.floor(Math.random() * MOST_ROLLED);
      if (!byId("draw").disabled && this.sentence.value) this.draw();
    });
    window.addEventListener("hashchange", () => this.follow());
  }

  /** Lets draw, from now on: what draws is loaded. */
  start() {
    this.#describe();
    byId("draw").disabled = false;
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

  /** @param {string} [model] that a link was made with */
  async draw(model) {
    const turn = ++this.turn;
    tell("");
    const { fingerprint } = this.engine.studio;
    let field = "sentence"; // which is wrong, if one is
    try {
      const sentence = this.sentence.drawable();
      field = "seed";
      const first = parseSeed(byId("seed").value);
      const count = Number(byId("count").value);
      parseSeed(String(first + BigInt(count - 1)));
      field = "";
      await this.#draw(turn, sentence, first, count);
      if (model && model !== fingerprint && turn === this.turn) {
        tell(`The link was made with another model (${model}); this one is ${fingerprint}.`);
      }
    } catch (error) {
      if (turn !== this.turn) return;
      byId("status").textContent = "";
      tell(told(error, "Drawing failed"), field);
    }
  }

  async #draw(turn, sentence, first, count) {
    const { fingerprint: model } = this.engine.studio;
    const seeds = Array.from({ length: count }, (_, i) => first + BigInt(i));
    const link = (seed, pictures) =>
      toFragment({ sentence, seed: String(seed), count: pictures, model });
    history.replaceState(null, "", link(first, count));
    const pictures = [];
    for (const seed of seeds) {
      byId("status").textContent = `Drawing ${pictures.length + 1} of ${count} …`;
      const picture = await shown(await this.engine.draw(sentence, seed), link(seed, 1));
      if (turn !== this.turn) return;
      if (!pictures.length) this.#clear();
      pictures.push(picture);
      byId("drawn").append(picture.figure);
    }
    this.#describe();
    byId("status").textContent = count === 1 ? "Drawn." : `Drawn: ${count} pictures.`;
    this.memory.show(pictures);
    this.comparison.offer(pictures[0].drawing);
  }

  #clear() {
    for (const image of document.querySelectorAll("img")) URL.revokeObjectURL(image.src);
    byId("drawn").replaceChildren();
    byId("drawn").hidden = false;
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
