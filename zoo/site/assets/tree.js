// The layers as a table that folds.

import { el } from "./dom.js";
import { count, shape } from "./format.js";

const UNFOLDED_ROWS = 24; // as many as fit beside what else a page says

export class Tree {
  constructor(root, name) {
    this.root = root;
    this.name = name;
    this.open = new Set();
    this.unfold(this.fittingDepth());
    this.body = el("tbody");
    const heads = ["layer", "type", "output", "parameters", "multiply-adds"].map((title, place) =>
      el("th", { scope: "col", class: place > 2 ? "number" : null }, title),
    );
    const table = el("table", { class: "layers", role: "treegrid", "aria-label": `Layers of ${name}` }, el("thead", {}, el("tr", {}, heads)), this.body);
    const buttons = el(
      "p",
      { class: "buttons" },
      el("button", { type: "button", class: "quiet", on: { click: () => this.show(Infinity) } }, "Unfold all"),
      el("button", { type: "button", class: "quiet", on: { click: () => this.show(1) } }, "Fold all"),
    );
    this.element = el("div", {}, buttons, el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Layers, scrolls" }, table));
    this.body.addEventListener("keydown", (event) => this.onKey(event));
    this.draw();
  }

  /** The greatest depth whose rows still fit. */
  fittingDepth() {
    let depth = 1;
    while (depth < 12 && countTo(this.root, depth + 1) <= UNFOLDED_ROWS) depth += 1;
    return depth;
  }

  unfold(depth) {
    this.open.clear();
    const visit = (node) => {
      if (node.depth >= depth || node.children.length === 0) return;
      this.open.add(node.place);
      node.children.forEach(visit);
    };
    visit(this.root);
  }

  show(depth) {
    this.unfold(depth);
    this.draw();
  }

  draw() {
    const lines = [];
    const visit = (node) => {
      lines.push(this.line(node));
      if (this.open.has(node.place)) node.children.forEach(visit);
    };
    visit(this.root);
    this.body.replaceChildren(...lines);
  }

  line(node) {
    const isOpen = this.open.has(node.place);
    const hasMore = node.children.length > 0;
    const name = node.depth === 0 ? this.name : node.name;
    const label = hasMore
      ? el("button", { type: "button", class: "fold", "aria-expanded": String(isOpen), on: { click: () => this.toggle(node) } }, name)
      : el("span", { class: "leaf" }, name);
    const first = el("th", { scope: "row" }, label);
    first.style.paddingLeft = `${node.depth * 1.15 + 0.4}rem`;
    return el(
      "tr",
      { "aria-level": node.depth + 1, "aria-expanded": hasMore ? String(isOpen) : null, "data-place": node.place },
      first,
      el("td", { class: "type", title: node.detail || null }, node.type, node.detail && el("span", { class: "soft detail" }, ` ${node.detail}`)),
      el("td", { class: "mono" }, shape(node.shape)),
      share(node.parameters, this.root.parameters),
      share(node.multiplyAdds, this.root.multiplyAdds),
    );
  }

  toggle(node) {
    if (!this.open.delete(node.place)) this.open.add(node.place);
    this.draw();
    this.body.querySelector(`tr[data-place="${node.place}"] button`)?.focus();
  }

  onKey(event) {
    const button = event.target.closest("button.fold");
    if (!button || !["ArrowRight", "ArrowLeft"].includes(event.key)) return;
    const isOpen = button.getAttribute("aria-expanded") === "true";
    if (isOpen === (event.key === "ArrowLeft")) button.click();
    event.preventDefault();
  }
}

function countTo(node, depth) {
  if (node.depth >= depth) return 1;
  return node.children.reduce((sum, child) => sum + countTo(child, depth), 1);
}

/** A figure with a bar as long as its share of the whole network. */
function share(part, whole) {
  const bar = el("span", { class: "share", "aria-hidden": "true" });
  const percent = whole ? (100 * (part ?? 0)) / whole : 0;
  bar.style.width = `${Math.max(percent, part ? 0.5 : 0)}%`;
  const title = part === null ? null : `${percent.toFixed(2)} % of the network`;
  return el("td", { class: "number bar-cell", title }, el("span", { class: "track" }, bar), el("span", {}, count(part)));
}
