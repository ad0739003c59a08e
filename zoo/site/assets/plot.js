// The plot page: error against cost for what the filters leave, with the front of exactly that.

import { Browse } from "./browse.js";
import { el, fail, find } from "./dom.js";
import { show, whole } from "./format.js";
import { modelAddress } from "./links.js";
import { loadRows } from "./rows.js";
import { saveSvg, savePng } from "./save.js";
import { drawScatter, groupBy, isLog, titleOf } from "./scatter.js";
import { front } from "./select.js";

const COSTS = ["multiply_adds", "parameters", "size", "activations", "year", "p50", "p90", "p99", "memory"];
const ERRORS = ["top1_error", "top5_error"];
const GROUPS = ["source", "license_group", "family", "task", "dataset", "measured"];
const REACH = 26; // pixels from the pointer within which a point is meant
const ZOOM_STEP = 1.5;
const SMALLEST_HEIGHT = 340;

class Page extends Browse {
  constructor(rows) {
    super(rows);
    this.region = find("plot-region");
    this.tip = find("tip");
    this.others = this.state.others;
    this.offer("x", COSTS, "multiply_adds");
    this.offer("y", ERRORS, "top1_error");
    this.offer("colors", GROUPS, "source");
    this.draw();
    this.listenToPlot();
  }

  /** Fill a list of columns, of those that this site has. */
  offer(name, keys, usual) {
    const list = find(name);
    const known = keys.map((key) => this.rows.column(key)).filter((column) => column && (name !== "colors" || column.choices.length > 1));
    list.append(...known.map((column) => el("option", { value: column.key }, name === "colors" ? column.title : titleOf(column))));
    const given = this.others.get(name);
    list.value = known.some((column) => column.key === given) ? given : (known.find((column) => column.key === usual) ?? known[0])?.key;
    list.addEventListener("change", () => {
      if (list.value === usual) this.others.delete(name);
      else this.others.set(name, list.value);
      if (name !== "colors") this.zoom = null;
      this.change();
    });
  }

  /** The part of the plane that is shown; null for all of it. */
  get zoom() {
    const ends = (this.others.get("zoom") ?? "").split(",").map(Number);
    const isWhole = ends.length !== 4 || ends.some((end) => !Number.isFinite(end)) || ends[0] >= ends[1] || ends[2] >= ends[3];
    const isWrong = (isLog(this.x) && ends[0] <= 0) || (isLog(this.y) && ends[2] <= 0);
    return isWhole || isWrong ? null : { x: ends.slice(0, 2), y: ends.slice(2) };
  }

  set zoom(part) {
    if (part === null) this.others.delete("zoom");
    else this.others.set("zoom", [...part.x, ...part.y].map((end) => Number(end.toPrecision(5))).join(","));
  }

  get x() {
    return this.rows.column(find("x").value);
  }

  get y() {
    return this.rows.column(find("y").value);
  }

  show(ids) {
    const { rows, x, y } = this;
    const known = ids.filter((row) => x.values[row] !== null && y.values[row] !== null && (x.values[row] > 0 || !isLog(x)) && (y.values[row] > 0 || !isLog(y)));
    this.frontIds = front(rows, known, x.key, y.key);
    this.known = known;
    const width = Math.max(this.region.clientWidth, 280);
    const height = Math.max(this.region.clientHeight, SMALLEST_HEIGHT);
    const groups = groupBy(rows.column(find("colors").value), known);
    this.plot = drawScatter({ rows, ids: known, frontIds: this.frontIds, x, y, width, height, zoom: this.zoom, groups, ink: ink() });
    this.region.replaceChildren(this.plot.drawing, this.tip);
    this.tip.hidden = true;
    find("zoom-reset").hidden = this.zoom === null;
    this.note(ids);
    this.listFront();
  }

  note(ids) {
    const { x, y, known, frontIds } = this;
    const missing = ids.length - known.length;
    const left = missing > 0 ? ` ${whole(missing)} have no ${[x.title, y.title].join(" or no ")} and are not shown.` : "";
    const sources = x.measured ? " Latency and memory were measured with zoo bench; errors are their publishers'." : "";
    find("plot-note").textContent = `${whole(known.length)} sets of weights, ${frontIds.length} on the front.${left}${sources} Drag to move; the wheel zooms with Ctrl, or once you are in the plot.`;
  }

