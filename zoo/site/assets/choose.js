// The page of three questions.

import { choose, COST_WORDS } from "./chooser.js";
import { codeBlock } from "./copy.js";
import { el, fail, find } from "./dom.js";
import { parseQuantity } from "./format.js";
import { compareAddress, modelAddress } from "./links.js";
import { loadRows } from "./rows.js";

// Rules of thumb; the limits are shown and can be changed. 600 M multiply-adds is what papers call the mobile setting.
const DEVICES = [
  { name: "Anywhere", about: "no limit", limits: {} },
  { name: "Phone", about: "the mobile setting of the papers", limits: { multiply_adds: "600M", parameters: "10M" } },
  { name: "Laptop or small server", about: "some images a second on a few cores", limits: { multiply_adds: "5G", parameters: "60M" } },
  { name: "One GPU", about: "many images at once", limits: { multiply_adds: "20G" } },
];
const LICENSES = [
  { name: "Anything", about: "looking and measuring", patterns: "" },
  { name: "Commercial use", about: "and the license is stated", patterns: "commercial" },
  { name: "Not forbidden", about: "commercial use, or no license is stated", patterns: "commercial,none" },
];
const LIMITS = ["multiply_adds", "parameters", "size", "top5_error", "p50"];
const TEXTS = [...LIMITS, "license"];
const OPTIONS = { multiply_adds: "--max-multiply-adds", parameters: "--max-parameters", size: "--max-size", top5_error: "--max-top5-error" };
const MOST_COMPARED = 6;

class Page {
  constructor(rows) {
    this.rows = rows;
    this.hasMeasured = Boolean(rows.column("p50"));
    find("p50-label").hidden = !this.hasMeasured;
    this.offerCosts();
    this.offerTasks();
    this.offer("devices", DEVICES, (device) => this.takeDevice(device));
    this.offer("licenses", LICENSES, ({ patterns }) => this.set("license", patterns));
    const typed = TEXTS.map((id) => [id, find(id).value]).filter(([, text]) => text !== "");
    this.read();
    for (const [id, text] of typed) this.set(id, text); // before the rows were here
    const form = find("questions");
    form.addEventListener("input", () => this.change());
    addEventListener("popstate", () => {
      this.read();
      this.draw();
    });
    if (typed.length > 0) this.change();
    else this.draw();
  }

  offerCosts() {
    const costs = Object.keys(COST_WORDS).filter((cost) => cost !== "p50" || this.hasMeasured);
    const words = { multiply_adds: "multiply-adds", parameters: "parameters", size: "download", p50: "latency (measured)" };
    find("cost").append(...costs.sort((one, other) => (other === "multiply_adds") - (one === "multiply_adds")).map((cost) => el("option", { value: cost }, words[cost])));
  }

  offerTasks() {
    find("task").append(...this.rows.column("task").choices.map((task) => el("option", { value: task }, task)));
  }

  offer(place, options, onChoose) {
    const cards = options.map((option) => el("button", { type: "button", class: "option", "aria-pressed": "false", on: { click: () => {
      onChoose(option);
      this.change();
    } } }, el("strong", {}, option.name), el("span", { class: "soft small" }, option.about)));
    find(place).append(...cards);
  }

  takeDevice({ limits }) {
    for (const key of LIMITS) if (key !== "top5_error") this.set(key, limits[key] ?? "");
  }

  set(id, text) {
    find(id).value = text;
  }

  read() {
    const parameters = new URLSearchParams(location.search);
    for (const key of TEXTS) this.set(key, parameters.get(key) ?? "");
    const has = (list, value) => [...list.options].some((option) => option.value === value);
    const cost = parameters.get("cost");
    const task = parameters.get("task");
    find("cost").value = has(find("cost"), cost) ? cost : "multiply_adds";
    find("task").value = has(find("task"), task) ? task : "classification";
  }

