/** The files beside the page: fetched with progress, and checked against what was written. */

import { UserError } from "./errors.js";

/** @typedef {{bytes: number, sha256: string}} Described what a manifest says of a file */

/** @param {string} path relative to the page */
async function open(path) {
  let response;
  try {
    response = await fetch(new URL(path, import.meta.url));
  } catch {
    const advice = "Is the server still running? Then load the page again.";
    throw new UserError(`${path} can't be fetched. ${advice}`);
  }
  if (!response.ok) {
    const answer = await response.json().catch(() => null); // a server that draws says why
    if (answer?.error) throw new UserError(answer.error);
    const reason = `${path} can't be fetched (${response.status})`;
    throw new UserError(`${reason}. Copy the whole folder again.`);
  }
  return response;
}

/**
 * @param {string} path
 * @returns {Promise<any>}
 */
export async function fetchJson(path) {
  const response = await open(path);
  return response.json().catch((error) => {
    if (!(error instanceof SyntaxError)) throw error;
    const reason = "is no JSON: it is damaged, or the host answers with another page";
    throw new UserError(`${path} ${reason}. Copy the whole folder again.`);
  });
}

/**
 * @param {string} path
 * @param {Described} described
 * @param {(bytes: number) => void} [onBytes] told of each part that has come
 * @returns {Promise<Uint8Array>}
 * @throws {UserError} when it isn't the file that was written
 */
export async function fetchChecked(path, described, onBytes = () => {}) {
  const content = new Uint8Array(described.bytes);
  const body = (await open(path)).body?.getReader();
  let length = 0;
  for (let part = await body?.read(); part && !part.done; part = await body?.read()) {
    if (length + part.value.length > content.length) throw damaged(path);
    content.set(part.value, length);
    length += part.value.length;
    onBytes(part.value.length);
  }
  if (!crypto.subtle) {
    const reason = "Browsers can check files only by HTTPS or on localhost";
    throw new UserError(`${reason}: open this page there.`);
  }
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", content));
  const found = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
  if (length !== content.length || found !== described.sha256) throw damaged(path);
  return content;
}

/**
 * @param {Uint8Array} content
 * @returns {Promise<ArrayBuffer>} what gzip has made it of
 */
export function unzip(content) {
  const stream = new Blob([content]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}

/** @param {string} path */
function damaged(path) {
  return new UserError(`${path} is damaged or was changed (SHA-256). Copy the whole folder again.`);
}
