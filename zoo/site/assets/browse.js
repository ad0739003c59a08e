// What the table and the plot share: the search box, the filters, the address, and the models to compare.

import { el, find } from "./dom.js";
import { Filters } from "./filters.js";
import { whole } from "./format.js";
import { carryQuery, compareAddress } from "./links.js";
import { select } from "./select.js";
import { readState, writeState } from "./state.js";

export class Browse {
  constructor(rows) {
    this.rows = rows;
    this.state = readState(location.search, rows);
    this.filters = new Filters({ rows, state: this.state, onChange: () => this.change() });
    this.box = find("q");
    if (this.box.value !== "") {
      this.state.words = this.box.value; // typed before the rows were here
      this.writeAddress();
    }
    this.box.value = this.state.words;
    this.listen();
  }

  /** Rows in the order in which they are shown; a page may sort. */
  get ordered() {
    this.everyRow ??= Uint32Array.from({ length: this.rows.count }, (_, row) => row);
    return this.everyRow;
  }

  listen() {
    this.box.addEventListener("input", () => {
      this.state.words = this.box.value;
      this.change();
    });
    find("reset").addEventListener("click", () => this.reset());
    find("reset-nothing").addEventListener("click", () => this.reset());
    addEventListener("keydown", (event) => {
      const isTyping = event.target.closest?.("input, textarea, select");
      if (event.key !== "/" || isTyping) return;
      event.preventDefault();
      this.box.focus();
      this.box.select();
    });
    addEventListener("popstate", () => {
      Object.assign(this.state, readState(location.search, this.rows));
      this.box.value = this.state.words;
      this.draw();
    });
  }

  reset() {
    this.state.clearFilters();
    this.box.value = "";
    for (const input of document.querySelectorAll(".range input")) input.setAttribute("aria-invalid", "false");
    this.change();
    this.box.focus();
  }

  /** Write the address anew and draw. */
  change() {
    this.writeAddress();
    this.draw();
  }

  writeAddress() {
    history.replaceState(null, "", writeState(this.state) || location.pathname);
  }

  compare(spec) {
    const hadRoom = this.state.toggleCompared(spec);
    this.change();
    return hadRoom;
  }

  draw() {
    const started = performance.now();
    const { ids, counts } = select(this.rows, this.state, this.ordered);
    this.show(ids);
    this.filters.update(counts);
    find("count").textContent = sentence(this.rows, ids);
    find("nothing").hidden = ids.length > 0;
    find("reset").hidden = !this.state.hasFilters;
    this.showTray();
    carryQuery(this.state);
    // For whoever measures: what one change cost, layout included.
    void document.body.offsetHeight;
    const marks = document.documentElement.dataset;
    marks.drawnMs = (performance.now() - started).toFixed(2);
    marks.firstMs ??= performance.now().toFixed(0); // since the click
  }

  /** Show the models to compare at the foot of the page. */
  showTray() {
    const { compared } = this.state;
    const tray = find("tray");
    tray.hidden = compared.length === 0;
    const chips = compared.map((spec) => {
      const remove = () => this.compare(spec);
      return el("button", { type: "button", class: "chip", "aria-label": `Take ${spec} out`, on: { click: remove } }, spec, el("span", { "aria-hidden": "true" }, " ×"));
    });
    const go =
      compared.length > 1
        ? el("a", { class: "button", href: compareAddress(compared) }, `Compare ${compared.length}`)
        : el("span", { class: "hint" }, "choose one more to compare, six at most");
    tray.replaceChildren(...chips, go);
  }
}

function sentence(rows, ids) {
  const models = new Set(Array.from(ids, (row) => rows.models[row])).size;
  const weights = ids.filter((row) => rows.get("weights", row) !== null).length;
  const noun = models === 1 ? "model" : "models";
  return `${whole(models)} ${noun}${weights === models ? "" : `, ${whole(weights)} sets of weights`}`;
}
