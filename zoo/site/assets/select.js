// Which rows fit, how many each choice would leave, and in which order: pure functions over the columns.

import { parseQuantity, parseRange } from "./format.js";

const CONDITION = /^([a-z][a-z0-9_-]*)(<=|>=|<|>|=)(.+)$/i;
const SHORT = { params: "parameters", macs: "multiply_adds", top1: "top1_error", top5: "top5_error" };

/** Read the search box: words that must all occur, and conditions such as parameters<10M. */
export function parseWords(text, rows) {
  const words = [];
  const conditions = [];
  for (const token of text.trim().split(/\s+/)) {
    const found = CONDITION.exec(token);
    const key = found && found[1].toLowerCase().replaceAll("-", "_");
    const column = found && rows.column(SHORT[key] ?? key);
    const bound = found && parseQuantity(found[3]);
    if (column?.isNumber && bound !== null) conditions.push({ column, operator: found[2], bound });
    else if (token !== "") words.push(token.toLowerCase());
  }
  return { words, conditions };
}

const OPERATORS = {
  "<": (value, bound) => value < bound,
  "<=": (value, bound) => value <= bound,
  ">": (value, bound) => value > bound,
  ">=": (value, bound) => value >= bound,
  "=": (value, bound) => value === bound,
};

/** Turn what the user chose into tests of a row; a value that is not known passes no limit. */
function compile(rows, state) {
  const tests = [];
  const { words, conditions } = parseWords(state.words, rows);
  if (words.length > 0) {
    const haystacks = rows.haystacks;
    tests.push({ key: null, passes: (row) => words.every((word) => haystacks[row].includes(word)) });
  }
  for (const { column, operator, bound } of conditions) {
    const compare = OPERATORS[operator];
    tests.push({ key: null, passes: (row) => column.values[row] !== null && compare(column.values[row], bound) });
  }
  for (const [key, chosen] of state.choices) {
    const { choices, values } = rows.column(key);
    const wanted = new Set(choices.map((choice, place) => (chosen.has(choice) ? place : -2)));
    tests.push({ key, passes: (row) => wanted.has(values[row]) });
  }
  for (const [key, text] of state.ranges) {
    const ends = parseRange(text);
    if (!ends) continue;
    const [low, high] = [ends[0] ?? -Infinity, ends[1] ?? Infinity];
    const { values } = rows.column(key);
    tests.push({ key, passes: (row) => values[row] !== null && values[row] >= low && values[row] <= high });
  }
  for (const [key, isWanted] of state.flags) {
    const { values } = rows.column(key);
    tests.push({ key, passes: (row) => Boolean(values[row]) === isWanted });
  }
  return tests;
}

/**
 * Select rows, in the order in which they are given: sorting happens once, not at each key that is typed.
 *
 * Returns `ids`, the rows that fit, and `counts`: for each column with choices, how many rows each choice has among
 * those that all other filters leave, so that a user sees what a click would give.
 */
export function select(rows, state, ordered) {
  const tests = compile(rows, state);
  const counted = rows.columns.filter((column) => column.filter === "choices");
  const counts = new Map(counted.map((column) => [column.key, new Int32Array(column.choices.length)]));
  const ids = [];
  for (const row of ordered) {
    let failures = 0;
    let failed = null;
    for (const test of tests) {
      if (test.passes(row)) continue;
      failures += 1;
      failed = test.key;
      if (failures > 1 || failed === null) break;
    }
    if (failures === 0) ids.push(row);
    if (failures > 1 || (failures === 1 && failed === null)) continue;
    for (const column of counted) {
      if (failures === 1 && failed !== column.key) continue;
      const place = column.values[row];
      if (place >= 0) counts.get(column.key)[place] += 1;
    }
  }
  return { ids, counts };
}

/** All rows in the order of one column after the other; unknown values come last in both directions. */
export function order(rows, sort) {
  const keys = sort.map(({ key, isDescending }) => ({ ranks: rows.column(key).ranks, sign: isDescending ? -1 : 1 }));
  return Uint32Array.from({ length: rows.count }, (_, row) => row).sort((one, other) => {
    for (const { ranks, sign } of keys) {
      const [left, right] = [ranks[one], ranks[other]];
      if (left === right) continue;
      if (left === -1) return 1;
      if (right === -1) return -1;
      return (left - right) * sign;
    }
    return one - other;
  });
}

/** Keep the rows that no other beats in both columns (smaller is better), cheapest first. */
export function front(rows, ids, cost, gain) {
  const [costs, gains] = [rows.valuesOf(cost), rows.valuesOf(gain)];
  const known = ids.filter((row) => costs[row] !== null && gains[row] !== null);
  known.sort((one, other) => costs[one] - costs[other] || gains[one] - gains[other] || one - other);
  const kept = [];
  for (const row of known) if (kept.length === 0 || gains[row] < gains[kept.at(-1)]) kept.push(row);
  return kept;
}
