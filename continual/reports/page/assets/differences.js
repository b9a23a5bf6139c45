// Chosen runs side by side: in which settings they differ, their commands, configs and files.

const differences = { all: false, place: element("div") };

function drawDifferences() {
  const rows = chosen.drawn();
  if (rows.length === 0) {
    differences.place.replaceChildren(element("p", { class: "soft" }, "Choose runs in the table to compare them."));
    return;
  }
  const different = settings.filter((column) => new Set(rows.map((row) => said(column.at(row)))).size > 1);
  const wanted =
    differences.all || rows.length === 1
      ? settings.filter((column) => rows.some((row) => column.at(row) !== undefined))
      : different;
  const differing = new Set(different);
  const focused =
    differences.place.querySelector("input") === document.activeElement && document.activeElement !== null;
  const head = element(
    "tr",
    {},
    element("th", { scope: "col" }, "setting"),
    ...rows.map((row) => element("th", { scope: "col" }, data.names[row])),
  );
  const lines = wanted.map((column) =>
    element(
      "tr",
      { class: differing.has(column) && differences.all ? "differs" : null },
      element("th", { scope: "row" }, column.title),
      ...rows.map((row) => element("td", {}, said(column.at(row)))),
    ),
  );
  const body =
    lines.length > 0
      ? element(
          "div",
          { class: "wide tall", tabindex: "0", role: "region", "aria-label": "settings of the chosen runs" },
          element("table", { class: "settings" }, element("thead", {}, head), element("tbody", {}, ...lines)),
        )
      : element(
          "p",
          { class: "soft" },
          settings.length === 0 ? "The configs of these runs are not there." : "They differ in no setting.",
        );
  differences.place.replaceChildren(
    rows.length > 1
      ? element(
          "div",
          { class: "bar" },
          toggle("all settings, not only those that differ", differences.all, (event) => {
            differences.all = event.target.checked;
            drawDifferences();
          }),
        )
      : "",
    body,
    ...rows.map(runCard),
  );
  if (focused) differences.place.querySelector("input")?.focus();
}

/** A run's state, command and files. */
function runCard(row) {
  const state = columnOf.get("state").text(row);
  const problem = columnOf.get("problem").at(row);
  const facts = ["status", "seed_list", "seconds", "device", "threads", "peak_memory_mb"]
    .map((key) => columnOf.get(key))
    .filter((column) => column && column.at(row) !== null);
  const name = fileName(data.folders[row]);
  const config = configOf(row);
  const code = element("code", {}, data.commands[row] ?? "");
  const copyButton = button("Copy command", () => copy(data.commands[row], copyButton, code));
  return element(
    "article",
    { class: "card" },
    element("h4", {}, data.names[row]),
    element(
      "p",
      { class: "soft" },
      `${[`state ${state}${problem ? `: ${problem}` : ""}`, ...facts.map((column) => `${column.title} ${column.text(row)}`)].join(" · ")}`,
    ),
    data.commands[row]
      ? element("pre", { tabindex: "0", "aria-label": "command" }, code)
      : element("p", { class: "soft" }, "Its command is not known."),
    element(
      "p",
      { class: "bar" },
      ...(data.commands[row]
        ? [
            copyButton,
            button("Download command", () => download(`${name}.sh`, `${data.commands[row]}\n`, "text/x-shellscript")),
          ]
        : []),
      ...(Object.keys(config).length > 0
        ? [button("Download config", () => download(`${name}.yaml`, yamlOf(config), "text/yaml"))]
        : []),
      ...(data.series[row]?.curves
        ? [button("Download curves", () => download(`${name}-curves.csv`, curvesCsv(row), "text/csv"))]
        : []),
      ...data.files[row].map((file) => element("a", { href: `${data.folders[row]}/${file}` }, file)),
    ),
  );
}

/** The last part of an address, as a file's name. */
function fileName(address) {
  return decodeURIComponent(address.split("/").at(-1));
}

/** The curves of a run as the page has them, a line an evaluation. */
function curvesCsv(row) {
  const quantities = data.series[row].quantities;
  const found = quantities.map((quantity) => curveOf(row, quantity));
  const label = (quantity) =>
    /^\d+$/.test(quantity) ? `rmse_task_${Number(quantity) + 1}` : quantity === "mean" ? "rmse_mean" : quantity;
  const ends = data.band.map((share) => `q${Math.round(100 * share)}`);
  const head = [
    "step",
    ...quantities.flatMap((quantity) => [ends[0], "median", ends[1]].map((part) => `${label(quantity)}_${part}`)),
  ];
  const lines = found[0].steps.map((step, at) => [
    step,
    ...found.flatMap((curve) => [curve.low[at], curve.middle[at], curve.high[at]]),
  ]);
  return [head, ...lines].map((line) => line.map(csvCell).join(",") + "\r\n").join("");
}
