/** What draws: the model in this browser, in a worker. */

import { fetchChecked, fetchJson } from "./files.js";
import { Vocabulary } from "./tokens.js";

/**
 * @typedef {object} Refinement what the memory did when a picture was refined
 * @property {number} side it started from
 * @property {Float32Array} attention [side², words]
 * @property {Float32Array} writingGate [words]
 * @property {Float32Array} responseGate [side²]
 */

/**
 * @typedef {object} Drawing
 * @property {string} sentence
 * @property {string[]} words that were read of it
 * @property {bigint} seed
 * @property {{side: number, pixels: Uint8Array}[]} stages RGB, [side², 3]
 * @property {Refinement[]} refinements
 */

/** A model that draws in this browser. */
export class Engine {
  /**
   * Fetches what is small: the description and the words; `load` fetches the rest.
   *
   * @returns {Promise<Engine>}
   */
  static async open() {
    const [studio, manifest] = await Promise.all([
      fetchJson("studio.json"),
      fetchJson("model/manifest.json"),
    ]);
    const path = "vocabulary.json";
    const text = new TextDecoder().decode(
      await fetchChecked(`model/${path}`, manifest.files[path]),
    );
    return new Engine(studio, manifest, new Vocabulary(JSON.parse(text).words));
  }

  /**
   * @param {any} studio
   * @param {any} manifest
   * @param {Vocabulary} vocabulary
   */
  constructor(studio, manifest, vocabulary) {
    this.studio = studio;
    this.vocabulary = vocabulary;
    /** @type {number} */
    this.maxWords = manifest.max_words;
    this.sides = manifest.sides;
    this.manifest = manifest;
    this.calls = new Map();
    this.count = 0;
    this.onProgress = (/** @type {number} */ _share) => {};
    this.worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
    this.worker.onmessage = ({ data }) => this.#answer(data);
    this.worker.onerror = (event) => {
      const reason = event.message || "its script could not be loaded";
      for (const { reject } of this.calls.values()) {
        reject(new Error(`Drawing failed: ${reason}. Load the page again.`));
      }
    };
  }

  #answer({ id, progress, result, error }) {
    if (progress !== undefined) {
      this.onProgress(progress);
      return;
    }
    const { resolve, reject } = this.calls.get(id);
    this.calls.delete(id);
    if (error === undefined) resolve(result);
    else reject(new Error(error));
  }

  #call(method, argument) {
    return new Promise((resolve, reject) => {
      const id = this.count++;
      this.calls.set(id, { resolve, reject });
      this.worker.postMessage({ id, method, argument });
    });
  }

  /** @param {(share: number) => void} onProgress told how much has come, 0 … 1 */
  async load(onProgress) {
    this.onProgress = onProgress;
    await this.#call("load", { studio: this.studio, manifest: this.manifest });
  }

  /**
   * @param {string} sentence
   * @param {bigint} seed
   * @returns {Promise<Drawing>}
   */
  async draw(sentence, seed) {
    const ids = this.vocabulary.encode(sentence, this.maxWords);
    const outputs = await this.#call("draw", { ids, seed });
    return {
      sentence,
      words: ids.map((id) => this.vocabulary.words[id]),
      seed,
      stages: this.sides.map((side) => ({ side, pixels: outputs[`image_${side}`] })),
      refinements: this.sides.slice(0, -1).map((side) => ({
        side,
        attention: outputs[`attention_${side}`],
        writingGate: outputs[`writing_gate_${side}`],
        responseGate: outputs[`response_gate_${side}`],
      })),
    };
  }
}
