// Curves of chosen runs along training, one chart a task, drawn by uPlot: medians, and bands of the members.

const curves = {
  quantity: "tasks",
  logX: false,
  logY: null,
  band: true,
  charts: [],
  place: element("div", { class: "charts" }),
};

/** What can be drawn of the chosen runs: all tasks, one of them, their mean, the loss. */
function quantities() {
  const found = new Set(chosen.drawn().flatMap((row) => (data.series[row]?.curves ? data.series[row].quantities : [])));
  const tasks = [...found].filter((name) => /^\d+$/.test(name)).sort((a, b) => a - b);
  return [
    ...(tasks.length > 1 ? [["tasks", "RMSE of every task"]] : []),
    ...(found.has("mean") ? [["mean", "RMSE, mean over tasks"]] : []),
    ...tasks.map((name) => [name, `RMSE on task ${Number(name) + 1}${taskName(Number(name))}`]),
    ...(found.has("accuracy") ? [["accuracy", "accuracy, mean over tasks"]] : []),
    ...(found.has("loss") ? [["loss", "training loss"]] : []),
  ];
}

/** The name of a task if all chosen runs call it the same. */
function taskName(index) {
  const names = new Set(
    chosen
      .drawn()
      .map((row) => tasksOf(row)[index])
      .filter((name) => name !== undefined),
  );
  return names.size === 1 ? `: ${[...names][0]}` : "";
}

const hasName = (options, value) => options.some(([key]) => key === value);

function drawCurves() {
  for (const chart of curves.charts) chart.destroy();
  curves.charts = [];
  const options = quantities();
  if (options.length === 0) {
    const why =
      chosen.rows.length === 0
        ? "Choose runs in the table to see their curves."
        : "There are no curves of these runs in the page.";
    curves.place.replaceChildren(element("p", { class: "soft" }, why));
    return;
  }
  if (!hasName(options, curves.quantity)) curves.quantity = options[0][0];
  const wanted =
    curves.quantity === "tasks"
      ? options.filter(([key]) => /^\d+$/.test(key))
      : options.filter(([key]) => key === curves.quantity);
  const frames = wanted
    .slice(0, MANY)
    .map(([key, title]) => ({ key, title, frame: element("div", { class: "chart" }) }));
  const controls = element(
    "div",
    { class: "bar" },
    choice("Show", options, curves.quantity, (value) => {
      curves.quantity = value;
      drawCurves();
    }),
    toggle("logarithmic errors", isLogY(frames), (event) => {
      curves.logY = event.target.checked;
      drawCurves();
    }),
    toggle("logarithmic steps", curves.logX, (event) => {
      curves.logX = event.target.checked;
      drawCurves();
    }),
    toggle("members' band", curves.band, (event) => {
      curves.band = event.target.checked;
      drawCurves();
    }),
  );
  const focused = [...curves.place.querySelectorAll("select, input")].indexOf(document.activeElement);
  const cut =
    wanted.length > MANY
      ? element("p", { class: "soft" }, `The first ${MANY} of ${wanted.length} tasks; “Show” has the others.`)
      : null;
  const grid = element("div", { class: frames.length > 1 ? "grid" : "alone" }, ...frames.map((each) => each.frame));
  curves.place.replaceChildren(
    controls,
    legend(),
    grid,
    ...(cut ? [cut] : []),
    element("p", { class: "soft" }, about()),
  );
  curves.place.querySelectorAll("select, input")[focused]?.focus();
  for (const { key, title, frame } of frames) drawChart(frame, key, title, isLogY(frames), frames.length > 1);
}

/** Charts that are drawn at once. */
const MANY = 12;

/** How the curves were made, and what is left of them in this page. */
function about() {
  const [low, high] = data.band.map((share) => Math.round(100 * share));
  const kept = chosen
    .drawn()
    .map((row) => data.series[row])
    .filter((series) => series?.points);
  const thin = kept.filter((series) => series.points < series.evaluations);
  const less =
    thin.length > 0
      ? ` To keep the page small, it holds up to ${Math.max(...thin.map((series) => series.points))} of at most ${Math.max(...thin.map((series) => series.evaluations))} evaluations of a run, the ends of tasks among them, as they were measured; all are in curves.npz.`
      : "";
  return `Line: median of the seeds; band: ${low}–${high} % of them. Steps are those of the whole training; lines across mark the ends of tasks. Keys ← → move along a chart.${less}`;
}

function isLogY(frames) {
  if (curves.logY !== null) return curves.logY;
  return spansDecades(
    frames.flatMap(({ key }) =>
      chosen.drawn().flatMap((row) => (curveOf(row, key)?.middle ?? []).filter((value) => value !== null)),
    ),
  );
}

/** Which colour is which run. */
function legend() {
  const found = colours();
  const items = chosen
    .drawn()
    .map((row) =>
      element(
        "li",
        {},
        element("span", { class: "swatch", style: `background:${readable(found.get(row))}`, "aria-hidden": "true" }),
        data.names[row],
      ),
    );
  return element("ul", { class: "legend" }, ...items);
}

