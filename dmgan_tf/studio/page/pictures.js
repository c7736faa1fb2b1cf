/** Arrays of pixels as pictures that a page can show and save. */

import { UserError } from "./errors.js";

/** Colours of a heat map, from nothing to the most: dark violet, red, yellow. */
const COLOURS = [
  [0, 0, 4],
  [81, 18, 124],
  [183, 55, 121],
  [252, 137, 97],
  [252, 253, 191],
];

/**
 * @param {number} share 0 … 1
 * @returns {number[]} red, green, blue
 */
function heat(share) {
  const place = Math.min(Math.max(share, 0), 1) * (COLOURS.length - 1);
  const below = Math.min(Math.floor(place), COLOURS.length - 2);
  return COLOURS[below].map((c, i) => c + (place - below) * (COLOURS[below + 1][i] - c));
}

/**
 * @param {HTMLCanvasElement} canvas takes the side of the picture
 * @param {number} side
 * @param {(pixel: number) => number[]} colourOf red, green, blue of a pixel
 */
function paint(canvas, side, colourOf) {
  canvas.width = side;
  canvas.height = side;
  const image = new ImageData(side, side);
  for (let pixel = 0; pixel < side * side; pixel++) {
    image.data.set([...colourOf(pixel), 255], 4 * pixel);
  }
  canvas.getContext("2d")?.putImageData(image, 0, 0);
}

/**
 * @param {{side: number, pixels: Uint8Array}} picture
 * @returns {HTMLCanvasElement}
 */
export function toCanvas({ side, pixels }) {
  const canvas = document.createElement("canvas");
  paint(canvas, side, (pixel) => [...pixels.subarray(3 * pixel, 3 * pixel + 3)]);
  return canvas;
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {number} side
 * @param {ArrayLike<number>} shares [side²], 0 … 1
 */
export function paintHeat(canvas, side, shares) {
  paint(canvas, side, (pixel) => heat(shares[pixel]));
}

/**
 * @param {HTMLCanvasElement} canvas
 * @returns {Promise<Blob>} PNG
 */
export function toPng(canvas) {
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => {
      const advice = "Close other pages, or draw fewer pictures";
      if (blob) resolve(blob);
      else reject(new UserError(`The browser has no memory left for a PNG. ${advice}.`));
    });
  });
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {string} name what a screen reader calls it
 * @returns {Promise<HTMLImageElement>}
 */
export async function toImage(canvas, name) {
  const image = document.createElement("img");
  image.alt = name;
  image.width = canvas.width;
  image.height = canvas.height;
  image.src = URL.createObjectURL(await toPng(canvas));
  await image.decode();
  return image;
}

/**
 * @param {Uint8Array} before
 * @param {Uint8Array} after
 * @returns {{canvas: HTMLCanvasElement, mean: number, most: number}} the difference as a heat map,
 *   black to the largest; mean and most in grey levels
 */
export function difference(before, after) {
  const levels = Float32Array.from({ length: before.length / 3 }, (_, pixel) => {
    const parts = [0, 1, 2].map((c) => Math.abs(before[3 * pixel + c] - after[3 * pixel + c]));
    return (parts[0] + parts[1] + parts[2]) / 3;
  });
  const most = levels.reduce((one, other) => Math.max(one, other), 0);
  const canvas = document.createElement("canvas");
  paintHeat(canvas, Math.sqrt(levels.length), levels.map((level) => level / (most || 1)));
  return { canvas, mean: levels.reduce((one, other) => one + other, 0) / levels.length, most };
}
