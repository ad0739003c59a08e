// One model's page: its record, its weights, how to use them, and what is inside.

import { drawCell } from "./cells.js";
import { codeBlock, copyButton } from "./copy.js";
import { el, fail, find, outside } from "./dom.js";
import { count, percent, shape, show, size, whole } from "./format.js";
import { unpack } from "./layers.js";
import { modelAddress } from "./links.js";
import { loadJson, loadRecord, loadRows } from "./rows.js";
import { preprocessing, snippets } from "./snippets.js";
import { drawStages } from "./stages.js";
import { Tree } from "./tree.js";

const MOSTLY_COUNTED = "one image; heads as the weights have them";

const SIBLINGS = 8;

const TEST_SETS = { imagenet1k: "ImageNet, validation", real: "ImageNet with ReaL labels", v2: "ImageNet-V2", sketch: "ImageNet-Sketch", a: "ImageNet-A", r: "ImageNet-R" };

/** Join a record with what only its rows hold, and each set of weights with what it shares with its architecture. */
export function join(rows, record) {
  const read = (row, keys) => Object.fromEntries(keys.map((key) => [key, rows.get(key, row)]));
  const { input_size, preprocessing: steps, num_classes } = record;
  const weights = (record.weights ?? []).map((each) => {
    const row = rows.find(`${record.name}:${each.tag}`);
    const own = read(row, ["parameters", "multiply_adds", "activations", "license", "dataset", "pretraining", "size"]);
    const files = each.files.map((file) => locate(file, each.files.length === 1 ? own.size : null, `${record.name}.${each.tag}`));
    const errors = { top1: rows.get("top1_error", row), top5: rows.get("top5_error", row) };
    return { input_size, preprocessing: steps, num_classes, ...each, ...own, ...errors, files, published: claims(rows, row, each.published ?? []) };
  });
  const known = read(rows.find(record.name), ["title", "family", "task", "year", "source", "parameters", "multiply_adds"]);
  return { published: [], ...known, ...record, weights };
}

/** Say where a file lies that is known by its place on the Hugging Face Hub. */
function locate(file, size_bytes, repository) {
  if (!file.hub) return { size_bytes, ...file };
  const hub = { repository, ...file.hub };
  const url = `https://huggingface.co/${hub.repository}/resolve/${hub.revision ?? "main"}/${hub.path}`;
  const ending = hub.path.slice(hub.path.lastIndexOf("."));
  return { size_bytes, url, file_name: `${hub.repository.split("/").pop()}${ending}`, ...file, hub };
}

/** Published errors one by one; 0 stands for what the row says. */
function claims(rows, row, groups) {
  return groups.flatMap(({ source, split, crops, figures }) =>
    figures.map(([testSet, size, top1, top5]) => {
      const column = testSet === "imagenet1k" ? "top1_error" : `top1_${testSet}`;
      return {
        ...{ source, split, crops, testSet, inputSize: size || null },
        top1: top1 === 0 ? rows.get(column, row) : top1,
        top5: top5 === 0 ? rows.get("top5_error", row) : top5,
      };
    }),
  );
}

class Page {
  constructor(rows, row, record) {
    this.rows = rows;
    this.row = row;
    this.model = join(rows, record);
    this.weights = this.model.weights.find((each) => each.tag === rows.get("weights", row)) ?? null;
    this.spec = rows.spec(row);
    document.title = `${this.spec} - zoo`;
  }

  draw() {
    const { model, weights } = this;
    const parts = [
      this.heading(),
      this.figures(),
      el("div", { class: "columns" }, el("div", {}, this.use(), this.preparation()), el("div", {}, this.facts(), this.files())),
      this.weightsTable(),
      this.errors(),
      el("section", { id: "architecture" }),
      this.siblings(),
    ];
    find("model").replaceChildren(...parts.filter(Boolean));
    find("model").setAttribute("aria-busy", "false");
    return this.architecture(model, weights);
  }

  heading() {
    const { model, rows, row } = this;
    const family = `index.html?family=${encodeURIComponent(model.family)}`;
    const license = this.weights ? (this.weights.license ?? "no license stated") : null;
    const task = this.rows.get("task", this.row);
    const badges = [model.source, task, model.year, license].filter(Boolean);
    const held = rows.column("held");
    if (held && held.at(row)) badges.push(held.title);
    return el(
      "header",
      {},
      el("p", { class: "trail" }, el("a", { href: "index.html" }, "Models"), " / ", el("a", { href: family }, model.family)),
      el("h1", {}, model.title),
      el("p", { class: "spec" }, el("code", {}, this.spec), copyButton(this.spec, "Copy the name"), ...badges.map((text) => el("span", { class: "badge" }, text))),
      model.note && el("p", { class: "soft" }, model.note),
    );
  }

