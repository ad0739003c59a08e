// Up to six models side by side, the best of each line marked.

import { codeBlock } from "./copy.js";
import { el, fail, find } from "./dom.js";
import { modelAddress } from "./links.js";
import { loadRows } from "./rows.js";
import { readState, writeState } from "./state.js";

const SMALLER_IS_BETTER = ["parameters", "multiply_adds", "activations", "size", "top1_error", "top5_error", "p50", "p90", "p99", "memory"];
const LEFT_OUT = ["name", "license_group"];
const LARGEST = 6;
const SUGGESTED = ["resnet50", "efficientnet_b3", "convnext_tiny"];

/** Tell which rows are best: nothing is where fewer than two values are known or all are equal. */
export function bestOf(rows, ids, key) {
  const values = ids.map((row) => rows.get(key, row));
  const known = values.filter((value) => typeof value === "number");
  const isFigure = rows.column(key)?.figure;
  if (!(isFigure || SMALLER_IS_BETTER.includes(key)) || new Set(known).size < 2) return ids.map(() => false);
  const best = isFigure ? Math.max(...known) : Math.min(...known);
  return values.map((value) => value === best);
}

class Page {
  constructor(rows) {
    this.rows = rows;
    this.state = readState(location.search, rows);
    const specs = Array.from({ length: rows.count }, (_, row) => rows.spec(row));
    find("specs").append(...specs.map((spec) => el("option", { value: spec })));
    find("add").addEventListener("submit", () => this.add(find("spec").value.trim()));
    find("differences").addEventListener("change", () => this.draw());
    addEventListener("popstate", () => {
      this.state = readState(location.search, rows);
      this.draw();
    });
    this.draw();
  }

  add(spec) {
    const said = find("add-said");
    if (spec === "") return;
    if (this.rows.find(spec) === undefined) said.textContent = `no model is called ${spec}`;
    else if (this.state.compared.includes(spec)) said.textContent = `${spec} is there already`;
    else if (!this.state.toggleCompared(spec)) said.textContent = `${LARGEST} at most: take one out first`;
    else {
      said.textContent = "";
      find("spec").value = "";
      this.change();
    }
  }

  change() {
    history.replaceState(null, "", writeState(this.state) || location.pathname);
    this.draw();
  }

  draw() {
    const { rows } = this;
    const ids = this.state.compared.map((spec) => rows.find(spec));
    const hasSome = ids.length > 0;
    find("sides").replaceChildren(hasSome ? this.table(ids) : this.empty());
    const command = ids.length > 1 ? [el("h2", {}, "The same on the command line"), codeBlock(`zoo compare ${this.state.compared.join(" ")}`)] : [];
    find("take").replaceChildren(...command);
  }

  empty() {
    const known = SUGGESTED.filter((spec) => this.rows.find(spec) !== undefined);
    const show = () => {
      this.state.compared = known;
      this.change();
    };
    const example = known.length > 1 && el("button", { type: "button", class: "link", on: { click: show } }, known.join(", "));
    return el("p", {}, "Add models here, or check them in the ", el("a", { href: "index.html" }, "table"), ". ", example && ["For example: ", example]);
  }

  table(ids) {
    const { rows } = this;
    const heads = ids.map((row, place) => {
      const spec = this.state.compared[place];
      const remove = () => {
        this.state.toggleCompared(spec);
        this.change();
      };
      return el("th", { scope: "col" }, el("a", { href: modelAddress(rows, row) }, spec), el("button", { type: "button", class: "remove", "aria-label": `Take ${spec} out`, on: { click: remove } }, "×"));
    });
    const onlyDifferent = find("differences").checked;
    const lines = rows.columns.filter((column) => !LEFT_OUT.includes(column.key)).map((column) => this.line(column, ids, onlyDifferent));
    return el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Comparison, scrolls" }, el("table", { class: "plain-table sides" }, el("thead", {}, el("tr", {}, el("th", { scope: "col" }, el("span", { class: "unseen" }, "property")), heads)), el("tbody", {}, lines)));
  }

  line(column, ids, onlyDifferent) {
    const shown = ids.map((row) => this.rows.shown(column, row));
    const isKnown = shown.some((text) => text !== "-");
    const isDifferent = new Set(shown).size > 1;
    if (!isKnown || (onlyDifferent && !isDifferent && ids.length > 1)) return null;
    const best = bestOf(this.rows, ids, column.key);
    const most = Math.max(...ids.map((row) => (column.isNumber ? (column.values[row] ?? 0) : 0)));
    const cells = ids.map((row, place) => {
      const mark = best[place] && el("span", { class: "badge best" }, "best");
      return el("td", { class: [column.isNumber ? "number" : "", best[place] ? "best" : ""].join(" ").trim() || null }, mark, shown[place], bar(column, row, most));
    });
    return el("tr", {}, el("th", { scope: "row" }, column.title, column.measured && el("span", { class: "badge measured" }, "measured")), cells);
  }
}

/** A bar as long as the figure's part of the largest. */
function bar(column, row, most) {
  if (!SMALLER_IS_BETTER.includes(column.key) || !most || column.values[row] === null) return null;
  const inner = el("span", { class: "share" });
  inner.style.width = `${(100 * column.values[row]) / most}%`;
  return el("span", { class: "track", "aria-hidden": "true" }, inner);
}

if (find("sides")) {
  try {
    new Page(await loadRows());
  } catch (error) {
    fail(error);
    throw error;
  }
}
