// What the page's JavaScript makes of captions and seeds: JSON on the standard input to JSON.

import { readFileSync } from "node:fs";

import { parseSeed, seededNoise, stepSeed } from "../../dmgan_tf/studio/page/noise.js";
import { Vocabulary, tokenize } from "../../dmgan_tf/studio/page/tokens.js";

const { words, max_words, captions, seeds, size, begun, steps } = JSON.parse(readFileSync(0, "utf-8"));
const vocabulary = new Vocabulary(words);
const answers = {
  words: captions.map(tokenize),
  ids: captions.map((caption) => vocabulary.encode(caption, max_words)),
  offers: begun.map((beginning) => vocabulary.offers(beginning, 3)),
  stepped: steps.map(([seed, step]) => stepSeed(seed, BigInt(step))),
  noise: seeds.map((seed) => Array.from(seededNoise(parseSeed(seed), size))),
};
process.stdout.write(JSON.stringify(answers));
