"""The page in a browser: sorted, filtered, searched, compared, downloaded, by mouse and keyboard, without an error."""

import csv
import io
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from continual.metrics import summarize
from continual.records.listing import Entry, begin_list
from continual.records.record import Record
from continual.records.states import note_failure
from continual.records.store import find_runs
from continual.reports.page import PageRun, write_overview
from scripts.command import train_command
from scripts.runs.commands import command_of
from tests.synthetic import grid_depth

playwright = pytest.importorskip("playwright.sync_api", reason="no playwright: pip install -e '.[browser]'")
CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on the path")

NASTY = """</script><script>alert('1')</script> "é – 日本" & $HOME !! `x` it's"""
OVERRIDES = ["model.grid_size=5", f"name={json.dumps(NASTY, ensure_ascii=False)}", "curriculum.order=[1,0]"]


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> list[Record]:
    """KANs and MLPs over grid size and depth with their configs, one with a name that wants escaping, one failed."""
    folder = tmp_path_factory.mktemp("page") / "results" / "grids"
    found = grid_depth(folder)
    entries = []
    for number, record in enumerate(found):
        config = {
            "model": {**record.sweep, "layers": [1, 5, 1], "no": None, "base": NASTY},
            "optimizer": {"lr": 1e-8 if number else 0.1, "betas": [0.9, 1e-05], "on": True, "empty": {}},
        }
        (record.folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
        name = NASTY if number == 0 else record.name
        entries.append(Entry(number, record.folder.name, "kan", name, record.sweep, OVERRIDES))
    lost = folder / "kan-lost"
    lost.mkdir()
    (lost / "config.yaml").write_text("model: {}\n")
    note_failure(lost, "no <memory> left")
    entries.append(Entry(len(found), lost.name, "kan", "lost one", {"grid_size": 7}, ["model.grid_size=7"]))
    begin_list(folder, "sweep", entries)
    return found


@pytest.fixture(scope="module")
def page_path(records: list[Record]) -> Path:
    results = records[0].folder.parents[1]
    return write_overview(results, [PageRun.of(run, command_of(run)) for run in find_runs([results])])


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture
def page(browser: Any, page_path: Path, request: pytest.FixtureRequest) -> Iterator[Any]:
    """The page, opened; afterwards it has said nothing on the console and asked nothing of the network."""
    context = browser.new_context(**getattr(request, "param", {}))
    opened = context.new_page()
    said: list[str] = []
    opened.on("console", lambda message: said.append(message.text))
    opened.on("pageerror", lambda error: said.append(str(error)))
    opened.on("dialog", lambda dialog: said.append(dialog.message))
    opened.on("request", lambda sent: said.append(sent.url) if not sent.url.startswith(("file:", "data:")) else None)
    opened.goto(page_path.as_uri())
    yield opened
    context.close()
    assert said == []


def column(page: Any, title: str) -> list[str]:
    """What the table shows below a heading."""
    heads = [text.strip("▲▼ ") for text in page.locator("table.runs thead th").all_inner_texts()]
    at = heads.index(title)
    return page.eval_on_selector_all("table.runs tbody tr", f"rows => rows.map(r => r.children[{at}].innerText)")


def test_headings_sort_and_say_so(page: Any, records: list[Record]) -> None:
    means = {record.folder.name: float(summarize(record.metrics["forgetting"]).mean) for record in records}
    ordered = sorted(means, key=lambda name: means[name])
    head = page.locator("table.runs thead").get_by_role("button", name="forgetting ↓")
    links = "rows => rows.map(a => a.getAttribute('href').split('/').pop())"
    for wanted, state in ((ordered, "ascending"), (ordered[::-1], "descending")):
        head.focus()
        page.keyboard.press("Enter")
        found = page.eval_on_selector_all("table.runs tbody a", links)
        assert found == [*wanted, "kan-lost"]  # what has no number comes last either way
        assert head.locator("xpath=..").get_attribute("aria-sort") == state
        assert head.evaluate("button => document.activeElement === button")  # the keyboard stays where it was


def test_search_and_filters(page: Any) -> None:
    page.get_by_label("Search").fill('mlp "depth 2"')
    assert all(name.startswith("MLP") for name in column(page, "name"))
    assert len(column(page, "name")) == 3
    page.get_by_label("Search").fill("")
    form = page.locator("form")
    form.get_by_label("Filter").select_option("model.grid_size")
    form.get_by_label("how to compare").select_option("≥")
    form.get_by_label("value").fill("20")
    page.keyboard.press("Enter")
    assert len(column(page, "name")) == 8
    page.get_by_role("button", name="remove the filter: model.grid_size ≥ 20").click()
    assert len(column(page, "name")) == 13
    page.get_by_label("Search").fill("<memory>")
    assert column(page, "name") == ["lost one"]
    assert column(page, "state") == ["failed"]
    assert column(page, "problem") == ["no <memory> left"]


def test_columns_are_chosen(page: Any) -> None:
    page.locator("details.columns summary").click()
    page.get_by_label("optimizer.lr", exact=True).check()
    assert column(page, "optimizer.lr")[:2] == ["0.1", "1.00000e-8"]
    page.get_by_label("FLOPs", exact=True).uncheck()
    assert "FLOPs" not in page.locator("table.runs thead").inner_text()


def test_names_are_text(page: Any) -> None:
    assert column(page, "name")[0] == NASTY
    assert page.locator("article h4").first.inner_text() == NASTY


def test_curves_and_matrices_are_those_of_the_records(page: Any, records: list[Record]) -> None:
    charts = page.locator("#chosen canvas")
    assert charts.count() == 3  # of every task
    third = page.locator("table.heat").nth(2)
    assert third.locator("caption").inner_text() == records[2].name
    cells = np.array([float(text) for text in third.locator("tbody td").all_inner_texts()]).reshape(4, 3)
    np.testing.assert_allclose(cells, np.median(records[2].R, axis=0), rtol=0.06)
    for box in page.locator("table.runs tbody input").all()[:3]:
        box.uncheck()
    assert charts.count() == 0
    page.locator("table.runs tbody input").nth(3).check()
    page.get_by_label("Show").select_option("1")
    page.locator(".chart [role=img]").focus()
    page.keyboard.press("End")
    record = records[3]
    low, middle, high = np.quantile(record.curves["rmse"][:, -1, 1], (0.1, 0.5, 0.9))
    words = page.locator(".readout").inner_text().removeprefix(f"step {record.curves['step'][-1]}: {record.name} ")
    said = [float(part) for part in words.replace("(", "").replace(")", "").replace("to ", "").split()]
    np.testing.assert_allclose(said, [middle, low, high], rtol=0.06)
    with page.expect_download() as got:
        page.get_by_role("button", name="Download curves").click()
    lines = list(csv.DictReader(io.StringIO(Path(got.value.path()).read_text())))
    assert [float(each["step"]) for each in lines] == record.curves["step"].tolist()
    np.testing.assert_allclose(float(lines[-1]["rmse_task_2_q90"]), high, rtol=1e-6)


def test_scales_are_switched(page: Any) -> None:
    for name in ("logarithmic errors", "logarithmic steps", "members' band", "logarithmic colours"):
        box = page.get_by_label(name).first
        before = box.is_checked()
        box.focus()
        page.keyboard.press("Space")
        assert page.get_by_label(name).first.is_checked() is not before
        assert page.get_by_label(name).first.evaluate("box => document.activeElement === box")


def test_any_two_settings_as_a_map(page: Any, records: list[Record]) -> None:
    section = page.locator("section[aria-labelledby=two-settings]")
    section.get_by_label("Value").select_option("learned_rmse_mean")
    kan = section.locator("table", has_text="family KAN")
    shown = [[float(cell) for cell in row.locator("td").all_inner_texts()] for row in kan.locator("tbody tr").all()]
    kans = [record for record in records if record.family == "KAN"]
    expected = np.array([summarize(record.metrics["learned_rmse"]).mean for record in kans]).reshape(2, 3)
    np.testing.assert_allclose(shown, expected, rtol=0.06)
    kan.get_by_role("button").nth(4).click()
    assert page.locator("article h4").all_inner_texts() == [kans[4].name]


def test_differences_of_chosen_runs(page: Any) -> None:
    page.get_by_role("button", name="Choose none").click()
    for index in (0, 1):
        page.locator("table.runs tbody input").nth(index).check()
    rows = page.locator("table.settings tbody tr").all_inner_texts()
    assert [row.split() for row in rows] == [["model.grid_size", "5", "20"], ["optimizer.lr", "0.1", "1e-8"]]
    page.get_by_label("all settings").check()
    assert page.locator("table.settings tbody tr").count() == 9


def test_downloads(page: Any, records: list[Record]) -> None:
    with page.expect_download() as got:
        page.get_by_role("button", name="Download CSV").click()
    lines = list(csv.DictReader(io.StringIO(Path(got.value.path()).read_text(encoding="utf-8"))))
    assert [line["name"] for line in lines] == [NASTY, *(record.name for record in records[1:]), "lost one"]
    for line, record in zip(lines, records, strict=False):
        mean = float(summarize(record.metrics["forgetting"]).mean)
        assert float(line["forgetting_mean"]) == pytest.approx(mean, rel=1e-6)
    with page.expect_download() as got:
        page.get_by_role("button", name="Download config").first.click()
    assert got.value.suggested_filename == f"{records[0].folder.name}.yaml"
    config = yaml.safe_load(Path(got.value.path()).read_text(encoding="utf-8"))
    assert config == yaml.safe_load((records[0].folder / "config.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_commands_can_be_pasted(page: Any, shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell}")
    command = page.locator("article pre code").first.inner_text()
    assert command == train_command(OVERRIDES, sweep=False)
    flags = ["--norc"] if shell == "bash" else ["-f"]
    asked = f"""python() {{ printf '%s\\0' "$@"; }}\n{command}\n"""
    done = subprocess.run([shell, *flags, "-c", asked], capture_output=True, check=True)
    assert done.stdout.decode().split("\0")[:-1] == ["-m", "scripts.train", *OVERRIDES]


@pytest.mark.parametrize(
    "page",
    [{"viewport": {"width": 360, "height": 740}}, {"color_scheme": "dark"}],
    indirect=True,
    ids=["phone", "dark"],
)
def test_a_phone_and_the_dark(page: Any) -> None:
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    paper, ink = (page.evaluate(f"getComputedStyle(document.body).{name}") for name in ("backgroundColor", "color"))
    brightness = [sum(map(int, colour[4:-1].split(","))) for colour in (paper, ink)]
    assert (brightness[0] < brightness[1]) is dark
    named = "all => all.filter(e => !e.labels?.length && !e.ariaLabel && !e.textContent.trim()).length"
    assert page.eval_on_selector_all("button, input, select", named) == 0  # each has a name that can be read out


def test_without_scripts_the_tables_are_there(browser: Any, page_path: Path, records: list[Record]) -> None:
    context = browser.new_context(java_script_enabled=False)
    plain = context.new_page()
    plain.goto(page_path.as_uri())
    assert plain.locator("noscript table").count() in (0, 2)  # Chromium shows what is in there as it is
    assert records[3].name in plain.inner_text("body")
    assert "no <memory> left" in plain.inner_text("body")
    context.close()
