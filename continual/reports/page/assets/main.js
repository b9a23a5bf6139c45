// Puts the dashboard together, below the heading "Results".

const choose = {
  shown: button("Choose all shown", () => chosen.set(shown.rows)),
  none: button("Choose none", () => chosen.set([])),
  csv: button("Download CSV", () => download(`${data.file}.csv`, csvOf(shown.rows, columns), "text/csv")),
};
const chosenSaid = status();

/** Everything that shows the chosen runs. */
function drawChosen() {
  const many = chosen.rows.length;
  chosenSaid.textContent =
    many === 0
      ? "No run is chosen."
      : `${many} chosen${many > chosen.most ? `; the first ${chosen.most} are drawn` : ""}.`;
  drawCurves();
  drawMatrices();
  drawDifferences();
}

const dashboard = document.getElementById("dashboard");
dashboard.append(
  element("div", { class: "bar" }, element("label", {}, "Search", search), choose.shown, choose.none, choose.csv),
  filterForm(),
  chips,
  columnChooser(),
  element(
    "div",
    { class: "wide tall", tabindex: "0", role: "region", "aria-label": "runs" },
    element(
      "table",
      { class: "runs", "aria-describedby": "runs-said" },
      element("caption", { class: "unseen" }, "Runs; headings sort"),
      table.head,
      table.body,
    ),
  ),
  table.said,
  table.pages,
);
const closer = document.getElementById("chosen");
closer.append(
  chosenSaid,
  section("Curves of the chosen runs", "curves", curves.place),
  section("R of the chosen runs", "matrices", matrices.place),
  section("Two settings", "two-settings", heat.place),
  section("Settings and commands of the chosen runs", "differences", differences.place),
);
dashboard.hidden = closer.hidden = false;

drawChips();
redrawTable();
drawHeat();
shown.listeners.push(drawHeat);
chosen.listeners.push(drawChosen);
chosen.set(everyRow.filter((row) => data.series[row]?.curves).slice(0, 3));
dark.addEventListener("change", drawChosen);
