// A scatter plot as SVG: axes, points and a front. Colors are written into the drawing, so that a saved one keeps them.

import { svg } from "./dom.js";
import { show } from "./format.js";

export const PALETTE = ["#4a7fd4", "#d9822b", "#2a9d8f", "#b5489a", "#8a6d3b", "#7c6be0", "#c0504d", "#6b8e23"];
const OTHER = "#8b95a5";
const MARGIN = { top: 16, right: 20, bottom: 46, left: 62 };
const LABEL_HEIGHT = 15;
const MANY = 600; // more dots than this are drawn smaller
const ROOM = 0.04; // of the axis, beyond the outermost points

/** An axis: from values to pixels and back; logarithmic but for years. */
export class Axis {
  constructor(column, [low, high], [from, to]) {
    Object.assign(this, { column, low, high, from, to });
    this.isLog = isLog(column);
  }

  get ends() {
    return this.isLog ? [Math.log(this.low), Math.log(this.high)] : [this.low, this.high];
  }

  pixel(value) {
    const [low, high] = this.ends;
    const place = ((this.isLog ? Math.log(value) : value) - low) / (high - low || 1);
    return this.from + place * (this.to - this.from);
  }

  value(pixel) {
    const [low, high] = this.ends;
    const at = low + ((pixel - this.from) / (this.to - this.from)) * (high - low);
    return this.isLog ? Math.exp(at) : at;
  }

  /** Round values to write at the axis, at most so many. */
  ticks(most) {
    return this.isLog ? logTicks(this.low, this.high, most) : linearTicks(this.low, this.high, most);
  }
}

export const isLog = (column) => column.kind !== "year";

export function logTicks(low, high, most) {
  for (const steps of [[1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9], [1, 2, 3, 5, 7], [1, 2, 5], [1, 3], [1]]) {
    const found = [];
    for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power += 1) {
      for (const step of steps) {
        const value = Number(`${step}e${power}`);
        if (value >= low && value <= high) found.push(value);
      }
    }
    if (found.length <= most || steps.length === 1) return found;
  }
  return [];
}

export function linearTicks(low, high, most) {
  const wanted = (high - low) / Math.max(most, 1);
  const power = 10 ** Math.floor(Math.log10(wanted || 1));
  const step = Math.max(1, [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= wanted) ?? 1);
  const found = [];
  for (let value = Math.ceil(low / step) * step; value <= high; value += step) found.push(value);
  return found;
}

