/** Draws in a thread of its own, by ONNX Runtime: the page stays responsive. */

import { fetchChecked, unzip } from "./files.js";
import { seededNoise } from "./noise.js";
import * as ort from "./runtime/ort.wasm.min.mjs";

const RUNTIME = "runtime/ort-wasm-simd-threaded.wasm.gzip";
const MODEL = "stages_float32.onnx";
const MOST_THREADS = 4;
const THREADS_FROM_BYTES = 8 * 2 ** 20; // of a model: smaller ones gain nothing from them

/** @type {Promise<{session: ort.InferenceSession, manifest: any}>} */
let loaded;

async function load({ studio, manifest }) {
  const files = [
    [RUNTIME, studio.files[RUNTIME]],
    [`model/${MODEL}`, manifest.files[MODEL]],
  ];
  const total = files.reduce((sum, [, described]) => sum + described.bytes, 0);
  let bytes = 0;
  const onBytes = (part) => postMessage({ progress: (bytes += part) / total });
  const [binary, model] = await Promise.all(files.map((file) => fetchChecked(...file, onBytes)));
  ort.env.wasm.wasmBinary = await unzip(binary);
  ort.env.wasm.wasmPaths = new URL("runtime/", import.meta.url).href;
  const many = self.crossOriginIsolated && model.length >= THREADS_FROM_BYTES;
  ort.env.wasm.numThreads = many ? Math.min(navigator.hardwareConcurrency || 1, MOST_THREADS) : 1;
  const session = await ort.InferenceSession.create(model, { executionProviders: ["wasm"] });
  return { session, manifest };
}

async function draw({ ids, seed }) {
  const { session, manifest } = await loaded;
  const { noise_size, condition_size } = manifest;
  const noise = seededNoise(seed, noise_size + condition_size);
  const outputs = await session.run({
    ids: new ort.Tensor("int32", ids, [1, ids.length]),
    lengths: new ort.Tensor("int32", [ids.length], [1]),
    noise: new ort.Tensor("float32", noise.slice(0, noise_size), [1, noise_size]),
    condition_noise: new ort.Tensor("float32", noise.slice(noise_size), [1, condition_size]),
  });
  return Object.fromEntries(Object.entries(outputs).map(([name, { data }]) => [name, data]));
}

self.onmessage = async ({ data: { id, method, argument } }) => {
  try {
    if (method === "load") await (loaded = load(argument));
    postMessage({ id, result: method === "draw" ? await draw(argument) : null });
  } catch (error) {
    postMessage({ id, error: String(error?.message ?? error) });
  }
};
