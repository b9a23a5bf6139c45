"""The page of an experiment stands alone: everything embedded, escaped, and linked to its runs."""

import base64
import re
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

from continual.metrics import METRICS
from continual.records.record import Record
from continual.reports.page import DEFINITIONS, write_page
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
    assert set(DEFINITIONS) == set(METRICS)
    for name, label in METRICS.items():
        assert label in text
        assert DEFINITIONS[name] in text
    for row in rows(records):
        assert all(cell in text for cell in row.cells(with_total=True))
    assert "torch 2.13.0" in text
    assert "cpu (2 cores)" in text
    assert "4 runs, 12 trained networks in all, 1 of them diverged." in text


def test_a_missing_figure_is_an_error(records: list[Record], tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_page(tmp_path, records, "x", {"phases": tmp_path / "none.png"}, {}, "")
    assert not (tmp_path / "index.html").exists()
