// What zoo choose does, on the rows of this site: those within the limits that nothing beats in cost and in error, and
// why. tests/site/choose_cases.json holds both programs to the same answers.

import { fixed } from "./format.js";
import { SIZE_OR_ABOUT } from "./rows.js";
import { front } from "./select.js";

export const COST_WORDS = { parameters: "parameters", multiply_adds: "multiply-adds", size: "bytes", [SIZE_OR_ABOUT]: "bytes", p50: "milliseconds" };
const GAIN = "top5_error";
const NO_LICENSE = "none";
const PERMISSIVE = ["0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC-BY-4.0", "CC0-1.0", "ISC", "MIT", "Unlicense", "Zlib"];
const COPYLEFT = ["AGPL-3.0*", "CC-BY-SA-4.0", "GPL-2.0*", "GPL-3.0*", "LGPL-2.1*", "LGPL-3.0*", "MPL-2.0"];
const WORDS = { permissive: PERMISSIVE, commercial: [...PERMISSIVE, ...COPYLEFT] };

/**
 * Find the front within limits.
 *
 * `limits` may hold parameters, multiply_adds, top5_error, size and p50 (each "at most"), license (words and patterns
 * joined by commas), dataset (a pattern), source and task. Returns the places, cheapest first, with their reasons, and the rows that fit and were considered.
 */
export function choose(rows, limits, named = "multiply_adds") {
  const cost = column(named);
  const considered = [];
  for (let row = 0; row < rows.count; row += 1) if (isComparable(rows, row, limits, cost)) considered.push(row);
  const fitting = considered.filter((row) => isAllowed(rows, row, limits));
  const best = front(rows, fitting, cost, GAIN);
  const places = best.map((row, index) => ({ row, reason: reason(rows, index, best, fitting, cost) }));
  return { places, fitting, considered };
}

/** What is weighed: for a download about its length, where nobody knows more. */
function column(key) {
  return key === "size" ? SIZE_OR_ABOUT : key;
}

function isComparable(rows, row, { task = "classification", source }, cost) {
  const isImagenet = (rows.get("dataset", row) ?? "").startsWith("imagenet");
  const isWanted = rows.get("task", row) === task && (!source || rows.get("source", row) === source);
  return isImagenet && isWanted && rows.get(cost, row) !== null && rows.get(GAIN, row) !== null;
}

function isAllowed(rows, row, limits) {
  for (const key of ["parameters", "multiply_adds", GAIN, "size", "p50", "p90", "p99"]) {
    const bound = limits[key];
    if (bound === undefined || bound === null) continue;
    const value = rows.get(column(key), row);
    if (value === null || value > bound) return false;
  }
  const dataset = rows.get("dataset", row) ?? "";
  if (limits.dataset && !asExpression(limits.dataset.toLowerCase()).test(dataset)) return false;
  return !limits.license || hasLicense(rows.get("license", row), limits.license);
}

export function hasLicense(license, patterns) {
  const name = (license || NO_LICENSE).toLowerCase();
  const plain = patterns.split(",").map((word) => word.trim().toLowerCase());
  const all = plain.flatMap((word) => WORDS[word] ?? [word]);
  return all.some((pattern) => asExpression(pattern.toLowerCase()).test(name));
}

/** A shell pattern as a regular expression: * ? [abc] [!abc]. */
function asExpression(pattern) {
  let text = "";
  for (let place = 0; place < pattern.length; place += 1) {
    const letter = pattern[place];
    const end = pattern.indexOf("]", place + 2);
    if (letter === "*") text += ".*";
    else if (letter === "?") text += ".";
    else if (letter === "[" && end > 0) {
      const inside = pattern.slice(place + 1, end).replaceAll("\\", "\\\\");
      text += `[${inside.replace(/^!/, "^")}]`;
      place = end;
    } else text += letter.replace(/[\\^$.*+?()[\]{}|]/, "\\$&");
  }
  return new RegExp(`^${text}$`, "s");
}

/** Say in words why a row stands on the front. */
function reason(rows, index, best, fitting, cost) {
  const [row, words] = [best[index], COST_WORDS[cost]];
  const at = (key, other) => rows.get(key, other) ?? Infinity;
  const parts = [];
  if (index === 0) {
    parts.push(fitting.length > 1 ? `fewest ${words} of all ${fitting.length} that fit` : "the only one that fits");
  } else {
    const before = best[index - 1];
    const points = fixed(at(GAIN, before) - at(GAIN, row), 2);
    const ratio = fixed(at(cost, row) / at(cost, before), 2);
    parts.push(`${points} points less error than ${rows.spec(before)} for ${ratio} times the ${words}`);
  }
  if (index === best.length - 1 && fitting.length > 1) parts.push("lowest error");
  const beaten = beatenBy(rows, row, best, fitting, cost);
  if (beaten.length > 0) {
    const least = beaten.reduce((found, other) => (isLess(rows, other, found, cost) ? other : found));
    const ratio = fixed(at(cost, least) / at(cost, row), 2);
    const others = beaten.length > 1 ? ` and ${beaten.length - 1} more` : "";
    parts.push(`beats ${rows.spec(least)} (${ratio} times the ${words})${others}`);
  }
  return parts.join("; ");
}

function isLess(rows, one, other, cost) {
  const [left, right] = [rows.get(GAIN, one), rows.get(GAIN, other)];
  return left < right || (left === right && rows.get(cost, one) < rows.get(cost, other));
}

/** The rows that this one, and no cheaper one of the front, beats in both. */
function beatenBy(rows, row, best, fitting, cost) {
  const beats = (one, other) => rows.get(cost, one) <= rows.get(cost, other) && rows.get(GAIN, one) <= rows.get(GAIN, other);
  const onFront = new Set(best);
  const cheaper = best.filter((place) => rows.get(cost, place) < rows.get(cost, row));
  return fitting.filter((other) => !onFront.has(other) && beats(row, other) && !cheaper.some((place) => beats(place, other)));
}
