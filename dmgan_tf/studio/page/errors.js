/** Errors as their readers need them: what is wrong, and what to do. */

/** Its message says both. */
export class UserError extends Error {}

const AGAIN = "Load the page again; if this stays, copy the whole folder again";

/**
 * @param {unknown} error of the browser or of ONNX Runtime too, which don't say what to do
 * @param {string} failed what couldn't be done
 * @param {string} advice what to do
 * @returns {string} what a reader is told
 */
export function told(error, failed, advice = AGAIN) {
  if (error instanceof UserError) return error.message;
  const reason = String(error instanceof Error ? error.message : error).replace(/\.?\s*$/, "");
  return `${failed}: ${reason}. ${advice}.`;
}
