// The table: only the rows in view are in the document, so that 8,000 models scroll like 80.

import { el, find } from "./dom.js";

const SPARE_ROWS = 8; // above and below what is in view
const WIDTHS = { text: 224, count: 100, size: 88, percent: 88, number: 92, year: 66, flag: 88 };
const CHECK_WIDTH = 42;

export class Table {
  constructor({ rows, onSort, onCompare, hrefOf }) {
    Object.assign(this, { rows, onSort, onCompare, hrefOf });
    this.region = find("table-region");
    this.table = find("table");
    this.groups = el("colgroup");
    this.head = el("thead");
    this.body = el("tbody");
    this.table.append(this.groups, this.head, this.body);
    this.above = spacer();
    this.below = spacer();
    this.ids = [];
    this.columns = [];
    this.current = 0;
    this.rowHeight = 0;
    this.region.addEventListener("scroll", () => this.drawSoon(), { passive: true });
    addEventListener("resize", () => this.drawSoon());
    // A page that is printed has every row.
    addEventListener("beforeprint", () => this.draw(true));
    addEventListener("afterprint", () => this.draw());
    this.region.addEventListener("keydown", (event) => this.onKey(event));
  }

  update({ ids, columns, sort, compared }) {
    const isSameHead = columns === this.columns && sort === this.sort;
    const isSameList = ids === this.ids;
    Object.assign(this, { ids, columns, sort, compared: new Set(compared) });
    if (!isSameHead) this.drawHead();
    if (!isSameList) {
      this.region.scrollTop = 0;
      this.current = 0;
    }
    this.table.setAttribute("aria-rowcount", ids.length + 1);
    this.draw();
  }

  drawHead() {
    const widths = this.columns.map(widthOf);
    const total = widths.reduce((sum, width) => sum + width, CHECK_WIDTH);
    this.table.style.minWidth = `${total}px`;
    this.groups.replaceChildren(...[CHECK_WIDTH, ...widths].map((width) => sized(el("col"), width)));
    const cells = this.columns.map((column) => this.headCell(column));
    const check = el("th", { scope: "col", class: "check" }, el("span", { class: "unseen" }, "Compare"));
    this.head.replaceChildren(el("tr", { "aria-rowindex": 1 }, check, ...cells));
  }

  headCell(column) {
    const place = this.sort.findIndex((entry) => entry.key === column.key);
    const entry = this.sort[place];
    const direction = entry ? (entry.isDescending ? "descending" : "ascending") : null;
    const arrow = entry ? (entry.isDescending ? "▾" : "▴") : "";
    const rank = this.sort.length > 1 && entry ? String(place + 1) : "";
    const button = el(
      "button",
      { type: "button", title: titleOf(column), "data-key": column.key, on: { click: (event) => this.onSort(column, event.shiftKey) } },
      column.title,
      el("span", { class: "arrow", "aria-hidden": "true" }, arrow, rank && el("sub", {}, rank)),
    );
    const classes = [column.isNumber ? "number" : "", column.measured ? "measured" : ""].join(" ").trim();
    return el("th", { scope: "col", class: classes || null, "aria-sort": place === 0 ? direction : null }, button);
  }

  drawSoon() {
    if (this.isWaiting) return;
    this.isWaiting = true;
    requestAnimationFrame(() => {
      this.isWaiting = false;
      this.draw();
    });
  }

  /** Put the rows in view into the document, between two spacers as high as the rest. */
  draw(isWhole = false) {
    this.rowHeight ||= this.measureRow();
    const { scrollTop, clientHeight } = this.region;
    const first = isWhole ? 0 : Math.max(0, Math.floor(scrollTop / this.rowHeight) - SPARE_ROWS);
    const shown = Math.ceil(clientHeight / this.rowHeight) + 2 * SPARE_ROWS;
    const last = isWhole ? this.ids.length : Math.min(this.ids.length, first + shown);
    const focused = document.activeElement?.closest?.("#table tbody tr")?.getAttribute("aria-rowindex");
    const lines = this.ids.slice(first, last).map((row, place) => this.line(row, first + place));
    this.above.firstChild.style.height = `${first * this.rowHeight}px`;
    this.below.firstChild.style.height = `${(this.ids.length - last) * this.rowHeight}px`;
    this.body.replaceChildren(this.above, ...lines, this.below);
    if (focused) this.linkOf(focused - 2)?.focus({ preventScroll: true });
  }