  /** The front in words, also for those who do not see the drawing. */
  listFront() {
    const { rows, x, y } = this;
    const head = el("thead", {}, el("tr", {}, ["model", titleOf(x), titleOf(y), "license"].map((title, place) => el("th", { scope: "col", class: place === 1 || place === 2 ? "number" : null }, title))));
    const lines = this.frontIds.map((row) =>
      el(
        "tr",
        {},
        el("th", { scope: "row" }, el("a", { href: modelAddress(rows, row) }, rows.spec(row))),
        el("td", { class: "number" }, show(x.kind, x.at(row))),
        el("td", { class: "number" }, show(y.kind, y.at(row))),
        el("td", {}, show("choice", rows.get("license", row))),
      ),
    );
    find("front").replaceChildren(head, el("tbody", {}, lines));
  }

  listenToPlot() {
    const { region } = this;
    region.addEventListener("pointermove", (event) => this.onMove(event));
    region.addEventListener("pointerleave", () => (this.tip.hidden = true));
    region.addEventListener("pointerdown", (event) => this.onDown(event));
    region.addEventListener("pointerup", (event) => this.onUp(event));
    region.addEventListener("pointercancel", () => (this.drag = null));
    region.addEventListener("dblclick", () => this.showWhole());
    region.addEventListener("wheel", (event) => this.onWheel(event), { passive: false });
    region.addEventListener("keydown", (event) => this.onKey(event));
    find("zoom-in").addEventListener("click", () => this.zoomBy(1 / ZOOM_STEP));
    find("zoom-out").addEventListener("click", () => this.zoomBy(ZOOM_STEP));
    find("zoom-reset").addEventListener("click", () => this.showWhole());
    find("save-svg").addEventListener("click", () => saveSvg(this.plot.drawing, this.fileName));
    find("save-png").addEventListener("click", () => savePng(this.plot.drawing, this.fileName));
    new ResizeObserver(() => requestAnimationFrame(() => this.redrawIfResized())).observe(region);
    new MutationObserver(() => this.draw()).observe(document.documentElement, { attributeFilter: ["data-theme"] });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  get fileName() {
    return `zoo-${this.y.key}-${this.x.key}`;
  }

  redrawIfResized() {
    const isSame = Math.abs(this.region.clientWidth - this.plot.drawing.getAttribute("width")) < 2;
    if (!isSame) this.draw();
  }

  at(event) {
    const area = this.region.getBoundingClientRect();
    return [event.clientX - area.left, event.clientY - area.top];
  }

  nearest([left, top]) {
    let [found, least] = [null, REACH];
    for (const point of this.plot.points) {
      const distance = Math.hypot(point.px - left, point.py - top);
      if (distance < least) [found, least] = [point, distance];
    }
    return found;
  }

  onMove(event) {
    if (this.drag) this.onDrag(event);
    else this.point(this.nearest(this.at(event)));
  }

  /** Show what a point is. */
  point(point) {
    this.pointed = point;
    this.tip.hidden = !point;
    this.region.classList.toggle("pointing", Boolean(point));
    if (!point) return;
    const { rows, tip } = this;
    const keys = [...new Set([this.x.key, this.y.key, "top1_error", "top5_error", "parameters", "multiply_adds", "size", "license", "year"])];
    const lines = keys.map((key) => rows.column(key)).map((column) => [column.measured ? `${column.title} (measured)` : column.title, show(column.kind, column.at(point.row))]);
    tip.replaceChildren(el("strong", {}, rows.spec(point.row)), el("dl", {}, lines.map(([name, value]) => [el("dt", {}, name), el("dd", {}, value)])));
    const { clientWidth, clientHeight } = this.region;
    const left = point.px + 14 + tip.offsetWidth > clientWidth ? point.px - tip.offsetWidth - 14 : point.px + 14;
    const top = Math.min(point.py + 12, clientHeight - tip.offsetHeight - 4);
    tip.style.left = `${Math.max(left, 2)}px`;
    tip.style.top = `${Math.max(top, 2)}px`;
  }

  onDown(event) {
    if (event.button !== 0) return;
    this.drag = { from: this.at(event), x: this.ends("xAxis"), y: this.ends("yAxis"), isMoved: false };
    this.region.setPointerCapture(event.pointerId);
  }

  onDrag(event) {
    const [left, top] = this.at(event);
    const { drag } = this;
    const [dx, dy] = [left - drag.from[0], top - drag.from[1]];
    if (!drag.isMoved && Math.hypot(dx, dy) < 5) return;
    drag.isMoved = true;
    const { xAxis, yAxis } = this.plot;
    this.zoom = { x: shift(xAxis, drag.x, dx), y: shift(yAxis, drag.y, dy) };
    this.change();
  }

  onUp(event) {
    const { drag } = this;
    this.drag = null;
    if (!drag || drag.isMoved) return;
    const point = this.nearest(this.at(event));
    const wasShown = this.pointed?.row === point?.row;
    // A finger has no hover: its first touch shows what a point is, the second opens it.
    if (point && (event.pointerType === "mouse" || wasShown)) location.href = modelAddress(this.rows, point.row);
    else this.point(point);
  }

  ends(name) {
    return [this.plot[name].low, this.plot[name].high];
  }

  /** Zoom where the user is in the plot; elsewhere the wheel scrolls the page. */
  onWheel(event) {
    if (document.activeElement !== this.region && !event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    this.zoomBy(event.deltaY > 0 ? 1.2 : 1 / 1.2, this.at(event));
  }

  /** Show more (factor above 1) or less around a place, by default the middle. */
  zoomBy(factor, at) {
    const { xAxis, yAxis, box } = this.plot;
    const [left, top] = at ?? [(box.left + box.right) / 2, (box.top + box.bottom) / 2];
    this.zoom = { x: scaled(xAxis, left, factor), y: scaled(yAxis, top, factor) };
    this.change();
  }

  showWhole() {
    this.zoom = null;
    this.change();
  }

  onKey(event) {
    const steps = { ArrowRight: 1, ArrowLeft: -1 };
    if (event.key in steps) {
      const places = this.frontIds;
      const now = places.indexOf(this.pointed?.row);
      const next = now < 0 ? 0 : Math.min(Math.max(now + steps[event.key], 0), places.length - 1);
      this.point(this.plot.points.find((point) => point.row === places[next]));
    } else if (event.key === "Enter" && this.pointed) location.href = modelAddress(this.rows, this.pointed.row);
    else if (event.key === "c" && this.pointed) this.compare(this.rows.spec(this.pointed.row));
    else if (event.key === "+") this.zoomBy(1 / ZOOM_STEP);
    else if (event.key === "-") this.zoomBy(ZOOM_STEP);
    else if (event.key === "0") this.showWhole();
    else if (event.key === "Escape") this.point(null);
    else return;
    event.preventDefault();
  }
}

/** The ends of an axis after so many pixels of dragging. */
function shift(axis, [low, high], pixels) {
  const share = pixels / (axis.to - axis.from);
  if (!axis.isLog) return [low, high].map((end) => end - share * (high - low));
  return [low, high].map((end) => end * (low / high) ** share);
}

/** The ends of an axis scaled around a pixel. */
function scaled(axis, pixel, factor) {
  const around = axis.value(pixel);
  if (!axis.isLog) return [axis.low, axis.high].map((end) => around + (end - around) * factor);
  return [axis.low, axis.high].map((end) => around * (end / around) ** factor);
}

/** The colors of the page, as a drawing that leaves it needs them. */
function ink() {
  const probe = find("tip");
  const of = (name) => {
    probe.style.color = `var(--${name})`;
    const color = getComputedStyle(probe).color;
    probe.style.color = "";
    return color;
  };
  const surface = of("surface");
  const [red] = surface.match(/\d+/g).map(Number);
  return { surface, ink: of("ink"), soft: of("soft"), line: of("line"), front: of("front"), isDark: red < 100 };
}

try {
  new Page(await loadRows());
} catch (error) {
  fail(error);
  throw error;
}
