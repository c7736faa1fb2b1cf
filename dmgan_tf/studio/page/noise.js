/** Noise from a seed, as `dmgan_tf/inference/noise.py` describes and makes it. */

import { UserError } from "./errors.js";

/** @param {number} x 32 bits */
function hash(x) {
  x ^= x >>> 16;
  x = Math.imul(x, 0x7feb352d);
  x ^= x >>> 15;
  x = Math.imul(x, 0x846ca68b);
  return (x ^ (x >>> 16)) >>> 0;
}

/**
 * @param {bigint} seed 64 bits, signed
 * @param {number} size how many values
 * @returns {Float32Array} standard normal noise
 */
export function seededNoise(seed, size) {
  const wrapped = BigInt.asUintN(64, seed);
  const start = Math.imul(0x9e3779b9, Number(wrapped & 0xffffffffn) + 1);
  const key = hash(Number(wrapped >> 32n));
  const bits = (/** @type {number} */ counter) => hash(hash((counter + start) | 0) ^ key);
  return Float32Array.from({ length: size }, (_, i) => {
    const first = (bits(2 * i) + 1) * 2 ** -32;
    const second = bits(2 * i + 1) * 2 ** -32;
    return Math.sqrt(-2 * Math.log(first)) * Math.cos(2 * Math.PI * second);
  });
}

const LEAST = -(2n ** 63n);
const MOST = 2n ** 63n - 1n;

/**
 * @param {string} text
 * @returns {bigint}
 * @throws {UserError} when it is no whole number of 64 bits
 */
export function parseSeed(text) {
  const seed = /^\s*[+-]?\d+\s*$/.test(text) ? BigInt(text.replace("+", "")) : MOST + 1n;
  if (seed < LEAST || seed > MOST) {
    throw new UserError(`The seed must be a whole number from ${LEAST} to ${MOST}.`);
  }
  return seed;
}

/**
 * @param {string} text of a seed; empty: 0
 * @param {bigint} step
 * @returns {string} the seed so far from it; where there is none, the text as it is
 */
export function stepSeed(text, step) {
  try {
    return String(parseSeed(String(parseSeed(text || "0") + step)));
  } catch {
    return text;
  }
}
