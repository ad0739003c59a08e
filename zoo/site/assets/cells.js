// The cells of a searched network, drawn as its paper draws them: inputs below, blocks above what they read.

import { el, svg } from "./dom.js";

const NAMES = { identity: "identity" };
const BOX = { width: 92, height: 24 };
const BLOCK_WIDTH = 2 * BOX.width + 10;
const ROW = 104;
const MARGIN = 20;

/** Write an operation as papers do: sep 5×5. */
function nameOf(operation) {
  const found = /^(separable|avg_pool|max_pool)_(\d)x(\d)$/.exec(operation);
  if (!found) return NAMES[operation] ?? operation;
  const kinds = { separable: "sep", avg_pool: "avg", max_pool: "max" };
  return `${kinds[found[1]]} ${found[2]}×${found[3]}`;
}

/** Rank each state: 0 for the inputs, then one more than the highest that a block reads. */
export function ranks(cell) {
  const found = [0, 0];
  for (const [, left, , right] of cell.blocks) found.push(1 + Math.max(found[left], found[right]));
  return found;
}

/** Draw one cell. */
export function drawCell(cell, title) {
  const levels = ranks(cell);
  const highest = Math.max(...levels);
  const byRank = Array.from({ length: highest + 1 }, (_, rank) => levels.flatMap((level, state) => (level === rank ? [state] : [])));
  const widest = Math.max(...byRank.map((states) => states.length));
  const width = widest * (BLOCK_WIDTH + 24) + 2 * MARGIN;
  const height = (highest + 1) * ROW + 110;
  const yOf = (rank) => height - 50 - rank * ROW;
  const places = [];
  for (const [rank, states] of byRank.entries()) {
    const step = (width - 2 * MARGIN) / states.length;
    states.forEach((state, place) => (places[state] = { x: MARGIN + step * (place + 0.5), y: yOf(rank) }));
  }
  const edges = svg("g", { class: "edges" });
  const nodes = svg("g", { class: "nodes" });
  const curve = (from, to, kind) => {
    const bend = Math.max(24, Math.abs(from.y - to.y) * 0.45);
    return svg("path", { class: kind, d: `M${from.x},${from.y}C${from.x},${from.y - bend} ${to.x},${to.y + bend} ${to.x},${to.y}` });
  };
  const box = (x, y, words, kind, boxWidth = BOX.width) => [
    svg("rect", { class: kind, x: x - boxWidth / 2, y: y - BOX.height / 2, width: boxWidth, height: BOX.height, rx: 7 }),
    svg("text", { x, y: y + 4.5, "text-anchor": "middle" }, words),
  ];
  const inputs = ["previous cell", "cell before that"];
  inputs.forEach((words, state) => nodes.append(...box(places[state].x, places[state].y, words, "input", 124)));
  cell.blocks.forEach(([leftName, left, rightName, right], index) => {
    const { x, y } = places[index + 2];
    const branches = [[leftName, left, x - BOX.width / 2 - 4], [rightName, right, x + BOX.width / 2 + 4]];
    for (const [operation, state, branchX] of branches) {
      const from = { x: places[state].x, y: places[state].y - (state < 2 ? BOX.height / 2 : 46) };
      edges.append(curve(from, { x: branchX, y: y + BOX.height / 2 }, "edge"));
      edges.append(curve({ x: branchX, y: y - BOX.height / 2 }, { x, y: y - 26 }, "edge near"));
      nodes.append(...box(branchX, y, nameOf(operation), operation.split("_")[0]));
    }
    nodes.append(svg("circle", { class: "add", cx: x, cy: y - 36, r: 10 }), svg("text", { x, y: y - 31.5, "text-anchor": "middle", class: "plus" }, "+"));
  });
  const out = { x: width / 2, y: 26 };
  nodes.append(...box(out.x, out.y, "concatenate", "output", Math.min(width - 2 * MARGIN, 320)));
  for (const state of cell.output) {
    const from = { x: places[state].x, y: places[state].y - (state < 2 ? BOX.height / 2 : 46) };
    edges.append(curve(from, { x: out.x + (from.x - out.x) * 0.35, y: out.y + BOX.height / 2 }, "edge faint"));
  }
  const drawing = svg("svg", { viewBox: `0 0 ${width} ${height}`, class: "cell", role: "img", "aria-label": words(cell, title) }, edges, nodes);
  drawing.style.maxWidth = `${width}px`;
  return el("figure", { class: "cell-figure" }, drawing, el("figcaption", {}, title));
}

function words(cell, title) {
  const lines = cell.blocks.map(([left, leftState, right, rightState], index) => `state ${index + 2} is ${nameOf(left)} of state ${leftState} plus ${nameOf(right)} of state ${rightState}`);
  return `${title}: ${lines.join("; ")}; the output joins states ${cell.output.join(", ")}`;
}
