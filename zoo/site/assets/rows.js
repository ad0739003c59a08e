// Every model and its weights, column by column, and the order of each column.

import { show } from "./format.js";

let collator = null; // made when texts are first sorted, not while the page waits

export const SIZE_OR_ABOUT = "size_or_about";

export class Column {
  constructor(packed) {
    Object.assign(this, packed);
    this.isNumber = ["count", "size", "percent", "number", "year"].includes(this.kind);
  }

  /** The value of a row: a text, a number, or null where it is not known. */
  at(row) {
    const value = this.values[row];
    return this.kind === "choice" ? (this.choices[value] ?? null) : value;
  }

  /** Places of the rows in ascending order of this column; equal values share one, unknown ones are -1. */
  get ranks() {
    this.keptRanks ??= this.kind === "text" ? rankTexts(this.values) : rankChoices(this) ?? this.values.map(orMinusOne);
    return this.keptRanks;
  }
}

const orMinusOne = (value) => value ?? -1;

function rankChoices(column) {
  if (column.kind !== "choice") return null;
  const ranks = rankTexts(column.choices);
  return column.values.map((value) => (value < 0 ? -1 : ranks[value]));
}

function rankTexts(texts) {
  collator ??= new Intl.Collator("en", { numeric: true });
  const distinct = [...new Set(texts)].filter((text) => text !== null).sort(collator.compare);
  const places = new Map(distinct.map((text, place) => [text, place]));
  return texts.map((text) => places.get(text) ?? -1);
}

export class Rows {
  constructor(document) {
    this.count = document.count;
    this.models = document.models;
    this.modelsAFile = document.models_a_file;
    this.isDefault = document.default;
    this.bufferBytes = document.buffer_bytes;
    this.columns = document.columns.map((packed) => new Column(packed));
    this.byKey = new Map(this.columns.map((column) => [column.key, column]));
    const { values } = this.byKey.get("title");
    this.byKey.get("name").values.forEach((name, row) => (values[row] ??= name.replace(/^.*\//, "")));
  }

  column(key) {
    return this.byKey.get(key);
  }

  get(key, row) {
    if (key === SIZE_OR_ABOUT) return this.get("size", row) ?? this.aboutSize(row);
    return this.byKey.get(key)?.at(row) ?? null;
  }

  /** Write a value; of a size that nobody states, about how much. */
  shown(column, row) {
    const value = column.at(row);
    const about = value === null && column.key === "size" ? this.aboutSize(row) : null;
    return about === null ? show(column.kind, value) : `~${show(column.kind, about)}`;
  }

  /** Columns of figures that only other tasks than classification have, where some row has one. */
  figures(ids) {
    return this.columns.filter((column) => column.figure && ids.some((row) => column.at(row) !== null));
  }

  /** Numbers of all rows. */
  valuesOf(key) {
    if (key !== SIZE_OR_ABOUT) return this.column(key).values;
    this.keptSizes ??= Array.from({ length: this.count }, (_, row) => this.get(key, row));
    return this.keptSizes;
  }

  /** About the length of a file whose length nobody states: four bytes a parameter, and its buffers. */
  aboutSize(row) {
    const bufferBytes = this.bufferBytes[row];
    return bufferBytes === null ? null : 4 * this.get("parameters", row) + bufferBytes;
  }

  /** Name a row as every command takes it: NAME or NAME:TAG. */
  spec(row) {
    const name = this.get("name", row);
    const tag = this.get("weights", row);
    return tag === null || this.isDefault[row] ? name : `${name}:${tag}`;
  }

  /** Find the row of NAME (its default weights) or NAME:TAG; undefined where there is none. */
  find(spec) {
    if (!this.keptSpecs) {
      this.keptSpecs = new Map();
      for (let row = 0; row < this.count; row += 1) {
        const name = this.get("name", row);
        const tag = this.get("weights", row);
        if (tag !== null) this.keptSpecs.set(`${name}:${tag}`, row);
        if (this.isDefault[row] || !this.keptSpecs.has(name)) this.keptSpecs.set(name, row);
      }
    }
    return this.keptSpecs.get(spec);
  }

  /** What the search looks into: everything of a row that is text, in lower case. */
  get haystacks() {
    if (!this.keptHaystacks) {
      const texts = this.columns.filter((column) => ["text", "choice"].includes(column.kind));
      this.keptHaystacks = Array.from({ length: this.count }, (_, row) =>
        texts.map((column) => column.at(row) ?? "").join("\n").toLowerCase(),
      );
    }
    return this.keptHaystacks;
  }
}

/** Fetch the rows of this site. */
export async function loadRows() {
  return new Rows(await loadJson("../data/rows.json"));
}

/** Fetch the record of the model that a row belongs to. */
export async function loadRecord(rows, row) {
  const model = rows.models[row];
  const records = await loadJson(`../data/records/${Math.floor(model / rows.modelsAFile)}.json`);
  return records[model % rows.modelsAFile];
}

/** Fetch a document that lies beside these modules, wherever the site was put. */
export async function loadJson(path) {
  const response = await fetch(new URL(path, import.meta.url));
  if (!response.ok) throw new Error(`${path.replace("../", "")} answered ${response.status}`);
  return response.json();
}
