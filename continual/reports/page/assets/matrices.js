// R of chosen runs, side by side with one scale of colours: tables whose cells are coloured, so that all can read them.

const matrices = { log: null, place: element("div") };

function drawMatrices() {
  const found = chosen
    .drawn()
    .map((row) => ({ row, matrix: matrixOf(row) }))
    .filter((each) => each.matrix !== null);
  if (found.length === 0) {
    const why =
      chosen.rows.length === 0
        ? "Choose runs in the table to see their matrices."
        : "There are no matrices of these runs in the page; record.json has them.";
    matrices.place.replaceChildren(element("p", { class: "soft" }, why));
    return;
  }
  const values = found.flatMap(({ matrix }) => matrix.flat());
  const log = matrices.log ?? spansDecades(values.filter((value) => value !== null && value > 0));
  const style = colourScale(values, log);
  const focused = matrices.place.querySelector("input") === document.activeElement && document.activeElement !== null;
  matrices.place.replaceChildren(
    element(
      "div",
      { class: "bar" },
      toggle("logarithmic colours", log, (event) => {
        matrices.log = event.target.checked;
        drawMatrices();
      }),
    ),
    element("div", { class: "matrices" }, ...found.map(({ row, matrix }) => matrixTable(row, matrix, style))),
    element(
      "p",
      { class: "soft" },
      "Median of the seeds; a line is what was trained so far, a column a task; the framed cell is the task just learned. Growing numbers downwards from there are forgetting.",
    ),
  );
  if (focused) matrices.place.querySelector("input").focus();
}

function matrixTable(row, matrix, style) {
  const tasks = tasksOf(row);
  const head = element(
    "tr",
    {},
    element("td"),
    ...tasks.map((name, task) => element("th", { scope: "col", title: name }, task + 1)),
  );
  const lines = matrix.map((values, after) =>
    element(
      "tr",
      {},
      element("th", { scope: "row" }, after === 0 ? "untrained" : `after ${after}`),
      ...values.map((value, task) =>
        element("td", { style: style(value), class: task + 1 === after ? "learned" : null }, short(value)),
      ),
    ),
  );
  return element(
    "div",
    { class: "wide", tabindex: "0", role: "region", "aria-label": `R of ${data.names[row]}` },
    element(
      "table",
      { class: "heat" },
      element("caption", {}, data.names[row]),
      element("thead", {}, head),
      element("tbody", {}, ...lines),
    ),
  );
}
