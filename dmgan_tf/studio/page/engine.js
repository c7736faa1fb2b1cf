/** What draws, whichever way: words, and drawings of a sentence and a seed. */

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

export class Engine {
  /**
   * @param {any} studio what studio.json says
   * @param {import("./tokens.js").Vocabulary} vocabulary
   * @param {number} maxWords
   * @param {number[]} sides of the stages
   */
  constructor(studio, vocabulary, maxWords, sides) {
    this.studio = studio;
    this.vocabulary = vocabulary;
    this.maxWords = maxWords;
    this.sides = sides;
    this.drawsWith = ""; // known when it is ready
  }

  /** Makes ready to draw. @param {(share: number) => void} _onProgress told how far, 0 … 1 */
  async load(_onProgress) {}

  /**
   * The outputs of the signature `stages` for one picture, flat, without padding.
   *
   * @param {string} _sentence
   * @param {number[]} _ids of its words
   * @param {bigint} _seed
   * @returns {Promise<Record<string, any>>}
   */
  async outputs(_sentence, _ids, _seed) {
    throw new Error("This engine doesn't draw.");
  }

  /**
   * @param {string} sentence
   * @param {bigint} seed
   * @returns {Promise<Drawing>}
   */
  async draw(sentence, seed) {
    const ids = this.vocabulary.encode(sentence, this.maxWords);
    const outputs = await this.outputs(sentence, ids, seed);
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
