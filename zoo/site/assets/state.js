// What the user chose, and the same as the query of the page's address, so that a link shows the same.

const LARGEST_COMPARISON = 6;

export class State {
  constructor() {
    this.words = "";
    this.choices = new Map(); // column -> Set of values
    this.ranges = new Map(); // column -> text such as "..10M"
    this.flags = new Map(); // column -> true or false
    this.sort = []; // {key, isDescending}
    this.columns = null; // null: the usual ones
    this.compared = []; // NAME or NAME:TAG
    this.others = new Map(); // what only one page knows, such as the plot's axes
  }

  get filterCount() {
    const chosen = [...this.choices.values()].filter((values) => values.size > 0);
    return chosen.length + this.ranges.size + this.flags.size;
  }

  get hasFilters() {
    return this.filterCount > 0 || this.words.trim() !== "";
  }

  clearFilters() {
    this.words = "";
    this.choices.clear();
    this.ranges.clear();
    this.flags.clear();
  }

  toggleChoice(key, value, isChosen) {
    const values = this.choices.get(key) ?? new Set();
    if (isChosen) values.add(value);
    else values.delete(value);
    if (values.size > 0) this.choices.set(key, values);
    else this.choices.delete(key);
  }

  /** Put a model among those to compare, or take it out; tells whether there was room. */
  toggleCompared(spec) {
    if (this.compared.includes(spec)) this.compared = this.compared.filter((other) => other !== spec);
    else if (this.compared.length >= LARGEST_COMPARISON) return false;
    else this.compared = [...this.compared, spec];
    return true;
  }

  /** Sort by a column: first as its kind is read, then the other way; with `isAdded`, after the columns before. */
  sortBy(column, isAdded) {
    const before = this.sort.find((entry) => entry.key === column.key);
    const first = column.kind === "year" || column.kind === "flag";
    const isDescending = before ? !before.isDescending : first;
    if (!isAdded) this.sort = [{ key: column.key, isDescending }];
    else if (before) before.isDescending = isDescending;
    else this.sort = [...this.sort, { key: column.key, isDescending }];
  }
}

const OTHERS = ["x", "y", "colors", "zoom"];

/** Read a query; what it says about columns that this site does not have is passed over. */
export function readState(query, rows) {
  const parameters = new URLSearchParams(query);
  const state = new State();
  const list = (name) => (parameters.get(name) ?? "").split(",").filter((part) => part !== "");
  state.words = parameters.get("q") ?? "";
  for (const column of rows.columns) {
    const values = parameters.getAll(column.key);
    if (values.length === 0) continue;
    if (column.filter === "choices") state.choices.set(column.key, new Set(values));
    if (column.filter === "range") state.ranges.set(column.key, values[0]);
    if (column.filter === "flag") state.flags.set(column.key, values[0] === "yes");
  }
  for (const part of list("sort")) {
    const key = part.replace(/^-/, "");
    if (rows.column(key)) state.sort.push({ key, isDescending: part.startsWith("-") });
  }
  const columns = list("columns").filter((key) => rows.column(key));
  if (columns.length > 0) state.columns = columns;
  state.compared = list("compare").filter((spec) => rows.find(spec) !== undefined).slice(0, LARGEST_COMPARISON);
  for (const name of OTHERS) if (parameters.has(name)) state.others.set(name, parameters.get(name));
  return state;
}

/** Write a state as a query, empty where nothing was chosen. */
export function writeState(state) {
  const parameters = new URLSearchParams();
  if (state.words.trim() !== "") parameters.set("q", state.words);
  for (const [key, values] of state.choices) for (const value of [...values].sort()) parameters.append(key, value);
  for (const [key, text] of state.ranges) parameters.set(key, text);
  for (const [key, isWanted] of state.flags) parameters.set(key, isWanted ? "yes" : "no");
  const sort = state.sort.map(({ key, isDescending }) => (isDescending ? `-${key}` : key));
  if (sort.length > 0) parameters.set("sort", sort.join(","));
  if (state.columns) parameters.set("columns", state.columns.join(","));
  if (state.compared.length > 0) parameters.set("compare", state.compared.join(","));
  for (const [name, value] of state.others) parameters.set(name, value);
  const query = parameters.toString().replaceAll("%2C", ",").replaceAll("%3A", ":").replaceAll("%2F", "/");
  return query ? `?${query}` : "";
}
