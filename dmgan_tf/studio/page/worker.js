/** Draws in a thread of its own, by ONNX Runtime: the page stays responsive. */

import { told } from "./errors.js";
import { fetchChecked, unzip } from "./files.js";
import { seededNoise } from "./noise.js";

const MODEL = "stages_float32.onnx";
const MOST_THREADS = 4;
const THREADS_FROM_BYTES = 8 * 2 ** 20; // of a model: smaller ones gain nothing from them

/** The builds of ONNX Runtime by what they draw with, as `build.mjs` copies them. */
const BUILDS = {
  webgpu: {
    api: "./runtime/ort.jspi.min.mjs",
    binary: "runtime/ort-wasm-simd-threaded.jspi.wasm.gzip",
  },
  wasm: {
    api: "./runtime/ort.wasm.min.mjs",
    binary: "runtime/ort-wasm-simd-threaded.wasm.gzip",
  },
};

const FAILED = { load: "The model can't be loaded", draw: "The model can't draw" };

/** @type {Promise<{ort: any, session: any, studio: any, manifest: any, provider: string}>} */
let loaded;

/** WebGPU wants a GPU, a browser that suspends WebAssembly (JSPI), and its build in the folder. */
async function canUseWebGpu(files) {
  if (!(BUILDS.webgpu.binary in files) || !("Suspending" in WebAssembly)) return false;
  return Boolean(await navigator.gpu?.requestAdapter().catch(() => null));
}

async function load({ studio, manifest }) {
  if (!(await canUseWebGpu(studio.files))) return loadWith("wasm", studio, manifest);
  return loadWith("webgpu", studio, manifest).catch((error) => {
    tellOfFallback(error);
    return loadWith("wasm", studio, manifest);
  });
}

async function loadWith(provider, studio, manifest) {
  const { api, binary } = BUILDS[provider];
  const files = [
    [binary, studio.files[binary]],
    [`model/${MODEL}`, manifest.files[MODEL]],
  ];
  const total = files.reduce((sum, [, described]) => sum + described.bytes, 0);
  let bytes = 0;
  const onBytes = (part) => postMessage({ progress: (bytes += part) / total });
  const [ort, runtime, model] = await Promise.all([
    import(api),
    ...files.map((file) => fetchChecked(...file, onBytes)),
  ]);
  ort.env.wasm.wasmBinary = await unzip(runtime);
  ort.env.wasm.wasmPaths = new URL("runtime/", import.meta.url).href;
  const many = self.crossOriginIsolated && model.length >= THREADS_FROM_BYTES;
  ort.env.wasm.numThreads = many ? Math.min(navigator.hardwareConcurrency || 1, MOST_THREADS) : 1;
  const session = await ort.InferenceSession.create(model, {
    executionProviders: [provider],
    logSeverityLevel: 3, // errors: it warns of nodes that WebGPU leaves to WebAssembly, as is meant
  });
  postMessage({ provider });
  return { ort, session, studio, manifest, provider };
}

function tellOfFallback(error) {
  console.warn(`WebGPU can't be used (${error?.message ?? error}): WebAssembly draws instead.`);
}

/** Draws; a GPU that fails, or is lost later, is replaced by WebAssembly. */
async function draw(argument) {
  const { provider, studio, manifest } = await loaded;
  if (provider === "wasm") return run(argument);
  return run(argument).catch(async (error) => {
    tellOfFallback(error);
    await (loaded = loadWith("wasm", studio, manifest));
    return run(argument);
  });
}

async function run({ ids, seed }) {
  const { ort, session, manifest } = await loaded;
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

async function answer({ id, method, argument }) {
  try {
    if (method === "load") await (loaded = load(argument));
    postMessage({ id, result: method === "draw" ? await draw(argument) : null });
  } catch (error) {
    postMessage({ id, error: told(error, FAILED[method]) });
  }
}

/** One call after the other: by WebGPU, a session that is run twice at once never answers. */
let last = Promise.resolve();
self.onmessage = ({ data }) => (last = last.then(() => answer(data)));
