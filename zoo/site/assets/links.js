// Addresses of the other pages, and what goes along to them.

import { writeState } from "./state.js";

const written = (spec) => encodeURIComponent(spec).replaceAll("%3A", ":").replaceAll("%2F", "/");

/** The page of a row's model. */
export const modelAddress = (rows, row) => `model.html?model=${written(rows.spec(row))}`;

/** The page that puts models side by side. */
export const compareAddress = (specs) => `compare.html?compare=${specs.map(written).join(",")}`;

/** Let the links to table and plot keep what is chosen. */
export function carryQuery(state) {
  const query = writeState(state);
  for (const link of document.querySelectorAll("nav a[data-carries]")) link.href = link.dataset.carries + query;
}