  measureRow() {
    if (this.ids.length === 0) return 0;
    this.body.replaceChildren(this.line(this.ids[0], 0));
    return this.body.firstChild.getBoundingClientRect().height;
  }

  line(row, place) {
    const spec = this.rows.spec(row);
    const isCompared = this.compared.has(spec);
    const check = el("input", {
      type: "checkbox",
      "aria-label": `Compare ${spec}`,
      checked: isCompared,
      tabindex: place === this.current ? 0 : -1,
      on: { change: (event) => this.compare(spec, event.target) },
    });
    const cells = this.columns.map((column) => this.cell(column, row, place));
    const line = el("tr", { "aria-rowindex": place + 2, class: isCompared ? "compared" : null });
    line.append(el("td", { class: "check" }, check), ...cells);
    return line;
  }

  cell(column, row, place) {
    const shown = this.rows.shown(column, row);
    if (column.key === "name") {
      const attributes = { href: this.hrefOf(row), tabindex: place === this.current ? 0 : -1 };
      const [, prefix, bare] = /^(.*\/)?(.*)$/.exec(shown);
      return el("th", { scope: "row", title: shown }, el("a", attributes, prefix && el("span", { class: "prefix" }, prefix), bare));
    }
    const classes = column.isNumber ? "number" : null;
    return el("td", { class: classes, title: column.isNumber ? null : shown }, shown);
  }

  compare(spec, box) {
    if (!this.onCompare(spec)) box.checked = false;
  }

  linkOf(place) {
    return this.body.querySelector(`tr[aria-rowindex="${place + 2}"] a`);
  }

  onKey(event) {
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: 15, PageUp: -15, Home: -Infinity, End: Infinity };
    if (event.altKey || event.ctrlKey || event.metaKey || this.ids.length === 0) return;
    if (event.key in steps) {
      const isInside = this.body.contains(document.activeElement);
      const next = isInside ? this.current + steps[event.key] : this.current;
      event.preventDefault();
      this.goTo(Math.min(Math.max(next, 0), this.ids.length - 1));
    } else if (event.key === "c" && this.body.contains(document.activeElement)) {
      this.onCompare(this.rows.spec(this.ids[this.current]));
    }
  }

  /** Move the focus to a row, scrolling as little as brings it into view. */
  goTo(place) {
    this.current = place;
    const headHeight = this.head.getBoundingClientRect().height;
    const top = place * this.rowHeight;
    const { scrollTop, clientHeight } = this.region;
    if (top < scrollTop) this.region.scrollTop = top;
    const bottom = top + this.rowHeight + headHeight;
    if (bottom > scrollTop + clientHeight) this.region.scrollTop = bottom - clientHeight;
    this.draw();
    this.linkOf(place)?.focus({ preventScroll: true });
  }
}

const spacer = () => el("tr", { class: "spacer", "aria-hidden": "true" }, el("td"));

function sized(element, width) {
  element.style.width = `${width}px`;
  return element;
}

function widthOf(column) {
  const heading = column.title.length * 7.2 + 34;
  if (column.key === "name") return Math.max(WIDTHS.text, Math.min(innerWidth * 0.24, 330));
  if (column.kind !== "choice") return Math.max(WIDTHS[column.kind], heading);
  const longest = column.choices.reduce((most, choice) => Math.max(most, choice.length), 0);
  return Math.max(Math.min(longest * 7.2 + 22, 156), heading);
}

function titleOf(column) {
  const origin = column.measured ? "Measured with zoo bench. " : "";
  return `${origin}${column.help ?? ""} Sort by ${column.title}; with Shift, after the columns before`.trim();
}
