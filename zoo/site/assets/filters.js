// The filters beside the table and the plot.

import { el, find } from "./dom.js";
import { parseRange, whole } from "./format.js";

const SHOWN_CHOICES = 12; // more than these have a search of their own
const EXAMPLES = { year: ["2012", "2016"], size: ["0", "100MB"], top1_error: ["0", "25"], top5_error: ["0", "8"], p50: ["0", "10"] };

export class Filters {
  constructor({ rows, state, onChange }) {
    Object.assign(this, { rows, state, onChange });
    this.counters = new Map(); // column -> its choices' rows
    this.inputs = new Map(); // column -> its two inputs
    this.boxes = new Map(); // column -> the yes and no boxes
    const form = find("filter-form");
    const ranges = rows.columns.filter((column) => column.filter === "range");
    const flags = rows.columns.filter((column) => column.filter === "flag");
    const choices = rows.columns.filter((column) => column.filter === "choices" && column.choices.length > 1);
    form.append(
      ...flags.map((column) => this.flagGroup(column)),
      ...choices.map((column) => this.choiceGroup(column)),
      el("fieldset", { class: "ranges" }, el("legend", {}, "From and to"), ...ranges.map((column) => this.rangeLine(column))),
    );
    const wide = matchMedia("(min-width: 62rem)");
    const unfold = () => (find("filters").open = wide.matches);
    wide.addEventListener("change", unfold);
    unfold();
  }

  choiceGroup(column) {
    const list = el("ul", { class: "choices" });
    const lines = column.choices.map((choice, place) => {
      const box = el("input", { type: "checkbox", value: choice, on: { change: () => this.choose(column, choice, box.checked) } });
      const number = el("span", { class: "number" });
      const line = el("li", {}, el("label", {}, box, el("span", { class: "choice", title: choice }, choice), number));
      return { line, box, number, choice, place };
    });
    list.append(...lines.map(({ line }) => line));
    this.counters.set(column.key, { list, lines });
    const search = column.choices.length > SHOWN_CHOICES && el("input", {
      type: "search",
      class: "narrow",
      placeholder: `${column.choices.length} to search`,
      "aria-label": `Search in ${column.title}`,
      on: { input: (event) => narrow(lines, event.target.value) },
    });
    return el("fieldset", { "data-key": column.key }, el("legend", {}, column.title), search, list);
  }

  choose(column, choice, isChosen) {
    this.state.toggleChoice(column.key, choice, isChosen);
    this.onChange();
  }

  rangeLine(column) {
    const [low, high] = EXAMPLES[column.key] ?? ["0", "10M"];
    const inputs = ["at least", "at most"].map((end, place) =>
      el("input", {
        type: "text",
        inputmode: "text",
        size: 6,
        "aria-label": `${column.title} ${end}`,
        placeholder: place === 0 ? low : high,
        on: { input: () => this.limit(column) },
      }),
    );
    this.inputs.set(column.key, inputs);
    const mark = column.measured && el("span", { class: "badge measured" }, "measured");
    return el("div", { class: "range", "data-key": column.key }, el("span", { class: "name" }, column.title, mark), inputs[0], el("span", { "aria-hidden": "true" }, "–"), inputs[1]);
  }

  limit(column) {
    const inputs = this.inputs.get(column.key);
    const texts = inputs.map((input) => input.value.trim());
    const ranges = texts.map((text) => (text === "" ? true : parseRange(text)));
    inputs.forEach((input, place) => input.setAttribute("aria-invalid", String(!ranges[place])));
    if (texts.every((text) => text === "")) this.state.ranges.delete(column.key);
    else if (ranges.every(Boolean)) this.state.ranges.set(column.key, texts.join(".."));
    this.onChange();
  }

  flagGroup(column) {
    const options = [["either", null], ["yes", true], ["no", false]];
    const boxes = options.map(([name, wanted]) => {
      const box = el("input", { type: "radio", name: column.key, value: name, on: { change: () => this.flag(column, wanted) } });
      return { name, box };
    });
    this.boxes.set(column.key, boxes);
    const labels = boxes.map(({ name, box }) => el("label", {}, box, name));
    return el("fieldset", { class: "flag", "data-key": column.key }, el("legend", {}, column.title), labels);
  }

  flag(column, wanted) {
    if (wanted === null) this.state.flags.delete(column.key);
    else this.state.flags.set(column.key, wanted);
    this.onChange();
  }

  /** Show what is chosen, and how many rows each choice would leave. */
  update(counts) {
    for (const [key, { list, lines }] of this.counters) {
      const chosen = this.state.choices.get(key) ?? new Set();
      const found = counts.get(key);
      for (const { line, box, number, choice, place } of lines) {
        box.checked = chosen.has(choice);
        number.textContent = whole(found[place]);
        line.classList.toggle("none", found[place] === 0 && !box.checked);
      }
      const wanted = [...lines].sort((one, other) => other.box.checked - one.box.checked || found[other.place] - found[one.place] || one.place - other.place);
      // Moving the box under the pointer or the focus would confuse; a list is ordered while nobody is in it.
      if (!list.matches(":hover, :focus-within")) list.append(...wanted.map(({ line }) => line));
    }
    for (const [key, inputs] of this.inputs) this.showRange(key, inputs);
    for (const [key, boxes] of this.boxes) {
      const wanted = this.state.flags.has(key) ? (this.state.flags.get(key) ? "yes" : "no") : "either";
      for (const { name, box } of boxes) box.checked = name === wanted;
    }
    find("filters-set").textContent = this.state.filterCount > 0 ? `(${this.state.filterCount})` : "";
  }

  showRange(key, inputs) {
    if (inputs.includes(document.activeElement)) return;
    const text = this.state.ranges.get(key) ?? "..";
    const ends = text.includes("..") ? text.split("..") : [text, text];
    inputs.forEach((input, place) => {
      if (input.getAttribute("aria-invalid") !== "true") input.value = ends[place];
    });
  }
}

function narrow(lines, text) {
  const part = text.trim().toLowerCase();
  for (const { line, choice } of lines) line.hidden = !choice.toLowerCase().includes(part);
}