  /** The limits as numbers; what cannot be read is marked, and limits nothing. */
  get limits() {
    const limits = { task: find("task").value, license: find("license").value.trim() };
    for (const key of LIMITS) {
      const input = find(key);
      const text = input.value.trim();
      const value = text === "" ? null : parseQuantity(text);
      input.setAttribute("aria-invalid", String(text !== "" && value === null));
      if (value !== null) limits[key] = value;
    }
    return limits;
  }

  change() {
    const parameters = new URLSearchParams();
    for (const key of TEXTS) if (find(key).value.trim() !== "") parameters.set(key, find(key).value.trim());
    if (find("cost").value !== "multiply_adds") parameters.set("cost", find("cost").value);
    if (find("task").value !== "classification") parameters.set("task", find("task").value);
    const query = parameters.toString();
    history.replaceState(null, "", query ? `?${query}` : location.pathname);
    this.draw();
  }

  draw() {
    const { limits } = this;
    const cost = find("cost").value;
    const { places, fitting, considered } = choose(this.rows, limits, cost);
    this.mark();
    find("answer").textContent = this.sentence(limits, places, fitting, considered);
    find("places").replaceChildren(...places.map((place) => this.card(place)));
    const title = el("h2", {}, "The same on the command line");
    const specs = places.slice(0, MOST_COMPARED).map(({ row }) => this.rows.spec(row));
    const compare = specs.length > 1 && el("p", {}, el("a", { class: "button", href: compareAddress(specs) }, specs.length < places.length ? `Compare the first ${specs.length}` : "Compare them"));
    find("take").replaceChildren(...[compare, title, codeBlock(this.command(limits, cost))].filter(Boolean));
  }

  /** Show which answers the limits are. */
  mark() {
    const is = (id, text) => find(id).value.trim() === (text ?? "");
    [...find("devices").children].forEach((card, place) => {
      const { limits } = DEVICES[place];
      const isChosen = ["multiply_adds", "parameters", "size", "p50"].every((key) => is(key, limits[key]));
      card.setAttribute("aria-pressed", String(isChosen));
    });
    [...find("licenses").children].forEach((card, place) => card.setAttribute("aria-pressed", String(is("license", LICENSES[place].patterns))));
  }

  sentence(limits, places, fitting, considered) {
    if (considered.length === 0) return `No model for ${limits.task} has a published top-5 error on ImageNet, so none can be weighed: look at the table instead.`;
    if (places.length === 0) return `None of ${considered.length} sets of weights is within these limits: loosen one.`;
    return `${places.length} on the front of ${fitting.length} that fit, of ${considered.length} considered.`;
  }

  card({ row, reason }) {
    const { rows } = this;
    const keys = ["top5_error", "multiply_adds", "parameters", "size", "p50", "license", "year"];
    const columns = keys.map((key) => rows.column(key)).filter(Boolean);
    const figures = columns.map((column) => el("div", {}, el("dt", {}, column.title, column.measured && el("span", { class: "badge measured" }, "measured")), el("dd", {}, rows.shown(column, row))));
    return el("article", { class: "place" }, el("h2", {}, el("a", { href: modelAddress(rows, row) }, rows.spec(row))), el("dl", {}, figures), el("p", {}, reason));
  }

  command(limits, cost) {
    const words = ["zoo choose"];
    for (const [key, option] of Object.entries(OPTIONS)) if (limits[key] !== undefined) words.push(`${option} ${find(key).value.trim()}`);
    if (limits.license) words.push(`--license '${limits.license.replaceAll("'", "")}'`);
    if (limits.task !== "classification") words.push(`--task ${limits.task}`);
    if (limits.p50 !== undefined) words.push(`--latency 'p50<${limits.p50}ms'`);
    if (limits.p50 !== undefined || cost === "p50") words.push("--bench RESULTS");
    const names = { multiply_adds: "multiply-adds", parameters: "parameters", size: "size", p50: "latency" };
    if (cost !== "multiply_adds" || words.includes("--bench RESULTS")) words.push(`--cost ${names[cost]}`);
    return words.join(" ");
  }
}

try {
  new Page(await loadRows());
} catch (error) {
  fail(error);
  throw error;
}