  figures() {
    const { model, weights } = this;
    const of = weights ?? model;
    const card = (title, value, exact, kind) => value !== "-" && el("div", { class: "card" }, el("dt", {}, title), el("dd", { title: exact }, value), kind && el("dd", { class: "soft small" }, kind));
    const exactly = (value) => (value ? whole(value) : null);
    return el(
      "dl",
      { class: "cards" },
      ...this.rows.figures([this.row]).map((column) => card(column.title, show(column.kind, column.at(this.row)), null, "published")),
      card("top-1 error", withUnit(percent(weights?.top1), "%"), null, "published"),
      card("top-5 error", withUnit(percent(weights?.top5), "%"), null, "published"),
      card("parameters", count(of.parameters), exactly(of.parameters)),
      card("multiply-adds", count(of.multiply_adds), exactly(of.multiply_adds), "for one input"),
      card("input", shape(of.input_size)),
      card("download", this.rows.shown(this.rows.column("size"), this.row), exactly(weights?.size)),
      ...this.measured(),
    );
  }

  /** What zoo bench measured, apart from what was published. */
  measured() {
    const columns = this.rows.columns.filter((column) => column.measured && column.at(this.row) !== null);
    return columns.map((column) => el("div", { class: "card measured" }, el("dt", {}, column.title), el("dd", {}, show(column.kind, column.at(this.row))), el("dd", { class: "soft small" }, "measured")));
  }

