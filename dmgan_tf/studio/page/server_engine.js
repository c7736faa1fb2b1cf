/** Draws by the server that the page comes from, through its REST interface. */

import { Engine } from "./engine.js";
import { UserError } from "./errors.js";
import { Vocabulary } from "./tokens.js";

export class ServerEngine extends Engine {
  /** @param {any} studio */
  constructor(studio) {
    const { words, max_words, sides } = studio.model;
    super(studio, new Vocabulary(words), max_words, sides);
    this.drawsWith = "the server";
  }

  async outputs(sentence, ids, seed) {
    const name = encodeURIComponent(this.studio.name);
    // Not by JSON.stringify alone: a seed of 64 bits is no number of JavaScript.
    const instance = `{"caption": ${JSON.stringify(sentence)}, "seed": ${seed}}`;
    const response = await fetch(new URL(`v1/models/${name}:predict`, import.meta.url), {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: `{"signature_name": "stages", "instances": [${instance}]}`,
    }).catch(() => {
      throw new UserError("The server can't be reached. Is it still running? Then draw again.");
    });
    const answer = await response.json().catch(() => ({}));
    if (!response.ok) {
      const reason = String(answer.error ?? response.status).replace(/\.?\s*$/, "");
      const advice = response.status === 429 || response.status >= 500 ? " Draw again later." : "";
      throw new UserError(`The server refuses: ${reason}.${advice}`);
    }
    if (!answer.predictions) {
      const advice = "Load the page again; if this stays, ask who runs the server";
      throw new UserError(`The server gives no picture. ${advice}.`);
    }
    const [found] = answer.predictions;
    if (found.error) throw new UserError(found.error);
    return Object.fromEntries(
      Object.entries(found).map(([name, value]) => [name, flat(name, value, ids.length)]),
    );
  }
}

/** Arrays as a model in the browser gives them: without the padding of the words. */
function flat(name, value, count) {
  if (name.startsWith("image_")) return Uint8Array.from(value.flat(2));
  if (name.startsWith("attention_")) {
    return Float32Array.from(value.flatMap((/** @type {number[]} */ row) => row.slice(0, count)));
  }
  if (name.startsWith("writing_gate_")) return Float32Array.from(value.slice(0, count).flat());
  if (name.startsWith("response_gate_")) return Float32Array.from(value.flat(2));
  return value;
}
