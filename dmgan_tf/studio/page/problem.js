/** The line that says what is wrong, and the fields that it may be about. */

import { byId } from "./elements.js";

const FIELDS = ["sentence", "seed"];

/**
 * @param {string} text empty: nothing is wrong
 * @param {string} [field] whose content is
 */
export function tell(text, field) {
  byId("problem").textContent = text;
  if (text) byId("problem").scrollIntoView({ block: "nearest" });
  for (const id of FIELDS) {
    if (id === field) byId(id).setAttribute("aria-invalid", "true");
    else byId(id).removeAttribute("aria-invalid");
  }
  if (field) byId(field).focus();
}
