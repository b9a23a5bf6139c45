// The table of runs: sorted by any column, with columns to choose, a hundred lines at a time, since laying out thousands
// takes a browser longer than sorting them.

const sorting = { key: null, down: false };
/** Lines that are in the table at once. */
const AT_ONCE = 100;
const table = {
  head: element("thead"),
  body: element("tbody"),
  said: status({ id: "runs-said" }),
  pages: element("nav", { class: "bar", "aria-label": "parts of the table" }),
  /** @type {HTMLTableRowElement[]} */
  lines: [],
  /** The first line that is seen. */
  from: 0,
};

const numberOf = (value) => (typeof value === "number" && !Number.isNaN(value) ? value : null);
const words = new Intl.Collator("en", { numeric: true });

/** The order of two values: numbers by size, then words; what is missing comes last either way. */
function order(first, second, down) {
  const gone = (value) => value === null || value === undefined;
  if (gone(first) || gone(second)) return Number(gone(first)) - Number(gone(second));
  const [a, b] = [numberOf(first), numberOf(second)];
  const found =
    a !== null && b !== null ? a - b : a !== null ? -1 : b !== null ? 1 : words.compare(said(first), said(second));
  return down ? -found : found;
}

/** Rows in the order that was asked for; equal ones stay in the order of the sweep. */
function sorted(rows) {
  const column = columnOf.get(sorting.key);
  if (!column) return [...rows].sort((a, b) => a - b);
  const values = rows.map((row) => ({ row, value: column.at(row) }));
  values.sort((a, b) => order(a.value, b.value, sorting.down) || a.row - b.row);
  return values.map((each) => each.row);
}

function visible() {
  return columns.filter((column) => column.shown);
}

/** The heading of the table: a button in each column, which sorts by it. */
function drawHead() {
  const cells = visible().map((column) => {
    const on = sorting.key === column.key;
    const sort = on ? (sorting.down ? "descending" : "ascending") : "none";
    const mark = element("span", { "aria-hidden": "true", class: "mark" }, on ? (sorting.down ? "▼" : "▲") : "");
    const act = button(column.title, () => sortBy(column.key));
    act.append(mark);
    return element("th", { scope: "col", "aria-sort": sort, class: column.numeric ? "number" : null }, act);
  });
  const focused = [...table.head.querySelectorAll("button")].indexOf(document.activeElement);
  table.head.replaceChildren(
    element("tr", {}, element("th", { scope: "col" }, element("span", { class: "unseen" }, "chosen")), ...cells),
  );
  if (focused >= 0) table.head.querySelectorAll("button")[focused]?.focus();
}

/** Sorts by a column, the other way round at the second time, in the sweep's order at the third. */
function sortBy(key) {
  if (sorting.key !== key) Object.assign(sorting, { key, down: false });
  else if (!sorting.down) sorting.down = true;
  else Object.assign(sorting, { key: null, down: false });
  drawHead();
  shown.rows = sorted(shown.rows);
  table.from = 0;
  drawLines();
}

/** One line of the table, made when it is first seen. */
function line(row) {
  if (table.lines[row]) return table.lines[row];
  const made = document.createElement("tr");
  const box = element("input", {
    type: "checkbox",
    "aria-label": `choose ${data.names[row]}`,
    onchange: () => chosen.switch(row, box.checked),
  });
  box.checked = chosen.rows.includes(row);
  made.append(element("td", {}, box));
  for (const column of visible()) {
    const cell = document.createElement(column.key === "name" ? "th" : "td");
    if (column.key === "name") {
      cell.scope = "row";
      const link = document.createElement("a");
      link.href = data.folders[row];
      link.textContent = data.names[row];
      cell.append(link);
    } else {
      cell.textContent = column.text(row);
      if (column.reason(row)) cell.title = `undefined: ${column.reason(row)}`;
      if (column.numeric) cell.className = "number";
    }
    made.append(cell);
  }
  table.lines[row] = made;
  return made;
}

function drawLines() {
  table.from = Math.max(0, Math.min(table.from, shown.rows.length - 1));
  const rows = shown.rows.slice(table.from, table.from + AT_ONCE);
  table.body.replaceChildren(...rows.map(line));
  const amount = shown.rows.length === count ? `${count} runs` : `${shown.rows.length} of ${count} runs`;
  const by = columnOf.get(sorting.key);
  const last = table.from + rows.length;
  const part = rows.length < shown.rows.length ? `, lines ${table.from + 1} to ${last}` : "";
  const order = by ? `, sorted by ${by.title}, ${sorting.down ? "descending" : "ascending"}` : "";
  table.said.textContent = `${amount}${part}${order}.`;
  const turn = (by) => () => {
    table.from += by;
    drawLines();
    table.body.closest(".tall").scrollTop = 0;
  };
  const pages = [
    button("‹ Previous lines", turn(-AT_ONCE), { disabled: table.from === 0 }),
    button("Next lines ›", turn(AT_ONCE), { disabled: last >= shown.rows.length }),
  ];
  const focused = [...table.pages.children].indexOf(document.activeElement);
  table.pages.replaceChildren(...(shown.rows.length > AT_ONCE ? pages : []));
  if (focused >= 0)
    [...table.pages.children]
      .filter((each) => !each.disabled)
      .at(focused && -1)
      ?.focus();
}

/** Draws all lines anew, with the columns that are chosen now. */
function redrawTable() {
  table.lines = [];
  drawHead();
  drawLines();
}

chosen.listeners.push(() => {
  table.lines.forEach((made, row) => (made.querySelector("input").checked = chosen.rows.includes(row)));
});

/** The list of columns to choose, by groups. */
function columnChooser() {
  const groups = [
    ["Results", columns.filter((column) => column.group === "result")],
    ["Runs", columns.filter((column) => column.group === "run" && column.key !== "name")],
    ["Axes of the sweep", columns.filter((column) => column.group === "axis")],
    ["Settings that differ", settings.filter((column) => column.varies)],
    ["Settings that are the same", settings.filter((column) => !column.varies)],
  ];
  const fieldsets = groups
    .filter(([, members]) => members.length > 0)
    .map(([title, members]) =>
      element(
        "fieldset",
        {},
        element("legend", {}, title),
        ...members.map((column) =>
          toggle(column.title, column.shown, (event) => {
            column.shown = event.target.checked;
            redrawTable();
          }),
        ),
      ),
    );
  return element("details", { class: "columns" }, element("summary", {}, "Columns"), element("div", {}, ...fieldsets));
}
