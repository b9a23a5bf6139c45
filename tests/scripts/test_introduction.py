"""The introduction in a browser: widgets answer mouse, sliders and keyboard, and train what Python trains."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from continual.optimizers import Adam
from kan import KAN
from kan.pictures.curves import bernstein, de_casteljau
from kan.splines import basis, extend_grid, uniform_grid
from scripts.explain.__main__ import main
from scripts.explain.widgets import COMPUTING, STEPS, starting_mlp, widget_data, widget_script

NODE = shutil.which("node")
CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
PEAKS = torch.tensor([-0.8, -0.4, 0.0, 0.4, 0.8], dtype=torch.float64)


def computed(expression: str) -> Any:
    """What an expression over the page's own functions comes to."""
    if NODE is None:
        pytest.skip("no node on the path")
    code = f"{widget_script(COMPUTING)}\nconst data = {widget_data()};\nconsole.log(JSON.stringify({expression}));"
    done = subprocess.run([NODE, "-"], input=code, text=True, capture_output=True, check=True, timeout=120)
    return json.loads(done.stdout)


def target(x: torch.Tensor) -> torch.Tensor:
    return torch.exp(-300 * (x - PEAKS) ** 2).sum(dim=-1, keepdim=True)


def trained(model: nn.Module, steps: int, reset: bool) -> list[float]:
    """RMSE on the page's test points of each peak, after the suite's own Adam has gone through the five."""
    wanted = [p for p in model.parameters() if p.requires_grad]
    optimizer = Adam(wanted, lr=0.01)
    for c in PEAKS.tolist():
        x = torch.linspace(c - 0.2, c + 0.2, 100, dtype=torch.float64)[:, None]
        if reset:
            optimizer = Adam(wanted, lr=0.01)
        for _ in range(steps):
            optimizer.zero_grad()
            (model(x) - target(x)).square().mean().backward()
            optimizer.step()
    found = []
    for c in PEAKS.tolist():
        x = (c - 0.2 + 0.4 * (torch.arange(200, dtype=torch.float64) + 0.5) / 200)[:, None]
        found.append(float((model(x) - target(x)).detach().square().mean().sqrt()))
    return found


def zero_kan(grid_size: int = 200, base: str = "zero") -> KAN:
    model = KAN(1, 1, depth=1, grid_size=grid_size, base=base, train_spline_scale=False, dtype=torch.float64)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "spline_scale" not in name:
                parameter.zero_()
    return model


@cache
def expected() -> list[list[float]]:
    return [trained(zero_kan(), STEPS, True), trained(starting_mlp(), STEPS, True)]


def learner(model: str, steps: int, reset: bool = True) -> str:
    settings = f"{{rate: 0.01, steps: {steps}, reset: {str(reset).lower()}}}"
    run = "while (!l.finished) l.advance(1e6); return l.errors();"
    return f"(() => {{ const l = new Learner({model}, {settings}); {run} }})()"


@pytest.mark.parametrize(
    ("script", "model", "steps", "reset"),
    [
        ("new PlainKAN(200, false)", zero_kan, STEPS, True),
        ("new PlainKAN(20, true)", lambda: zero_kan(20, "silu"), 100, False),
        ('new PlainMLP(data.start, "tanh")', starting_mlp, STEPS, True),
        ('new PlainMLP(data.start, "silu")', lambda: starting_mlp("silu"), 100, False),
        ('new PlainMLP(data.start, "relu")', lambda: starting_mlp("relu"), 100, True),
    ],
)
def test_the_page_trains_to_what_python_trains_to(script, model, steps, reset) -> None:
    np.testing.assert_allclose(computed(learner(script, steps, reset)), trained(model(), steps, reset), rtol=1e-6)


def test_the_kan_keeps_and_the_mlp_forgets() -> None:
    kan, mlp = expected()
    assert max(kan) < 3e-4
    assert min(mlp[:-1]) > 0.4  # knowing nothing costs 0.43


@pytest.mark.parametrize("order", [1, 2, 3])
def test_its_splines_are_those_of_the_suite(order) -> None:
    x = [-1.7, -1.0, -0.31, 0.0, 0.25, 0.999, 1.0, 1.4]
    knots = extend_grid(uniform_grid(-1, 1, 5, dtype=torch.float64), order)
    wanted = basis(torch.tensor(x, dtype=torch.float64)[:, None], knots[None], order)[:, 0]
    found = computed(f"{json.dumps(x)}.map((x) => bases(evenKnots(-1, 1, 5, {order}), {order}, x))")
    np.testing.assert_allclose(found, wanted, atol=1e-14)


def test_its_bezier_curves_are_right() -> None:
    points = np.random.default_rng(0).normal(size=(6, 2)).tolist()
    np.testing.assert_allclose(computed("bernstein(40, 0.3)"), bernstein(40, 0.3), atol=1e-14)
    levels = computed(f"deCasteljau({json.dumps(points)}, 0.7)")
    np.testing.assert_allclose(levels[-1], de_casteljau(points, 0.7)[-1], atol=1e-14)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    api = pytest.importorskip("playwright.sync_api", reason="no playwright: pip install -e '.[browser]'")
    if CHROMIUM is None:
        pytest.skip("no Chromium on the path")
    with api.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture(scope="module")
def page_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("explain")
    main(["--out", str(folder)])
    assert (folder / "index.html").stat().st_size < 3e6
    return folder / "index.html"


