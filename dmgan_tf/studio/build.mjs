// Copies ONNX Runtime Web into `runtime/`: one build, that of WebAssembly.
//
// A bundler would change nothing: browsers load the page's modules as they are. The binary is
// compressed here, a quarter of its size, because most simple web servers compress nothing; its
// name ends in `.gzip`, which they take for a plain file, and not in `.gz`.

import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const at = (path) => fileURLToPath(new URL(path, import.meta.url));
const SOURCE = "node_modules/onnxruntime-web/dist";
const LOADERS = ["ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs"];
const BINARY = "ort-wasm-simd-threaded.wasm";

rmSync(at("runtime"), { recursive: true, force: true });
mkdirSync(at("runtime"));
for (const name of LOADERS) cpSync(at(`${SOURCE}/${name}`), at(`runtime/${name}`));
const binary = readFileSync(at(`${SOURCE}/${BINARY}`));
writeFileSync(at(`runtime/${BINARY}.gzip`), gzipSync(binary, { level: 9 }));
