// The table page: order and columns, beside what browse.js does.

import { Browse } from "./browse.js";
import { el, fail, find } from "./dom.js";
import { modelAddress } from "./links.js";
import { loadRows } from "./rows.js";
import { order } from "./select.js";
import { Table } from "./table.js";

const FIRST_ORDER = [{ key: "top1_error", isDescending: false }];
const NARROW_COLUMNS = ["name", "top1_error", "parameters", "size", "weights"];
const narrow = matchMedia("(max-width: 40rem)");

class Page extends Browse {
  constructor(rows) {
    super(rows);
    this.table = new Table({
      rows,
      hrefOf: (row) => modelAddress(rows, row),
      onSort: (column, isAdded) => this.sortBy(column, isAdded),
      onCompare: (spec) => this.compare(spec),
    });
    this.drawColumnMenu();
    this.draw();
  }

  listen() {
    super.listen();
    const menu = find("columns");
    addEventListener("keydown", (event) => {
      if (event.key === "Escape") menu.open = false;
    });
    addEventListener("click", (event) => {
      if (!menu.contains(event.target)) menu.open = false;
    });
    narrow.addEventListener("change", () => this.draw());
  }

  sortBy(column, isAdded) {
    if (this.state.sort.length === 0 && isAdded) this.state.sort = [...FIRST_ORDER];
    this.state.sortBy(column, isAdded);
    this.change();
  }

  get sort() {
    return this.state.sort.length > 0 ? this.state.sort : FIRST_ORDER;
  }

  get ordered() {
    const name = JSON.stringify(this.sort);
    if (this.orderName !== name) [this.orderName, this.order] = [name, order(this.rows, this.sort)];
    return this.order;
  }

  /** The columns of some rows: for models without errors, the figures of their task stand there. */
  columnsFor(ids) {
    const usual = this.rows.columns.filter((column) => column.usual).map((column) => column.key);
    let keys = this.state.columns ?? (narrow.matches ? NARROW_COLUMNS : usual);
    const errors = this.rows.column("top1_error");
    if (!this.state.columns && !ids.some((row) => errors.at(row) !== null)) {
      const figures = this.rows.figures(ids).map((column) => column.key);
      if (figures.length > 0) keys = keys.flatMap((key) => (key === "top1_error" ? figures : key === "top5_error" ? [] : key));
    }
    const wanted = keys.includes("name") ? keys : ["name", ...keys];
    return wanted.map((key) => this.rows.column(key)).filter(Boolean);
  }

  show(ids) {
    const columns = this.columnsFor(ids);
    this.table.update({ ids, columns, sort: this.sort, compared: this.state.compared });
    for (const box of find("column-form").elements) box.checked = columns.some((column) => column.key === box.value);
  }

  drawColumnMenu() {
    const boxes = this.rows.columns.map((column) => {
      const choose = () => this.chooseColumns();
      const box = el("input", { type: "checkbox", value: column.key, disabled: column.key === "name", on: { change: choose } });
      return el("label", {}, box, column.title, column.measured && el("span", { class: "badge measured" }, "measured"));
    });
    find("column-form").append(...boxes);
  }

  chooseColumns() {
    const boxes = [...find("column-form").elements].filter((box) => box.checked);
    this.state.columns = boxes.map((box) => box.value);
    this.change();
  }
}

try {
  const rows = await loadRows();
  new Page(rows);
  // The first key typed should not wait for this.
  const idle = globalThis.requestIdleCallback ?? setTimeout;
  idle(() => rows.haystacks);
} catch (error) {
  fail(error);
  throw error;
}
