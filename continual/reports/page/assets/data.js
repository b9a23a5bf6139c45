// The runs, their columns and curves, and what has been chosen of them.

/**
 * @typedef {Object} Column
 * @property {string} key
 * @property {string} title
 * @property {"result"|"run"|"axis"|"setting"} group
 * @property {boolean} shown
 * @property {string[]|null} path parts of a setting's key
 * @property {(row: number) => *} at a run's value; undefined where it has none
 * @property {(row: number) => string} text how that is written
 * @property {(row: number) => string} reason why a run's value is undefined; "" where it is not
 * @property {boolean} numeric whether all values are numbers
 * @property {boolean} varies whether runs differ in it
 */

const data = JSON.parse(document.getElementById("data").textContent);
const count = data.names.length;
const everyRow = Array.from({ length: count }, (_, row) => row);

/** @returns {Column} */
function decoded(coded) {
  let at;
  if ("all" in coded) at = () => coded.all;
  else if ("at" in coded) at = (row) => coded.different[coded.at[row]];
  else at = (row) => coded.values[row];
  const values = "all" in coded ? [coded.all] : "at" in coded ? coded.different : coded.values;
  const present = values.filter((value) => value !== null && value !== undefined);
  const text = coded.texts
    ? (row) => coded.texts[row]
    : (row) => {
        const value = at(row);
        return value === null || value === undefined ? "–" : typeof value === "number" ? long(value) : said(value);
      };
  return {
    ...coded,
    path: coded.path ?? null,
    at,
    text,
    reason: coded.reasons ? (row) => coded.reasons[coded.reason_at[row]] : () => "",
    numeric: present.length > 0 && present.every((value) => typeof value === "number"),
    varies: !("all" in coded),
  };
}

/** A number with at most six digits. */
function long(value) {
  return Number.isInteger(value) && Math.abs(value) < 1e9 ? String(value) : short(value, 6);
}

/** @type {Column[]} */
const columns = [
  decoded({ key: "name", title: "name", group: "run", shown: true, values: data.names }),
  ...data.columns.map(decoded),
];
const columnOf = new Map(columns.map((column) => [column.key, column]));
const settings = columns.filter((column) => column.path !== null);

/** Everything of a run that a search looks at, in small letters; made at the first search. */
const searched = [];
function searchText(row) {
  searched[row] ??= columns
    .filter((column) => column.varies)
    .map((column) => column.text(row))
    .join("\n")
    .toLowerCase();
  return searched[row];
}

/** Numbers that were embedded as float32 in base64. */
function numbers(text) {
  const bytes = Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));
  return new Float32Array(bytes.buffer);
}

/**
 * The curve of one quantity of a run: steps, low quantile, median, high quantile; null where it has none.
 * @param {number} row
 * @param {string} quantity "mean", "accuracy", "loss" or a task's index
 */
function curveOf(row, quantity) {
  const series = data.series[row];
  const place = series ? series.quantities.indexOf(quantity) : -1;
  if (place < 0 || !series.curves) return null;
  series.numbers ??= numbers(series.curves);
  const part = (index) =>
    Array.from(series.numbers.subarray(index * series.points, (index + 1) * series.points), (value) =>
      Number.isFinite(value) ? value : null,
    );
  return { steps: part(0), low: part(1 + 3 * place), middle: part(2 + 3 * place), high: part(3 + 3 * place) };
}

/** R of a run as rows, median over its members; null where it has none. */
function matrixOf(row) {
  const series = data.series[row];
  if (!series || !series.matrix) return null;
  const flat = Array.from(numbers(series.matrix), (value) => (Number.isFinite(value) ? value : null));
  const tasks = tasksOf(row).length;
  return Array.from({ length: tasks + 1 }, (_, i) => flat.slice(i * tasks, (i + 1) * tasks));
}

/** Names of a run's tasks. */
function tasksOf(row) {
  return data.series[row] ? data.tasks[data.series[row].tasks] : [];
}

/** Runs that are looked at closely, in the order in which they were chosen; and who wants to know of changes. */
const chosen = {
  /** @type {number[]} */
  rows: [],
  most: 10,
  listeners: [],
  set(rows) {
    this.rows = [...new Set(rows)];
    for (const listener of this.listeners) listener();
  },
  switch(row, on) {
    this.set(on ? [...this.rows, row] : this.rows.filter((other) => other !== row));
  },
  /** Those that are drawn: the first ten. */
  drawn() {
    return this.rows.slice(0, this.most);
  },
};

/** Runs that the table shows, in its order; filters and searches change them. */
const shown = { rows: everyRow, listeners: [] };

const EVERY_FAMILY = [
  "#0072b2",
  "#d55e00",
  "#009e73",
  "#cc79a7",
  "#e69f00",
  "#56b4e9",
  "#882255",
  "#332288",
  "#999933",
  "#555555",
];

/** A colour for each drawn run: that of its model in the figures if it is free, or the next of its family. */
function colours() {
  const family = columnOf.get("family");
  const taken = new Map();
  const used = new Set();
  for (const row of chosen.drawn()) {
    const own = data.palettes[family.at(row)] ?? EVERY_FAMILY;
    const place = everyRow.filter((other) => other < row && family.at(other) === family.at(row)).length;
    const wanted = [own[place % own.length], ...own, ...EVERY_FAMILY];
    const colour = wanted.find((each) => !used.has(each)) ?? wanted[0];
    used.add(colour);
    taken.set(row, colour);
  }
  return taken;
}
