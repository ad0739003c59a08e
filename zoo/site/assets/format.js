// Quantities as the command line writes and reads them: 11.7 M, 46.8 MB, 10M. Prefixes are powers of 1,000.

export const UNKNOWN = "-";
const PREFIXES = [["T", 1e12], ["G", 1e9], ["M", 1e6], ["k", 1e3], ["", 1]];
const FACTORS = { "": 1, k: 1e3, K: 1e3, M: 1e6, G: 1e9, T: 1e12 };

/** A whole number with commas between the thousands. Making an Intl.NumberFormat takes longer than a whole table. */
export const whole = (value) => fixed(value, 0).replace(/\B(?=(\d{3})+$)/g, ",");

/** Write so many decimals. What lies exactly between two goes to the even one, as Python writes it. */
export function fixed(value, decimals) {
  const doubled = value * 2 ** (decimals + 1); // exact: only what this makes an odd whole number lies in between
  const isBetween = Number.isInteger(doubled) && doubled % 2 !== 0;
  if (!isBetween) return value.toFixed(decimals);
  const below = Math.floor(value * 10 ** decimals);
  return ((below % 2 === 0 ? below : below + 1) / 10 ** decimals).toFixed(decimals);
}

/** Round to three digits, with the same rule. */
export function toThreeDigits(value) {
  if (value === 0) return 0;
  const exponent = Number(value.toExponential().split("e")[1]);
  if (exponent < 2) return Number(fixed(value, 2 - exponent));
  const unit = 10 ** (exponent - 2);
  const isBetween = Number.isInteger(value) && unit > 1 && value % unit === unit / 2;
  if (isBetween) return Math.floor(value / unit / 2 + 0.5) * 2 * unit;
  return exponent === 2 ? Number(fixed(value, 0)) : Number(value.toPrecision(3));
}

function withPrefix(value) {
  const rounded = toThreeDigits(value);
  const [name, factor] = PREFIXES.find(([, candidate]) => rounded >= candidate);
  const scaled = rounded / factor;
  const digits = scaled < 10 ? 2 : scaled < 100 ? 1 : 0;
  return `${fixed(scaled, digits)} ${name}`;
}

export const count = (value) =>
  value === null || value === undefined ? UNKNOWN : value < 10_000 ? whole(value) : withPrefix(value);

export const size = (bytes) =>
  bytes === null || bytes === undefined ? UNKNOWN : bytes < 1000 ? `${bytes} B` : `${withPrefix(bytes)}B`;

export const percent = (value) => (value === null || value === undefined ? UNKNOWN : fixed(value, 2));

export const digits = (value) =>
  value === null || value === undefined
    ? UNKNOWN
    : value >= 1000
      ? whole(value)
      : String(toThreeDigits(value));

export const shape = (sides) => (sides ? sides.join("x") : UNKNOWN);

/** Write a value of a column's kind. */
export function show(kind, value) {
  switch (kind) {
    case "count":
      return count(value);
    case "size":
      return size(value);
    case "percent":
      return percent(value);
    case "number":
      return digits(value);
    case "flag":
      return value ? "yes" : "no";
    default:
      return value === null || value === undefined ? UNKNOWN : String(value);
  }
}

/** Read "10M", "100MB" or "2016"; null where it is no number. */
export function parseQuantity(text) {
  const found = /^\s*(\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)\s*([kKMGT]?)(?:i?B)?\s*$/.exec(text);
  return found ? Number(found[1]) * FACTORS[found[2]] : null;
}

/** Read "2012..2016", "..10M" or "7": the ends, null where open; undefined where it cannot be read. */
export function parseRange(text) {
  const parts = text.includes("..") ? text.split("..") : [text, text];
  if (parts.length !== 2) return undefined;
  const ends = parts.map((part) => (part.trim() === "" ? null : parseQuantity(part)));
  const isWrong = parts.some((part, place) => part.trim() !== "" && ends[place] === null);
  return isWrong ? undefined : ends;
}
