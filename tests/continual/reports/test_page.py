"""The page of an experiment stands alone: everything embedded, escaped, and linked to its runs."""

import base64
import json
import re
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest

from continual.metrics import ACCURACIES, METRICS
from continual.records.record import Record, read_record
from continual.reports.page import DEFINITIONS, PageRun, write_overview, write_page
from continual.reports.page.curves import CURVES, FEWEST, MATRICES, encode, thinned
from continual.reports.tables import rows
from tests.synthetic import five_peaks

# one white pixel
PNG = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP4DwABAQEAsTj2FAAAAABJRU5ErkJggg==")
COMMAND = "python -m scripts.train +experiment=five_peaks 'model.name=<x> & y'"


class Reader(HTMLParser):
    """Collects tags with their attributes, and sees that they are closed in order."""

    VOID = frozenset({"meta", "img", "br", "wbr"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> list[Record]:
    found = five_peaks(tmp_path_factory.mktemp("experiment"), 4, members=3, tasks=2)
    nasty = {**found[0].fields, "name": '<script>alert(1)</script> & "KAN"', "device": "cpu <old>"}
    return [replace(found[0], fields=nasty), *found[1:]]


@pytest.fixture(scope="module")
def page(records: list[Record]) -> str:
    folder = records[0].folder.parent
    for name in ("phases.png", "phases.pdf", "R & more.png"):
        (folder / name).write_bytes(PNG)
    target = write_page(
        folder,
        records,
        "Five <peaks>",
        {"phases": [folder / "phases.png", folder / "phases.pdf"], "matrices": folder / "R & more.png"},
        {"phases": "Top: data; a < b."},
        COMMAND,
    )
    assert target == folder / "index.html"
    return target.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def tags(page: str) -> list[tuple[str, dict[str, str | None]]]:
    reader = Reader()
    reader.feed(page)
    assert not reader.open
    return reader.tags


def test_it_asks_nothing_of_any_server(page: str, tags: list[tuple[str, dict[str, str | None]]]) -> None:
    assert not {"link", "iframe", "object"} & {tag for tag, _ in tags}
    scripts = [attributes for tag, attributes in tags if tag == "script"]
    assert scripts == [{"type": "application/json", "id": "data"}, {"type": "module"}]
    (policy,) = (attributes for _, attributes in tags if attributes.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in str(policy["content"])  # the browser itself would refuse
    for _, attributes in tags:
        for name in ("src", "href"):
            if (value := attributes.get(name)) is not None:
                assert value.startswith(("data:image/png;base64,", "./"))
    assert "url(" not in page
    assert "@import" not in page
    assert "prefers-color-scheme: dark" in page


def test_figures_are_embedded_with_their_command(page: str, tags: list[tuple[str, dict[str, str | None]]]) -> None:
    images = [attributes for tag, attributes in tags if tag == "img"]
    assert len(images) == 2
    for image in images:
        assert base64.b64decode(str(image["src"]).split(",", 1)[1]) == PNG
    assert images[0]["alt"] == "phases: Top: data; a < b."
    blocks = re.findall(r"<figure>.*?</figure>", page, flags=re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        assert COMMAND in unescape(block)
    assert "phases.pdf" in blocks[0]


def test_links_lead_to_files_that_are_there(
    records: list[Record], tags: list[tuple[str, dict[str, str | None]]]
) -> None:
    folder = records[0].folder.parent
    links = {unquote(str(attributes["href"])) for tag, attributes in tags if tag == "a"}
    assert all((folder / link).exists() for link in links)
    for record in records:
        assert f"./{record.folder.name}" in links
        assert f"./{record.folder.name}/record.json" in links


def test_names_are_escaped(page: str) -> None:
    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<title>Five &lt;peaks&gt;</title>" in page
    assert "cpu &lt;old&gt;" in page


def test_it_holds_table_definitions_versions_and_hardware(page: str, records: list[Record]) -> None:
    text = unescape(re.sub(r"<[^>]+>", "\n", page))
    assert set(DEFINITIONS) == {*METRICS, *ACCURACIES}
    for name, label in METRICS.items():
        assert label in text
        assert DEFINITIONS[name] in text
    for row in rows(records):
        assert all(cell in text for cell in row.cells(with_total=True))
    assert "torch 2.13.0" in text
    assert "cpu (2 cores)" in text
    assert "4 runs, 12 trained networks in all, 1 of them diverged." in text


def embedded(page: str) -> dict[str, Any]:
    """What the page's scripts draw from."""
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, flags=re.DOTALL)
    return dict(json.loads(text))


def floats(text: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), dtype="<f4")


def test_what_scripts_draw_is_what_was_recorded(page: str, records: list[Record]) -> None:
    for record, series in zip(records, embedded(page)["series"], strict=True):
        curves = record.curves
        kept = series["points"]
        assert kept == series["evaluations"] == len(curves["step"])
        assert series["quantities"] == ["mean", "0", "1", "loss"]
        steps, *spread = np.split(floats(series["curves"]), [kept])
        np.testing.assert_array_equal(steps, curves["step"])
        lost = np.isnan(curves["rmse"]).any((1, 2))
        if not lost.any():
            expected = np.quantile(curves["rmse"][..., 1], (0.1, 0.5, 0.9), axis=0)
            np.testing.assert_allclose(spread[0].reshape(4, 3, kept)[2], expected, rtol=1e-6)
        np.testing.assert_allclose(floats(series["matrix"]).reshape(3, 2), np.nanmedian(record.R, axis=0), rtol=1e-6)


def test_the_same_records_make_the_same_bytes(records: list[Record], tmp_path: Path) -> None:
    made = []
    for _ in range(2):
        fresh = [read_record(record.folder) for record in records]
        made.append(write_page(tmp_path, fresh, "x", {}, {}, "").read_bytes())
    assert made[0] == made[1]


def test_a_thousand_runs_stay_within_the_budget(records: list[Record]) -> None:
    series = [each for each in encode([records[1]] * 1000) if each is not None]
    assert sum(len(floats(each.curves)) for each in series) <= CURVES
    assert all(each.points >= FEWEST for each in series)
    most = [each for each in encode([records[1]] * 30_000) if each is not None]  # more than all fit
    assert sum(len(floats(each.curves)) for each in most) <= CURVES + 10_000
    assert sum(len(floats(each.matrix)) for each in most) <= MATRICES
    assert most[0].curves
    assert not most[-1].curves


@pytest.mark.parametrize(("tasks", "each", "most"), [(5, 200, 40), (1, 1000, 16), (50, 10, 16), (3, 4, 100)])
def test_thinned_curves_keep_ends_and_the_ends_of_tasks(tasks: int, each: int, most: int) -> None:
    task = np.concatenate([[-1], np.repeat(np.arange(tasks), each)])
    kept = thinned(task, most)
    assert np.all(np.diff(kept) > 0)
    assert {0, len(task) - 1} <= set(kept.tolist())
    assert len(kept) <= max(most, 2)
    if 2 * tasks + 2 <= most:
        assert {(j + 1) * each for j in range(tasks)} <= set(kept.tolist())
    if len(task) <= most:
        assert len(kept) == len(task)


def test_settings_that_are_missing_or_no_json(tmp_path: Path) -> None:
    settings = [{("a",): None, ("b",): float("nan")}, {("b",): [1, float("inf")]}]
    runs = [PageRun(tmp_path / str(i), "n", "failed", settings=each, problem="x") for i, each in enumerate(settings)]
    data = embedded(write_overview(tmp_path, runs).read_text(encoding="utf-8"))
    first, second = (column for column in data["columns"] if column["group"] == "setting")
    assert [first["different"], first["at"]] == [[None], [0, -1]]
    assert second["values"] == ["nan", [1, "inf"]]


def test_a_missing_figure_is_an_error(records: list[Record], tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_page(tmp_path, records, "x", {"phases": tmp_path / "none.png"}, {}, "")
    assert not (tmp_path / "index.html").exists()
