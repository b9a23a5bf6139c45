// Any two settings of the runs that the table shows, and a value, as a heat map; a cell chooses its runs.

const heat = { x: null, y: null, value: null, apart: null, log: null, place: element("div") };

/** What can be an axis: axes of the sweep first, then settings that differ, then what else has not too many values. */
function axisColumns() {
  const values = (column) => new Set(everyRow.map((row) => said(column.at(row)))).size;
  const axes = columns.filter((column) => column.group === "axis" && column.varies);
  const named = new Set(axes.map((column) => column.title));
  const others = [
    ...settings.filter((column) => column.varies && !named.has(column.key)),
    ...["family", "experiment", "parameters", "seeds"]
      .map((key) => columnOf.get(key))
      .filter((column) => column?.varies),
  ];
  return [...axes, ...others].filter((column) => values(column) > 1 && values(column) <= 60);
}

/** What can be shown in a cell: metrics first, then everything with numbers that results have. */
function valueColumns() {
  const metrics = Object.keys(data.metrics).map((key) => columnOf.get(key));
  return [...metrics, ...["parameters", "flops", "seconds", "peak_memory_mb"].map((key) => columnOf.get(key))].filter(
    (column) => column && column.numeric,
  );
}

function drawHeat() {
  const axes = axisColumns();
  const values = valueColumns();
  if (axes.length === 0 || values.length === 0) {
    heat.place.replaceChildren(
      element("p", { class: "soft" }, "The runs differ in no setting that has several values."),
    );
    return;
  }
  const numeric = axes.filter((column) => column.numeric);
  heat.x ??= (numeric[0] ?? axes[0]).key;
  heat.y ??= (
    numeric.find((column) => column.key !== heat.x) ??
    axes.find((column) => column.key !== heat.x) ??
    axes[0]
  ).key;
  heat.value ??= (values.find((column) => column.key === "forgetting_mean") ?? values[0]).key;
  heat.apart ??= axes.some((column) => column.key === "family") && ![heat.x, heat.y].includes("family") ? "family" : "";
  const [x, y, value] = [heat.x, heat.y, heat.value].map((key) => columnOf.get(key));
  const apart = columnOf.get(heat.apart);
  const places = new Map();
  for (const row of shown.rows) {
    const number = value.at(row);
    if (data.series[row] === null) continue;
    const group = apart ? apart.text(row) : "";
    const key = JSON.stringify([group, said(y.at(row)), said(x.at(row))]);
    if (!places.has(key)) places.set(key, { rows: [], numbers: [] });
    places.get(key).rows.push(row);
    if (typeof number === "number") places.get(key).numbers.push(number);
  }
  for (const cell of places.values())
    cell.mean =
      cell.numbers.length > 0 ? cell.numbers.reduce((sum, each) => sum + each, 0) / cell.numbers.length : null;
  const means = [...places.values()].map((cell) => cell.mean);
  const log = heat.log ?? spansDecades(means.filter((mean) => mean !== null && mean > 0));
  const style = colourScale(means, log);
  const groups = [
    ...new Set(shown.rows.filter((row) => data.series[row] !== null).map((row) => (apart ? apart.text(row) : ""))),
  ];
  const options = axes.map((column) => [column.key, column.title]);
  const set = (name) => (key) => {
    heat[name] = key;
    heat.log = null;
    drawHeat();
  };
  const focused = [...heat.place.querySelectorAll("select, input")].indexOf(document.activeElement);
  const pooled = [...places.values()].some((cell) => cell.rows.length > 1);
  heat.place.replaceChildren(
    element(
      "div",
      { class: "bar" },
      choice("Across", options, heat.x, set("x")),
      choice("Down", options, heat.y, set("y")),
      choice(
        "Value",
        values.map((column) => [column.key, column.title]),
        heat.value,
        set("value"),
      ),
      choice("A map for each", [["", "– (one map)"], ...options], heat.apart, set("apart")),
      toggle("logarithmic colours", log, (event) => {
        heat.log = event.target.checked;
        drawHeat();
      }),
    ),
    element(
      "div",
      { class: "matrices" },
      ...groups.map((group) => heatTable(group, x, y, value, apart, places, style)),
    ),
    element(
      "p",
      { class: "soft" },
      `Means over the seeds, of the runs that the table shows${pooled ? "; * the mean over several runs at one place" : ""}. A cell chooses its runs.`,
    ),
  );
  heat.place.querySelectorAll("select, input")[focused]?.focus();
}

/** The different values of a column, in order. */
function levels(column) {
  const found = new Map(
    shown.rows.filter((row) => data.series[row] !== null).map((row) => [said(column.at(row)), row]),
  );
  const rows = [...found.entries()].sort(([, a], [, b]) => order(column.at(a), column.at(b), false));
  return rows.map(([key, row]) => ({ key, text: column.text(row) }));
}

function heatTable(group, x, y, value, apart, places, style) {
  const across = levels(x);
  const title = [value.title, apart ? `${apart.title} ${group}` : ""].filter(Boolean).join(", ");
  const lines = levels(y).map((down) =>
    element(
      "tr",
      {},
      element("th", { scope: "row" }, down.text),
      ...across.map((over) => {
        const cell = places.get(JSON.stringify([group, down.key, over.key]));
        if (!cell) return element("td", { class: "none" }, "");
        const where = `${x.title} ${over.text}, ${y.title} ${down.text}: ${short(cell.mean)}`;
        const names = cell.rows
          .map((row) => data.names[row])
          .slice(0, 5)
          .join("; ");
        const act = button(`${short(cell.mean)}${cell.rows.length > 1 ? "*" : ""}`, () => chosen.set(cell.rows), {
          title: names,
          "aria-label": `${where}; choose ${cell.rows.length === 1 ? "its run" : `its ${cell.rows.length} runs`}`,
        });
        return element("td", { style: style(cell.mean) }, act);
      }),
    ),
  );
  const corner = element("td", { class: "soft" }, `${y.title} ↓ ${x.title} →`);
  const head = element("tr", {}, corner, ...across.map((over) => element("th", { scope: "col" }, over.text)));
  return element(
    "div",
    { class: "wide", tabindex: "0", role: "region", "aria-label": title },
    element(
      "table",
      { class: "heat" },
      element("caption", {}, title),
      element("thead", {}, head),
      element("tbody", {}, ...lines),
    ),
  );
}