/** The range of a column among some rows, with a little room. */
export function extentOf(column, ids) {
  let [low, high] = [Infinity, -Infinity];
  for (const row of ids) {
    const value = column.values[row];
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (low > high) return [1, 10];
  if (!isLog(column)) return [low - 1, high + 1];
  const room = (high / low) ** ROOM * 1.04;
  return [low / room, high * room];
}

export function drawScatter({ rows, ids, frontIds, x, y, width, height, zoom, groups, ink }) {
  const box = { left: MARGIN.left, right: width - MARGIN.right, top: MARGIN.top, bottom: height - MARGIN.bottom };
  const xAxis = new Axis(x, zoom?.x ?? extentOf(x, ids), [box.left, box.right]);
  const yAxis = new Axis(y, zoom?.y ?? extentOf(y, ids), [box.bottom, box.top]);
  const clip = svg("clipPath", { id: "inside" }, svg("rect", { x: box.left, y: box.top, width: box.right - box.left, height: box.bottom - box.top }));
  const points = place(ids, xAxis, yAxis, box);
  const drawing = svg(
    "svg",
    { xmlns: "http://www.w3.org/2000/svg", viewBox: `0 0 ${width} ${height}`, width, height, "font-family": "system-ui, sans-serif", "font-size": 12, "aria-hidden": "true" },
    svg("defs", {}, clip),
    svg("rect", { width, height, fill: ink.surface }),
    grid(xAxis, yAxis, box, ink),
    svg("g", { "clip-path": "url(#inside)" }, dots(points, groups, ink), frontLine(frontIds, xAxis, yAxis, ink)),
    frontLabels(rows, frontIds, xAxis, yAxis, box, ink),
    legend(groups, box, ink),
  );
  return { drawing, points, xAxis, yAxis, box };
}

/** Where each row lies, of those inside. */
function place(ids, xAxis, yAxis, box) {
  const found = [];
  for (const row of ids) {
    const [px, py] = [xAxis.pixel(xAxis.column.values[row]), yAxis.pixel(yAxis.column.values[row])];
    if (px >= box.left - 6 && px <= box.right + 6 && py >= box.top - 6 && py <= box.bottom + 6) found.push({ row, px, py });
  }
  return found;
}

/** All dots of a color are one path of round ends: 8,000 of them cost what 8 do. */
function dots(points, groups, ink) {
  const paths = new Map();
  for (const { row, px, py } of points) {
    const color = groups.colorOf(row);
    paths.set(color, `${paths.get(color) ?? ""}M${px.toFixed(1)},${py.toFixed(1)}h0`);
  }
  const drawn = [...paths].map(([color, d]) => svg("path", { d, stroke: color, "stroke-width": points.length > MANY ? 5 : 7, "stroke-linecap": "round", "stroke-opacity": ink.isDark ? 0.8 : 0.62, fill: "none" }));
  return svg("g", { class: "dots" }, drawn);
}

function frontLine(frontIds, xAxis, yAxis, ink) {
  const spots = frontIds.map((row) => [xAxis.pixel(xAxis.column.values[row]), yAxis.pixel(yAxis.column.values[row])]);
  let d = "";
  spots.forEach(([px, py], index) => (d += index === 0 ? `M${px.toFixed(1)},${py.toFixed(1)}` : `H${px.toFixed(1)}V${py.toFixed(1)}`));
  const rings = spots.map(([px, py]) => svg("circle", { cx: px.toFixed(1), cy: py.toFixed(1), r: 5, fill: ink.front, stroke: ink.surface, "stroke-width": 1.5 }));
  return svg("g", { class: "front" }, svg("path", { d, fill: "none", stroke: ink.front, "stroke-width": 1.5, "stroke-opacity": 0.8 }), rings);
}

/** Name the front's points where a name covers no other: below, where nothing lies, or it would beat them; above at the left edge. */
function frontLabels(rows, frontIds, xAxis, yAxis, box, ink) {
  const taken = [];
  const labels = [];
  for (const row of frontIds) {
    const [px, py] = [xAxis.pixel(xAxis.column.values[row]), yAxis.pixel(yAxis.column.values[row])];
    const isShown = px >= box.left && px <= box.right && py >= box.top && py <= box.bottom;
    if (!isShown) continue;
    const name = rows.spec(row).replace(/^.*\//, "");
    const length = name.length * 6.1;
    const below = { left: px - length - 8, right: px - 8, top: py + 4, anchor: "end", x: px - 8, y: py + 15 };
    const above = { left: px + 8, right: px + length + 8, top: py - 18, anchor: "start", x: px + 8, y: py - 7 };
    const spot = below.left > box.left ? below : above;
    if (!isInside(spot, box) || !taken.every((other) => isApart(spot, other))) continue;
    taken.push(spot);
    labels.push(svg("text", { x: spot.x.toFixed(1), y: spot.y.toFixed(1), "text-anchor": spot.anchor, fill: ink.ink, "font-size": 11, stroke: ink.surface, "stroke-width": 3, "paint-order": "stroke" }, name));
  }
  return svg("g", { class: "names" }, labels);
}

const isInside = (area, box) => area.left > box.left && area.right < box.right && area.top > box.top && area.top + LABEL_HEIGHT < box.bottom;
const isApart = (area, other) => area.left > other.right || area.right < other.left || Math.abs(area.top - other.top) > LABEL_HEIGHT;

function grid(xAxis, yAxis, box, ink) {
  const group = svg("g", { class: "grid" });
  for (const value of xAxis.ticks((box.right - box.left) / 74)) {
    const px = xAxis.pixel(value).toFixed(1);
    group.append(svg("path", { d: `M${px},${box.top}V${box.bottom}`, stroke: ink.line }), svg("text", { x: px, y: box.bottom + 18, "text-anchor": "middle", fill: ink.soft }, tick(xAxis.column, value)));
  }
  for (const value of yAxis.ticks((box.bottom - box.top) / 34)) {
    const py = yAxis.pixel(value).toFixed(1);
    group.append(svg("path", { d: `M${box.left},${py}H${box.right}`, stroke: ink.line }), svg("text", { x: box.left - 8, y: Number(py) + 4, "text-anchor": "end", fill: ink.soft }, tick(yAxis.column, value)));
  }
  const middle = (box.top + box.bottom) / 2;
  group.append(
    svg("text", { x: (box.left + box.right) / 2, y: box.bottom + 38, "text-anchor": "middle", fill: ink.ink, "font-weight": 600 }, titleOf(xAxis.column)),
    svg("text", { x: 15, y: middle, "text-anchor": "middle", fill: ink.ink, "font-weight": 600, transform: `rotate(-90 15 ${middle})` }, titleOf(yAxis.column)),
  );
  return group;
}

/** Say of each axis whether its figures are published, measured or counted. */
export function titleOf(column) {
  if (column.measured) return `${column.title} (measured)`;
  return column.kind === "percent" ? `${column.title} % (published)` : column.title;
}

const tick = (column, value) => (["count", "size"].includes(column.kind) ? show(column.kind, value).replace(/\.0+(?= )/, "").replace(/(\.\d)0(?= )/, "$1") : String(value));

function legend(groups, box, ink) {
  const group = svg("g", { class: "legend" });
  groups.names.forEach(([name, color], index) => {
    const y = box.top + 12 + index * 18;
    group.append(svg("circle", { cx: box.right - 8, cy: y, r: 4.5, fill: color }), svg("text", { x: box.right - 18, y: y + 4, "text-anchor": "end", fill: ink.ink, stroke: ink.surface, "stroke-width": 3, "paint-order": "stroke" }, name));
  });
  return group;
}

/** Give the most frequent values of a column a color each; the rest share one. */
export function groupBy(column, ids) {
  if (!column) return { names: [], colorOf: () => PALETTE[0] };
  const counts = new Map();
  for (const row of ids) counts.set(column.values[row], (counts.get(column.values[row]) ?? 0) + 1);
  const frequent = [...counts].filter(([place]) => place >= 0).sort((one, other) => other[1] - one[1] || one[0] - other[0]);
  const hasRest = frequent.length > PALETTE.length || counts.has(-1);
  const shown = frequent.slice(0, hasRest ? PALETTE.length - 1 : PALETTE.length);
  const colors = new Map(shown.map(([place], index) => [place, PALETTE[index]]));
  const names = shown.map(([place], index) => [column.choices[place], PALETTE[index]]);
  if (hasRest) names.push(["other", OTHER]);
  return { names, colorOf: (row) => colors.get(column.values[row]) ?? OTHER };
}
