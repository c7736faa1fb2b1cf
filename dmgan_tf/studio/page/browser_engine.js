/** Draws in this browser, in a worker. */

import { Engine } from "./engine.js";
import { UserError, told } from "./errors.js";
import { fetchChecked, fetchJson } from "./files.js";
import { Vocabulary } from "./tokens.js";

const WORDS = "vocabulary.json";

export class BrowserEngine extends Engine {
  /**
   * Fetches what is small: the description and the words; `load` fetches the rest.
   *
   * @param {any} studio
   * @returns {Promise<BrowserEngine>}
   */
  static async open(studio) {
    const manifest = await fetchJson("model/manifest.json");
    const content = await fetchChecked(`model/${WORDS}`, manifest.files[WORDS]);
    const { words } = JSON.parse(new TextDecoder().decode(content));
    return new BrowserEngine(studio, manifest, new Vocabulary(words));
  }

  /**
   * @param {any} studio
   * @param {any} manifest
   * @param {Vocabulary} vocabulary
   */
  constructor(studio, manifest, vocabulary) {
    super(studio, vocabulary, manifest.max_words, manifest.sides);
    this.manifest = manifest;
    this.calls = new Map();
    this.count = 0;
    this.onProgress = (/** @type {number} */ _share) => {};
    this.worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
    this.worker.onmessage = ({ data }) => this.#answer(data);
    this.worker.onerror = (event) => {
      const reason = event.message || "its script could not be loaded";
      for (const { reject } of this.calls.values()) {
        reject(new UserError(told(reason, "Drawing failed")));
      }
    };
  }

  #answer({ id, provider, progress, result, error }) {
    if (provider !== undefined) {
      this.drawsWith = { webgpu: "WebGPU", wasm: "WebAssembly" }[provider];
      return;
    }
    if (progress !== undefined) {
      this.onProgress(progress);
      return;
    }
    const { resolve, reject } = this.calls.get(id);
    this.calls.delete(id);
    if (error === undefined) resolve(result);
    else reject(new UserError(error));
  }

  #call(method, argument) {
    return new Promise((resolve, reject) => {
      const id = this.count++;
      this.calls.set(id, { resolve, reject });
      this.worker.postMessage({ id, method, argument });
    });
  }

  async load(onProgress) {
    this.onProgress = onProgress;
    await this.#call("load", { studio: this.studio, manifest: this.manifest });
  }

  async outputs(_sentence, ids, seed) {
    return this.#call("draw", { ids, seed });
  }
}
