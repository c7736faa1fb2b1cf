// Copies ONNX Runtime Web into `runtime/`: its build of WebAssembly, and the one with WebGPU, which
// wants a browser that can suspend WebAssembly (JSPI).
//
// A bundler would change nothing: browsers load the page's modules as they are. The binaries are
// compressed here, a quarter of their size, because most simple web servers compress nothing; their
// names end in `.gzip`, which they take for a plain file, and not in `.gz`.

import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const at = (path) => fileURLToPath(new URL(path, import.meta.url));
const SOURCE = "node_modules/onnxruntime-web/dist";
const BUILDS = [
  { api: "ort.wasm.min.mjs", binary: "ort-wasm-simd-threaded" },
  { api: "ort.jspi.min.mjs", binary: "ort-wasm-simd-threaded.jspi" },
];

rmSync(at("runtime"), { recursive: true, force: true });
mkdirSync(at("runtime"));
for (const { api, binary } of BUILDS) {
  for (const name of [api, `${binary}.mjs`]) cpSync(at(`${SOURCE}/${name}`), at(`runtime/${name}`));
  const content = gzipSync(readFileSync(at(`${SOURCE}/${binary}.wasm`)), { level: 9 });
  writeFileSync(at(`runtime/${binary}.wasm.gzip`), content);
}
