/** Pictures on the page, with what belongs to them. */

import { byId, element } from "./elements.js";
import { told } from "./errors.js";
import { toFragment } from "./link.js";
import { toCanvas, toImage, toPng } from "./pictures.js";
import { tell } from "./problem.js";

/**
 * @param {import("./engine.js").Drawing} drawing
 * @param {string} model its fingerprint
 * @returns {Promise<import("./memory.js").Shown & {figure: HTMLElement}>}
 */
export async function drawnFigure(drawing, model) {
  const canvas = toCanvas(drawing.stages[drawing.stages.length - 1]);
  const image = await toImage(canvas, drawing.sentence);
  const overlay = element("canvas", { className: "overlay", hidden: true, "aria-hidden": true });
  const name = `seed ${drawing.seed}`;
  const frame = element("div", { className: "frame" }, image, overlay);
  const stages = drawing.stages.map((stage) => {
    const small = toCanvas(stage);
    small.setAttribute("aria-hidden", "true");
    return element("li", {}, small, `${stage.side} px`);
  });
  const figure = element(
    "figure",
    {},
    frame,
    element("figcaption", {}, `Seed ${drawing.seed}`, ...saveAndLink(canvas, drawing, model, name)),
    element("ol", { className: "stages", "aria-label": "Stages" }, ...stages),
  );
  return { figure, drawing, frame, overlay };
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {import("./engine.js").Drawing} drawing whose last stage it shows
 * @param {string} model its fingerprint
 * @param {string} name tells this picture's button and link from the others'
 * @returns {HTMLElement[]} the button and the link
 */
export function saveAndLink(canvas, drawing, model, name) {
  const { sentence, seed } = drawing;
  const href = toFragment({ sentence, seed: String(seed), count: 1, model });
  const onclick = () =>
    save(canvas, drawing).catch((error) =>
      tell(told(error, "The picture can't be saved", "Draw fewer pictures, and save it again")),
    );
  const hidden = (/** @type {string} */ text) => element("span", { className: "hidden" }, text);
  return [
    element("button", { type: "button", onclick }, "Save PNG", hidden(` of ${name}`)),
    element("a", { href }, "Link", hidden(` to the picture of ${name}`)),
  ];
}

async function save(canvas, { sentence, seed }) {
  const name = sentence.replace(/[^\p{L}\p{N}]+/gu, "_").slice(0, 80);
  const href = URL.createObjectURL(await toPng(canvas));
  element("a", { href, download: `${name}_seed_${seed}.png` }).click();
  setTimeout(() => URL.revokeObjectURL(href), 60_000);
}

/** @param {string} id of what loses its figures; their pictures are given free */
export function clearFigures(id) {
  for (const image of byId(id).querySelectorAll("img")) URL.revokeObjectURL(image.src);
  byId(id).replaceChildren();
}