@pytest.fixture
def page(browser: Any, page_path: Path, request: pytest.FixtureRequest) -> Iterator[Any]:
    """The page, opened; afterwards it has said nothing on the console and asked nothing of the network."""
    context = browser.new_context(**{"viewport": {"width": 800, "height": 900}, **getattr(request, "param", {})})
    opened = context.new_page()
    said: list[str] = []
    opened.on("console", lambda message: said.append(message.text))
    opened.on("pageerror", lambda error: said.append(str(error)))
    opened.on("request", lambda sent: said.append(sent.url) if not sent.url.startswith(("file:", "data:")) else None)
    opened.goto(page_path.as_uri())
    yield opened
    context.close()
    assert said == []


def widget(page: Any, name: str) -> Any:
    return page.locator(f"[data-widget={name}]")


WIDGETS = ("approximation", "theorem", "bezier", "bspline", "layer", "parameters", "forgetting")


def test_every_slider_answers_to_the_keyboard(page: Any) -> None:
    for name in WIDGETS:
        place = widget(page, name)
        for slider in place.locator("input[type=range]").all():
            before = place.inner_html() + place.locator(".said").inner_text()
            slider.focus()
            page.keyboard.press("ArrowLeft" if slider.evaluate("s => s.value === s.max") else "ArrowRight")
            assert place.inner_html() + place.locator(".said").inner_text() != before, name
        for box in place.locator("input[type=checkbox]").all():
            before = place.inner_html() + str(place.locator("canvas").count() and place.locator("canvas").screenshot())
            box.focus()
            page.keyboard.press("Space")
            after = place.inner_html() + str(place.locator("canvas").count() and place.locator("canvas").screenshot())
            assert after != before or name == "forgetting"


@pytest.mark.parametrize("name", ["bezier", "bspline", "layer"])
def test_points_are_dragged_and_moved_by_keys(page: Any, name: str) -> None:
    place = widget(page, name)
    place.scroll_into_view_if_needed()
    grip = place.locator(".grip").nth(1)
    line = place.locator("polyline:not(.axis):not(.target)").last
    first = line.get_attribute("points"), grip.get_attribute("cy")
    box = grip.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + 12, box["y"] + 50, steps=4)
    page.mouse.up()
    assert grip.get_attribute("cy") != first[1]
    after = grip.get_attribute("cy")
    grip.focus()
    page.keyboard.press("ArrowUp")
    assert float(grip.get_attribute("cy")) < float(after)
    changed = place.inner_html()
    page.keyboard.press("ArrowDown")
    assert place.inner_html() != changed


def test_a_coefficient_moves_four_intervals_and_a_bezier_point_the_whole_curve(page: Any) -> None:
    def curves(place: Any) -> list[str]:
        return place.locator("polyline[stroke-width='2.5']").evaluate_all(
            "all => all.map(e => e.getAttribute('points'))"
        )

    spline = widget(page, "bspline")
    before = curves(spline)
    spline.locator(".grip").nth(5).focus()
    page.keyboard.press("ArrowUp")
    moved = [a != b for a, b in zip(before, curves(spline), strict=True)]
    assert moved == [False, False, True, True, True, True, False, False]
    assert spline.locator(".field").count() == 1
    bezier = widget(page, "bezier")
    old = [point.split(",") for point in curves(bezier)[0].split()]
    bezier.locator(".grip").nth(1).focus()
    page.keyboard.press("Shift+ArrowUp")
    new = [point.split(",") for point in curves(bezier)[0].split()]
    assert sum(a != b for a, b in zip(old, new, strict=True)) > 190  # of 200; the ends stay


def test_five_peaks_are_trained_in_the_page_as_in_python(page: Any) -> None:
    place = widget(page, "forgetting")
    for _ in range(5):
        place.get_by_role("button", name="One phase").click()
    assert "All five phases are over" in place.locator(".said").inner_text()
    found = json.loads(place.locator(".said").get_attribute("data-errors"))
    np.testing.assert_allclose(found, expected(), rtol=1e-6)
    place.get_by_role("button", name="Start again").click()
    assert "Phase 1 of 5, step 0" in place.locator(".said").inner_text()


def test_playing_runs_and_stops(page: Any) -> None:
    place = widget(page, "bezier")
    place.get_by_role("button", name="Play").click()
    page.wait_for_function("() => document.querySelector('[data-widget=bezier] .slider b').textContent !== '0.4'")
    place.get_by_role("button", name="Stop").click()
    stopped = place.locator(".slider b").first.inner_text()
    page.wait_for_timeout(120)
    assert place.locator(".slider b").first.inner_text() == stopped


@pytest.mark.parametrize("page", [{"reduced_motion": "reduce"}], indirect=True)
def test_reduced_motion_comes_to_the_end_at_once(page: Any) -> None:
    place = widget(page, "bezier")
    place.get_by_role("button", name="Play").click()
    assert place.locator(".slider b").first.inner_text() == "1"
    assert place.get_by_role("button", name="Play").count() == 1


@pytest.mark.parametrize(
    "page",
    [{"viewport": {"width": 390, "height": 800}, "has_touch": True}, {"color_scheme": "dark"}],
    indirect=True,
    ids=["phone", "dark"],
)
def test_a_phone_and_the_dark(page: Any) -> None:
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    fill = page.locator(".plot .name").first.evaluate("e => getComputedStyle(e).fill")
    assert (sum(map(int, fill[4:-1].split(","))) > 380) is dark
    named = "all => all.filter(e => !e.labels?.length && !e.ariaLabel && !e.textContent.trim()).length"
    assert page.eval_on_selector_all("button, input, select, .grip", named) == 0


def test_without_scripts_words_formulas_and_pictures_are_there(browser: Any, page_path: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    plain = context.new_page()
    plain.goto(page_path.as_uri())
    assert plain.locator(".widget").first.is_hidden()
    assert plain.locator("section figure img").count() >= plain.locator("section .formula").count() >= 14
    context.close()