/** One chart: the curves of one quantity of all drawn runs. */
function drawChart(frame, key, title, logY, many) {
  const found = colours();
  const lines = chosen
    .drawn()
    .map((row) => ({ row, curve: curveOf(row, key) }))
    .filter((line) => line.curve !== null);
  const positive = (values, on) => (on ? values.map((value) => (value !== null && value > 0 ? value : null)) : values);
  const tables = lines.map(({ curve }) => {
    const from = curves.logX ? curve.steps.findIndex((step) => step > 0) : 0;
    const cut = (values) => values.slice(from);
    return [cut(curve.steps), ...[curve.middle, curve.low, curve.high].map((values) => cut(positive(values, logY)))];
  });
  const joined = tables.length > 0 ? uPlot.join(tables) : [[]];
  const series = [{}];
  const bands = [];
  lines.forEach(({ row }, index) => {
    const colour = readable(found.get(row));
    const first = 1 + 3 * index;
    const edge = { stroke: "transparent", width: 0, points: { show: false }, spanGaps: false, show: curves.band };
    series.push(
      { label: data.names[row], stroke: colour, width: 2, points: { show: false } },
      { ...edge },
      { ...edge },
    );
    if (curves.band) bands.push({ series: [first + 2, first + 1], fill: readable(found.get(row), 0.18) });
  });
  const ends = [...new Set(lines.flatMap(({ row }) => data.series[row].boundaries))].sort((a, b) => a - b);
  const axis = {
    stroke: themed("--ink"),
    grid: { stroke: themed("--line"), width: 1 },
    ticks: { stroke: themed("--line"), width: 1 },
    font: "12px system-ui, sans-serif",
  };
  const heading = element("h4", {}, title);
  const readout = element("p", { class: "readout soft", "aria-live": "polite" });
  const canvas = element("div", {
    tabindex: "0",
    role: "img",
    "aria-label": `${title} against training steps. ${described(lines)}`,
    onkeydown: (event) => walk(chart, event),
  });
  frame.replaceChildren(heading, canvas, readout);
  const size = () => ({
    width: Math.max(frame.clientWidth, 200),
    height: many ? 190 : Math.min(360, Math.max(220, frame.clientWidth * 0.5)),
  });
  const chart = new uPlot(
    {
      ...size(),
      scales: { x: { time: false, distr: curves.logX ? 3 : 1 }, y: { distr: logY ? 3 : 1 } },
      series,
      bands,
      legend: { show: false },
      cursor: {
        y: false,
        sync: { key: "curves" },
        drag: { x: true, y: false },
        points: { show: (self, index) => (index % 3 === 1 ? undefined : false) },
      },
      axes: [
        {
          ...axis,
          ...(ends.length > 0 && ends.length <= 8 && !curves.logX ? { splits: () => [0, ...ends] } : {}),
          values: (self, splits) => splits.map((value) => (value === null ? "" : long(value))),
        },
        {
          ...axis,
          size: 62,
          values: (self, splits) => splits.map((value) => (value === null ? "" : short(value, 1 + (logY ? 0 : 2)))),
          ...(logY
            ? { filter: decades, grid: { ...axis.grid, filter: decades }, ticks: { ...axis.ticks, filter: decades } }
            : {}),
        },
      ],
      hooks: { setCursor: [(self) => (readout.textContent = readOut(self, lines))] },
    },
    joined,
    canvas,
  );
  curves.charts.push(chart);
}

/** Of the marks of a logarithmic axis those at powers of ten, so many apart that six are left; all within a decade. */
function decades(chart, marks) {
  const { min, max } = chart.scales.y;
  const every = Math.ceil(Math.log10(max / min) / 6);
  const power = (value) => Math.round(Math.log10(value));
  const round = (value) => Math.abs(Math.log10(value) - power(value)) < 1e-9;
  if (max < 20 * min) return marks;
  return marks.map((value) => (value !== null && round(value) && power(value) % every === 0 ? value : null));
}

/** Beginning and end of each line in words, for those who do not see it. */
function described(lines) {
  return lines
    .map(({ row, curve }) => `${data.names[row]}: from ${short(curve.middle[0])} to ${short(curve.middle.at(-1))}`)
    .join("; ");
}

/** What the lines are at the cursor. */
function readOut(chart, lines) {
  const at = chart.cursor.idx;
  if (at === null || at === undefined) return "";
  const parts = lines.map(({ row }, index) => {
    const [middle, low, high] = [1, 2, 3].map((part) => chart.data[3 * index + part][at]);
    return middle === null || middle === undefined
      ? null
      : `${data.names[row]} ${short(middle)} (${short(low)} to ${short(high)})`;
  });
  return `step ${long(chart.data[0][at])}: ${parts.filter(Boolean).join("; ")}`;
}

/** Arrow keys move the cursor from evaluation to evaluation, Home and End to the ends; Escape shows all again. */
function walk(chart, event) {
  const last = chart.data[0].length - 1;
  const at = chart.cursor.idx ?? -1;
  const next = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: last }[event.key];
  if (event.key === "Escape") chart.setScale("x", { min: chart.data[0][0], max: chart.data[0][last] });
  if (next === undefined || last < 0) return;
  event.preventDefault();
  const index = Math.min(Math.max(next, 0), last);
  chart.setCursor({ left: chart.valToPos(chart.data[0][index], "x"), top: 10 }, true);
}

new ResizeObserver(() => {
  for (const chart of curves.charts) {
    const width = chart.root.parentElement?.parentElement?.clientWidth ?? 0;
    if (width > 0 && Math.abs(width - chart.width) > 1) chart.setSize({ width, height: chart.height });
  }
}).observe(curves.place);