  use() {
    const ways = snippets(this.model, this.weights, this.spec);
    const panels = ways.map(({ text }, place) => el("div", { role: "tabpanel", id: `way-${place}`, "aria-labelledby": `tab-${place}`, hidden: place > 0 }, codeBlock(text)));
    const tabs = ways.map(({ title }, place) => el("button", { type: "button", role: "tab", id: `tab-${place}`, "aria-controls": `way-${place}`, "aria-selected": String(place === 0), tabindex: place === 0 ? 0 : -1 }, title));
    const choose = (chosen) => {
      tabs.forEach((tab, place) => {
        tab.setAttribute("aria-selected", String(place === chosen));
        tab.tabIndex = place === chosen ? 0 : -1;
        panels[place].hidden = place !== chosen;
      });
    };
    tabs.forEach((tab, place) => tab.addEventListener("click", () => choose(place)));
    const list = el("div", { role: "tablist", "aria-label": "Ways to use it" }, tabs);
    list.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      const next = (tabs.indexOf(document.activeElement) + step + tabs.length) % tabs.length;
      choose(next);
      tabs[next].focus();
    });
    return el("section", { class: "use" }, el("h2", {}, "Use it"), list, panels);
  }

  preparation() {
    const steps = this.weights?.preprocessing ?? this.model.preprocessing;
    if (!steps) return null;
    const parts = [];
    if (steps.resize_size) parts.push(`resize ${shape(steps.resize_size)} (${steps.interpolation})`);
    if (steps.crop_size) parts.push(`center crop ${shape(steps.crop_size)}`);
    if (steps.crop_mode && steps.crop_mode !== "center") parts.push(`crop mode ${steps.crop_mode}`);
    parts.push("scale to 0..1", "normalize");
    return el("section", {}, el("h2", {}, "Preprocessing"), el("p", { class: "soft" }, parts.join(", ")), codeBlock(preprocessing(steps, this.spec)));
  }

  facts() {
    const { model, weights } = this;
    const { paper } = model;
    const reference = this.rows.get("paper", this.row);
    const pin = weights?.files.map((file) => file.hub?.revision).find(Boolean);
    const hub = weights?.files.map((file) => file.hub?.repository).find(Boolean);
    const options = Object.entries(weights?.options ?? {}).map(([name, value]) => `${name}=${value}`);
    const metrics = Object.entries(weights?.metrics ?? {}).map(([name, value]) => `${name} ${value}`);
    const lines = [
      ["paper", paper && [outside(paper.url ?? addressOf(reference), paper.title), reference && `, ${reference}`]],
      ["papers of the weights", weights?.paper_ids?.flatMap((id, place) => [place > 0 && ", ", outside(addressOf(id), id)])],
      ["trained on", weights?.dataset],
      ["pretrained on", weights?.pretraining],
      ["classes", weights?.num_classes ?? model.num_classes],
      ["license", weights && [weights.license ?? "none stated by the publisher", weights.license_source && el("span", { class: "soft" }, `, stated in ${weights.license_source}`)]],
      ["repository", hub && outside(`https://huggingface.co/${hub}`, hub)],
      ["commit", hub && (pin ?? "not pinned")],
      ["same file as", weights?.same_as],
      ["recipe", weights?.recipe_url && outside(weights.recipe_url, "of the publisher")],
      ["other figures", metrics.length > 0 && metrics.join(", ")],
      ["built by", el("code", {}, model.entry_point)],
      ["built with", options.length > 0 && el("code", {}, options.join(", "))],
      ["activations", (weights?.activations ?? model.activations) && whole(weights?.activations ?? model.activations)],
      ["auxiliary heads", model.auxiliary_parameters && `${whole(model.auxiliary_parameters)} more parameters in training`],
      ["counted", model.counted ?? MOSTLY_COUNTED],
      ["note", weights?.note],
    ];
    const known = lines.filter(([, value]) => value);
    return el("section", {}, el("h2", {}, "Record"), el("dl", { class: "facts" }, known.map(([name, value]) => [el("dt", {}, name), el("dd", {}, value)])));
  }

  files() {
    if (!this.weights) return null;
    const lines = this.weights.files.map((file) => {
      const about = file.size_tolerance_bytes ? "about " : "";
      const length = file.size_bytes ? `${about}${whole(file.size_bytes)} bytes` : "length not stated";
      const digest = file.sha256
        ? el("p", { class: "digest" }, el("code", {}, `sha256 ${file.sha256}`), copyButton(file.sha256, "Copy the digest"))
        : el("p", { class: "soft small" }, file.sha256_prefix ? `sha256 begins with ${file.sha256_prefix}; the publisher states no more` : "no digest is known");
      const name = file.url ? outside(file.url, file.file_name) : el("span", {}, file.file_name);
      return el("li", {}, name, el("span", { class: "soft" }, `, ${length}${file.packaged ? ", ships with zoo" : ""}`), digest);
    });
    return el("section", {}, el("h2", {}, lines.length > 1 ? "Files" : "File"), el("ul", { class: "files" }, lines));
  }

  weightsTable() {
    const { model, rows } = this;
    if (model.weights.length < 2) return null;
    const lines = model.weights.map((each) => {
      const row = rows.find(`${model.name}:${each.tag}`);
      const isThis = row === this.row;
      const name = isThis ? el("strong", {}, each.tag) : el("a", { href: modelAddress(rows, row) }, each.tag);
      const mark = each.tag === model.default_weights && el("span", { class: "badge" }, "default");
      const cells = [each.dataset, percent(each.top1), percent(each.top5), count(each.parameters), shape(each.input_size), size(each.size), each.license ?? "-"];
      return el("tr", { "aria-current": isThis ? "true" : null }, el("th", { scope: "row" }, name, mark), cells.map((text, place) => el("td", { class: place > 0 && place < 6 ? "number" : null }, text)));
    });
    const heads = ["weights", "trained on", "top-1 error", "top-5 error", "parameters", "input", "size", "license"];
    return el("section", {}, el("h2", {}, "Weights of this architecture"), table(heads, lines, [2, 3, 4, 5, 6]));
  }

  /** Papers' figures, publishers' figures and our own, each with its protocol; never in one line. */
  errors() {
    const { model, weights } = this;
    const lines = experiments(model.published).map(({ entry, top1, top5 }) => {
      const doubt = entry.is_verified ? "" : " (from memory, unverified)";
      return this.errorLine("paper", top1, top5, entry.split, entry.models, entry.crops, `${entry.source}${doubt}`, entry.note);
    });
    for (const claim of weights?.published ?? []) {
      const size = shape(claim.inputSize ?? weights.input_size);
      lines.push(this.errorLine("publisher of the weights", claim.top1, claim.top5, TEST_SETS[claim.testSet] ?? claim.testSet, 1, claim.crops, claim.source, `input ${size}`));
    }
    if (weights?.measured) {
      const found = weights.measured;
      lines.push(this.errorLine("measured with zoo", found.top1_error_percent, null, `${found.images} images`, 1, "1", found.data, found.command, true));
    }
    if (lines.length === 0) return null;
    const heads = ["from", "images", "top-1 error", "top-5 error", "networks", "crops", "source"];
    return el("section", {}, el("h2", {}, "Errors, each as it was found"), el("p", { class: "soft" }, "Figures of other splits, crops or ensembles must not be compared with each other."), table(heads, lines, [2, 3, 4]));
  }

  errorLine(from, top1, top5, split, models, crops, source, note, isMeasured = false) {
    const origin = el("th", { scope: "row" }, from, isMeasured && el("span", { class: "badge measured" }, "measured"));
    const figures = [split, percent(top1), percent(top5), models, crops ?? "-"];
    const cells = figures.map((text, place) => el("td", { class: [1, 2, 3].includes(place) ? "number" : null }, text));
    return el("tr", {}, origin, cells, el("td", { class: "wrap" }, source, note && el("span", { class: "soft" }, `; ${note}`)));
  }

  async architecture(model) {
    const section = find("architecture");
    if (model.cells) section.append(el("h2", {}, "Cells"), el("p", { class: "soft" }, `${model.cells.name}: the network is stacked from these.`), el("div", { class: "cells" }, ["normal", "reduction"].map((role) => drawCell(model.cells[role], `${role} cell`))));
    if (model.layer_file === undefined) {
      section.append(...layersElsewhere(model));
      return;
    }
    const root = unpack(await loadJson(`../data/layers/${model.layer_file}.json`), model.name);
    const drawing = drawStages(root, model.input_size, model.title);
    const tree = new Tree(root, model.name);
    section.prepend(
      ...[drawing && el("h2", {}, "Stages"), drawing && el("p", { class: "soft" }, "Each slab is as high as its feature maps and as thick as it has channels."), drawing].filter(Boolean),
    );
    section.append(el("h2", {}, "Layers"), tree.element);
  }

  siblings() {
    const { rows, model } = this;
    const families = rows.column("family");
    const place = families.choices.indexOf(model.family);
    const others = [];
    for (let row = 0; row < rows.count; row += 1) {
      if (families.values[row] === place && rows.isDefault[row] && rows.get("name", row) !== model.name) others.push(row);
    }
    if (others.length === 0) return null;
    const cost = (row) => Math.abs(Math.log((rows.get("parameters", row) || 1) / (model.parameters || 1)));
    const nearest = [...others].sort((one, other) => cost(one) - cost(other) || one - other).slice(0, SIBLINGS);
    nearest.sort((one, other) => rows.get("parameters", one) - rows.get("parameters", other) || one - other);
    const links = nearest.map((row) => el("li", {}, el("a", { href: modelAddress(rows, row) }, rows.spec(row)), el("span", { class: "soft" }, ` ${count(rows.get("parameters", row))}, ${withUnit(percent(rows.get("top1_error", row)), "%")}`)));
    const all = el("a", { href: `index.html?family=${encodeURIComponent(model.family)}` }, `all ${others.length + 1} of the family`);
    return el("section", {}, el("h2", {}, "Others of its size in the family"), el("ul", { class: "siblings" }, links), el("p", {}, all));
  }
}

