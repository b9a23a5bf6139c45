// Which runs are shown: a search over everything, and filters on single columns.

/** @type {Array<{column: Column, how: string, wanted: string}>} */
const filters = [];
const search = element("input", { type: "search", placeholder: 'words, "a phrase"', oninput: () => refilter() });
const chips = element("ul", { class: "chips", "aria-label": "filters" });

const HOW = {
  is: (text, wanted) => text === wanted,
  "is not": (text, wanted) => text !== wanted,
  contains: (text, wanted) => text.toLowerCase().includes(wanted.toLowerCase()),
  "≤": (text, wanted, value) => typeof value === "number" && value <= Number(wanted),
  "≥": (text, wanted, value) => typeof value === "number" && value >= Number(wanted),
};

function passes(row, { column, how, wanted }) {
  const value = column.at(row);
  const same = typeof value === "number" && wanted.trim() !== "" && value === Number(wanted);
  if (same && how === "is") return true;
  if (same && how === "is not") return false;
  return HOW[how](column.text(row), wanted, value);
}

/** Looks anew which runs are shown. */
function refilter() {
  const parts = (search.value.toLowerCase().match(/"[^"]+"|\S+/g) ?? []).map((part) => part.replace(/^"(.+)"$/, "$1"));
  const kept = everyRow.filter(
    (row) =>
      filters.every((filter) => passes(row, filter)) &&
      (parts.length === 0 || parts.every((part) => searchText(row).includes(part))),
  );
  shown.rows = sorted(kept);
  table.from = 0;
  drawLines();
  for (const listener of shown.listeners) listener();
}

function drawChips() {
  const items = filters.map((filter, index) =>
    element(
      "li",
      {},
      button(
        `${filter.column.title} ${filter.how} ${filter.wanted} ✕`,
        () => {
          filters.splice(index, 1);
          drawChips();
          refilter();
        },
        { "aria-label": `remove the filter: ${filter.column.title} ${filter.how} ${filter.wanted}` },
      ),
    ),
  );
  chips.replaceChildren(...items);
  chips.hidden = items.length === 0;
}

/** The form that adds a filter: a column, how to compare, and with what; the values that there are are proposed. */
function filterForm() {
  const possible = columns.filter((column) => column.varies);
  const values = element("datalist", { id: "values" });
  const key = element("select", { onchange: propose });
  const how = element("select", {});
  const wanted = element("input", { list: "values", required: true, size: 14 });
  for (const column of possible) key.append(element("option", { value: column.key }, column.title));
  for (const name of Object.keys(HOW)) how.append(element("option", {}, name));
  function propose() {
    const column = columnOf.get(key.value);
    const found = column ? [...new Set(everyRow.map((row) => column.text(row)))].slice(0, 100) : [];
    values.replaceChildren(...found.map((value) => element("option", { value })));
  }
  function add(event) {
    event.preventDefault();
    filters.push({ column: columnOf.get(key.value), how: how.value, wanted: wanted.value });
    wanted.value = "";
    drawChips();
    refilter();
  }
  propose();
  return element(
    "form",
    { onsubmit: add, class: "bar" },
    element("label", {}, "Filter", key),
    element("label", {}, element("span", { class: "unseen" }, "how to compare"), how),
    element("label", {}, element("span", { class: "unseen" }, "value"), wanted),
    values,
    element("button", { type: "submit" }, "Add filter"),
  );
}