/** How to have the layers of a network whose table does not ship; a repository's own code is not traced. */
function layersElsewhere(model) {
  if (model.source === "hub") return [];
  const hint = "The layers of this network are not part of the site. This prints them, without any weights:";
  return [el("h2", {}, "Layers"), el("p", {}, hint), codeBlock(`zoo inspect ${model.name}`)];
}

/** Where a paper with an identifier can be read. */
function addressOf(reference) {
  const found = /^(arXiv|doi):(.+)$/.exec(reference ?? "");
  if (!found) return null;
  return found[1] === "arXiv" ? `https://arxiv.org/abs/${found[2]}` : `https://doi.org/${found[2]}`;
}

const withUnit = (text, unit) => (text === "-" ? text : `${text} ${unit}`);

function table(heads, lines, numbers) {
  const cells = heads.map((title, place) => el("th", { scope: "col", class: numbers.includes(place) ? "number" : null }, title));
  return el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": `${heads[0]}, scrolls` }, el("table", { class: "plain-table" }, el("thead", {}, el("tr", {}, cells)), el("tbody", {}, lines)));
}

/** Join the top-1 and the top-5 error of one experiment. */
function experiments(published) {
  const found = new Map();
  for (const entry of published) {
    const key = JSON.stringify([entry.source, entry.split, entry.models, entry.crops, entry.note, entry.is_verified]);
    if (!found.has(key)) found.set(key, { entry, top1: null, top5: null });
    found.get(key)[entry.metric] = entry.error_percent;
  }
  return [...found.values()];
}

try {
  const rows = await loadRows();
  const wanted = new URLSearchParams(location.search).get("model") ?? "";
  const row = rows.find(wanted);
  if (row === undefined) throw new Error(wanted ? `no model is called ${wanted}` : "the address names no model");
  await new Page(rows, row, await loadRecord(rows, row)).draw();
} catch (error) {
  find("model").setAttribute("aria-busy", "false");
  fail(error);
  const all = el("a", { href: "index.html" }, "All models");
  find("model").append(el("h1", {}, "No such model"), el("p", {}, all));
}
