"""The page as its reader meets it: a real browser, headless and offline. What it shows is compared with the Dataset."""

import itertools
import re
import shutil
import time

import made
import matplotlib as mpl
import numpy as np
import pytest
from small import STATUSES

from adam_vs_gd.report import show, write
from adam_vs_gd.results.axis import axis_of
from adam_vs_gd.results.statistics import difference, over_seeds

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install '.[test]'")
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--no-first-run",
)  # fmt: skip
GREY, WHITE = (0xBF, 0xBF, 0xBF), (255, 255, 255)
CONTRAST = """(element) => {
    const channels = (text) => text.match(/[\\d.]+/g).map(Number);
    const linear = (c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
    const luminance = (text) => {
        const [red, green, blue] = channels(text).map(linear);
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    };
    const style = getComputedStyle(element);
    let behind = element;
    while (channels(getComputedStyle(behind).backgroundColor)[3] === 0) behind = behind.parentElement;
    const ink = luminance(element instanceof SVGElement ? style.fill : style.color);
    const paper = luminance(getComputedStyle(behind).backgroundColor);
    return (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
}"""
"""WCAG's contrast of an element's text with what is behind it."""
ALPHA_BY_S = "#x=alpha&y=s"
DIGITS = {"rel": 5.1e-4}  # the page shows four


@pytest.fixture(scope="module")
def browser():
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if not found:
        pytest.skip(f"no browser ({', '.join(BROWSERS)}) in PATH: apt-get install chromium")
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=found, args=list(ARGUMENTS))
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Pages, each written when it is first asked for: name -> (file, results)."""
    folder, known = tmp_path_factory.mktemp("pages"), {}

    def get(name, results):
        if name not in known:
            made_now = results()
            known[name] = (write(made_now, folder / f"{name}.html"), made_now)
        return known[name]

    return get


@pytest.fixture
def visit(browser):
    """Opens a file; at the end nothing may have been complained of, and nothing but the file asked for."""
    heard, asked, opened, contexts = [], [], set(), []

    def go(file, fragment="", **options):
        context = browser.new_context(viewport={"width": 1280, "height": 1000}, offline=True, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("console", lambda message: heard.append(message.text))
        page.on("pageerror", lambda error: heard.append(str(error)))
        page.on("request", lambda request: asked.append(request.url.partition("#")[0]))
        opened.add(file.as_uri())
        page.goto(file.as_uri() + fragment)
        page.wait_for_selector("body[data-ready]")
        return page

    yield go
    for context in contexts:
        context.close()
    assert heard == []
    assert set(asked) <= opened


@pytest.fixture
def three(visit, files):
    """The page of `made.three`, α across and s up, and its Dataset."""
    file, results = files("three", made.three)
    return visit(file, ALPHA_BY_S), results


def choose(page, **selectors):
    """Set selectors to the options of some labels."""
    for name, label in selectors.items():
        page.select_option(f"#{name}", label=label)


def ticks(svg, axis):
    """{text or value: pixels} along an axis of a picture, as it is labelled."""
    script = """(svg, axis) => [...svg.querySelectorAll(`.axis.${axis} text[data-value]`)].map(
        (t) => [t.dataset.value, Number(t.getAttribute(axis)) - (axis === "y" ? 4 : 0)])"""
    return dict(svg.evaluate(script, axis))


def place(page, x, y):
    """Where in the window the cell stands that the axes label so."""
    svg = page.locator("#diagram > svg")
    box = svg.bounding_box()
    return box["x"] + ticks(svg, "x")[x], box["y"] + ticks(svg, "y")[y]


def shown(page):
    """{term: text} of the tooltip."""
    terms, texts = (page.locator(f"#tooltip {tag}").all_inner_texts() for tag in ("dt", "dd"))
    return dict(zip(terms, texts, strict=True))


def number(text):
    return float(text.replace("−", "-"))


def expected(results, name, series, at):
    """Mean, low, high and seeds at some indices, by the package."""
    first, _, second = series.partition(" − ")
    summary = difference(results, name, first, second) if second else over_seeds(results, name).sel(optimizer=first)
    return [float(summary[field].isel(at)) for field in ("mean", "low", "high", "seeds")]


def check_tooltip(page, results, name, series, at):
    """Whether the tooltip says what the Dataset holds at some indices."""
    mean, low, high, seeds = expected(results, name, series, at)
    said = shown(page)
    label = results[name].attrs["long_name"]
    counts = [int((results.status.isel(at).sel(optimizer=one) == 0).sum()) for one in series.split(" − ")]
    if results.sizes["seed"] in counts:
        assert said[label] == "not computed"
        return False
    assert said["seeds counted"] == f"{seeds:.0f} of {results.sizes['seed']}"
    for one in series.split(" − "):
        status = results.status.isel(at).sel(optimizer=one).values
        for code, word in enumerate(("not computed", *STATUSES[1:])):
            if (status == code).any():
                assert f"{(status == code).sum()} {word}" in said["status"]
    if np.isnan(mean):
        assert said[label] == "no value, no seed counts"
        return False
    assert number(said[label]) == pytest.approx(mean, **DIGITS)
    if np.isfinite(low):
        ends = said["95 % interval"].split(" to ")
        assert [number(end) for end in ends] == pytest.approx([low, high], **DIGITS)
    else:
        assert said["95 % interval"] == "none from one seed"
    return True


@pytest.mark.parametrize(
    ("series", "name", "x", "y", "lam"),
    [
        ("adam", "test_error", "alpha", "s", 0),
        ("gd", "loss", "s", "alpha", 1),
        ("adam − gd", "test_error", "alpha", "s", 0),
        ("adam − gd", "noise_memorization", "alpha", "lam", 0),
    ],
)
def test_what_is_hovered_is_what_the_dataset_holds(three, series, name, x, y, lam):
    page, results = three
    symbols = {"alpha": "α", "s": "s", "lam": "λ"}
    labels = {key: f"{symbols[key]}: {results[key].attrs['long_name']}" for key in symbols}
    choose(page, series=series, variable=results[name].attrs["long_name"], x=labels[x], y=labels[y])
    (rest,) = {"alpha", "s", "lam"} - {x, y}
    fixed = lam if rest == "lam" else 1
    choose(page, **{f"axis-{rest}": f"{results[rest].values[fixed]:g}"})
    values = 0
    for i, j in itertools.product(range(results.sizes[x]), range(results.sizes[y])):
        page.mouse.move(*place(page, f"{results[x].values[i]:g}", f"{results[y].values[j]:g}"))
        at = {x: i, y: j, rest: fixed}
        assert shown(page)["α"] == f"{results.alpha.values[at['alpha']]:g}"
        values += check_tooltip(page, results, name, series, at)
        assert page.locator("#readout").inner_text().startswith(f"s = {results.s.values[at['s']]}, α = ")
    assert values >= 7, "most cells have a value"


def test_edges_of_cells_are_where_the_axis_has_them(three):
    """On the logarithmic axis of s cells meet at the geometric mean of their values."""
    page, results = three
    x, low = place(page, "0.2", "2")
    high = place(page, "0.2", "8")[1]
    at = np.interp(np.log(axis_of(results, "s").edges[1]), np.log([2, 8]), [low, high])
    for shift, cell in ((1.5, "2"), (-1.5, "8")):
        page.mouse.move(x, at + shift)
        assert shown(page)["s"] == cell


def lines(page, variables):
    """{(optimizer, variable, seed or "mean"): [steps, values]} read off the drawn paths by their axes' labels."""
    found = {}
    for chart in page.locator(f'figure[data-row="{" ".join(variables)}"] .charts svg').all():
        across, up = ticks(chart, "x"), ticks(chart, "y")
        label = chart.locator("text.title").text_content()
        log = variables[0] == "loss"
        (steps, x), (values, y) = (
            (np.array([float(k) for k in marks]), np.array(list(marks.values()))) for marks in (across, up)
        )
        to_step = np.polyfit(x, steps, 1)
        to_value = np.polyfit(y, np.log10(values) if log else values, 1)
        for path in chart.locator("path[data-variable]").all():
            d = path.get_attribute("d")
            points = np.array(re.findall(r"[ML]([-\d.]+) ([-\d.]+)", d), float).reshape(-1, 2)
            value = np.polyval(to_value, points[:, 1])
            key = (label, path.get_attribute("data-variable"), path.get_attribute("data-seed"))
            found[key] = np.polyval(to_step, points[:, 0]), 10**value if log else value
    return found


@pytest.mark.parametrize("at", [{"alpha": 3, "s": 1}, {"alpha": 0, "s": 0}, {"alpha": 1, "s": 1}])
def test_a_click_draws_the_trajectories_of_the_cell(three, at):
    page, results = three
    page.mouse.click(*place(page, f"{results.alpha.values[at['alpha']]:g}", f"{results.s.values[at['s']]}"))
    page.wait_for_selector("#seeds")
    assert (
        f"s = {results.s.values[at['s']]}, α = {results.alpha.values[at['alpha']]:g}, λ = 0"
        in page.locator("#chosen").inner_text()
    )
    for variables in (("feature_learning", "noise_memorization"), ("loss", "data_loss"), ("train_error", "test_error")):
        drawn = lines(page, variables)
        assert len(drawn) == 2 * 2 * 4
        for (label, name, seed), (steps, values) in drawn.items():
            path = results[f"{name}_path"].isel(lam=0, **at).sel(optimizer=label)
            if seed == "mean":
                wanted = over_seeds(results, f"{name}_path")["mean"].isel(lam=0, **at).sel(optimizer=label).values
            else:
                wanted = path.sel(seed=int(seed)).values
            grid = results.test_step.values if name == "test_error" else results.step.values
            there = np.isfinite(wanted)
            np.testing.assert_allclose(steps, grid[there], atol=0.5)
            np.testing.assert_allclose(values, wanted[there], atol=0.01)
    rows = page.locator("#seeds tbody tr").all()
    for k, row in enumerate(rows):
        texts = row.locator("td").all_inner_texts()
        for label, value, status in zip(("adam", "gd"), texts[::2], texts[1::2], strict=True):
            lane = results.isel(lam=0, seed=k, **at).sel(optimizer=label)
            assert status.replace("not computed", "pending") == STATUSES[int(lane.status)]
            if np.isnan(lane.test_error):
                assert value == "none"
            else:
                assert number(value) == pytest.approx(float(lane.test_error), **DIGITS)


def test_where_steps_are_swept_trajectories_have_their_own(visit, files):
    file, results = files("steps", lambda: made.results(steps=[60, 120], record=30, data={"alpha": [0.0, 0.5]}))
    page = visit(file, "#x=alpha&y=steps")
    page.mouse.click(*place(page, "0.5", "120"))
    page.wait_for_selector("#seeds")
    lane = results.sel(steps=120, alpha=0.5, optimizer="gd", seed=1)
    for name, grid in (("train_error", lane.step), ("test_error", lane.test_step)):
        steps, values = lines(page, ("train_error", "test_error"))["gd", name, "1"]
        np.testing.assert_allclose(steps, grid, atol=0.5)
        np.testing.assert_allclose(values, lane[f"{name}_path"], atol=0.01)


def pixel(page, x, y, dx=0, dy=0):
    """The colour of the canvas in a cell, some pixels from its centre."""
    svg = page.locator("#diagram > svg")
    at = [ticks(svg, "x")[x] + dx, ticks(svg, "y")[y] + dy]
    (colour,) = colours(page, *at, 1)
    return colour


def patch(page, x, y, half=14):
    """The set of colours around the centre of a cell."""
    svg = page.locator("#diagram > svg")
    return colours(page, ticks(svg, "x")[x] - half, ticks(svg, "y")[y] - half, 2 * half)


def colours(page, x, y, size):
    """The set of colours in a square of the canvas."""
    script = """([x, y, n]) => {
        const copy = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
        copy.drawImage(document.querySelector("#diagram canvas"), -Math.round(x), -Math.round(y));
        const d = copy.getImageData(0, 0, n, n).data;
        return Array.from({length: n * n}, (_, k) => [d[4 * k], d[4 * k + 1], d[4 * k + 2]]); }"""
    return set(map(tuple, page.evaluate(script, [x, y, size])))


def test_colours_are_those_of_the_means(three):
    page, results = three
    summary = over_seeds(results, "test_error").sel(optimizer="gd").isel(lam=0)
    choose(page, series="gd")
    for alpha, s in itertools.product(results.alpha.values, results.s.values):
        wanted = mpl.colormaps["viridis"](float(summary["mean"].sel(alpha=alpha, s=s)), bytes=True)[:3]
        np.testing.assert_allclose(pixel(page, f"{alpha:g}", f"{s}"), wanted, atol=3)
    choose(page, series="adam − gd")
    gap = difference(results, "test_error", "adam", "gd").isel(lam=0, alpha=3, s=2)
    wanted = mpl.colormaps["RdBu_r"](0.5 + float(gap["mean"]) / 2, bytes=True)[:3]
    np.testing.assert_allclose(pixel(page, "0.6", "32", 9, 9), wanted, atol=3)


def test_marks_say_what_colour_does_not(three):
    page, _ = three
    assert patch(page, "0.2", "8") == {GREY}, "not computed"
    assert patch(page, "0.2", "32").isdisjoint({GREY, WHITE}), "fitted: nothing but its colour"
    collapsed = patch(page, "0.4", "32")
    assert WHITE in collapsed, "computed, but no seed counts"
    assert len(collapsed) > 2, "hatched"
    assert any(r > 180 and 60 < g < 120 and b < 40 for r, g, b in patch(page, "0", "2")), "a cross: diverged"
    assert len(patch(page, "0", "32")) > 1, "hatched: underfit"
    said = set(page.locator("#legend li").all_inner_texts())
    assert said == {
        "not computed", "some seeds not computed", "undertrained lanes", "underfit lanes", "collapsed lanes",
        "diverged lanes", "computed, but no seed counts", "k/n\nk of n seeds fitted",
    }  # fmt: skip
    choose(page, **{"axis-lam": "0.001"})
    assert page.locator("#legend li").count() == 0, "only what is seen is explained"
    assert patch(page, "0.2", "8").isdisjoint({GREY})


def test_differences_that_exclude_0_have_a_dot_filled_where_positive(visit, files):
    def apart():
        results = made.results(data={"s": [2, 8], "alpha": [0.0, 0.5]}, seeds=3)
        for optimizer, errors in enumerate(([[0.9, 0.1], [0.5, 0.5]], [[0.1, 0.9], [0.5, 0.5]])):  # [s, alpha]
            results["test_error"][{"optimizer": optimizer}] = np.array(errors)[..., None]
        return results

    page = visit(files("apart", apart)[0])
    choose(page, series="adam − gd")
    for x, y, centre, ring in (("0", "2", WHITE, WHITE), ("0.5", "2", None, WHITE), ("0.5", "8", None, None)):
        beside = pixel(page, x, y, 12, 12)
        assert pixel(page, x, y) == (centre or beside)
        assert (ring in patch(page, x, y, 5)) == (ring is not None)
    assert page.locator("#legend li").all_inner_texts() == ["interval above 0", "interval below 0"]


def test_every_selector_changes_the_picture_and_the_chosen_cell_stays(three):
    page, results = three
    page.mouse.click(*place(page, "0.4", "8"))
    page.wait_for_selector("#seeds")
    pictures = [page.locator("#diagram canvas").evaluate("(c) => c.toDataURL()")]
    changes = [
        {"series": "gd"}, {"variable": "objective"}, {"axis-lam": "0.001"}, {"x": "λ: weight of the L2 term"},
        {"y": "α: size of the feature noise"}, {"x": "α: size of the feature noise"},
    ]  # fmt: skip
    for change in changes:
        choose(page, **change)
        pictures.append(page.locator("#diagram canvas").evaluate("(c) => c.toDataURL()"))
        assert page.locator("#marks .chosen").count() == 2
    assert len(set(pictures)) == len(pictures)
    assert page.locator("#chosen").inner_text() == "At s = 8, α = 0.4, λ = 0.001"
    assert page.locator("#seeds caption").inner_text() == "Final objective of each seed"
    path = results.loss_path.isel(seed=1, optimizer=1).sel(s=8, alpha=0.4, lam=1e-3)
    np.testing.assert_allclose(lines(page, ("loss", "data_loss"))["gd", "loss", "1"][1], path, atol=0.01)


def test_a_view_can_be_linked(three, visit, files):
    page, _ = three
    choose(page, series="adam − gd", variable="feature learning", **{"axis-lam": "0.001"})
    page.mouse.click(*place(page, "0.6", "2"))
    page.wait_for_selector("#seeds")
    page.wait_for_timeout(300)
    fragment = "#" + page.url.partition("#")[2]
    again = visit(files("three", made.three)[0], fragment)
    again.wait_for_selector("#seeds")
    for name in ("caption", "chosen", "legend", "charts"):
        assert again.locator(f"#{name}").inner_text() == page.locator(f"#{name}").inner_text()
    broken = visit(files("three", made.three)[0], "#show=nobody&at.s=99&x=s&y=s&variable=%3Cimg%3E")
    assert broken.locator("#caption").inner_text().lower().startswith("test error, adam")


def test_by_keyboard_alone(three):
    page, results = three
    order = []
    while "diagram" not in order:
        page.keyboard.press("Tab")
        order.append(page.evaluate("document.activeElement.id"))
        assert len(order) < 12
    assert order == ["", "series", "variable", "x", "y", "axis-lam", "diagram"], "the first skips to the diagram"
    read = page.locator("#readout")
    assert read.get_attribute("aria-live") == "polite"
    assert read.inner_text().startswith("s = 2, α = 0, ")
    for key, at in (
        ("ArrowRight", (2, 0.2)), ("ArrowUp", (8, 0.2)), ("End", (8, 0.6)), ("ArrowRight", (8, 0.6)),
        ("ArrowLeft", (8, 0.4)), ("Home", (8, 0)), ("ArrowUp", (32, 0)), ("ArrowDown", (8, 0)),
    ):  # fmt: skip
        page.keyboard.press(key)
        assert read.inner_text().startswith(f"s = {at[0]}, α = {at[1]}, λ = 0. adam, test error: "), key
    mean = expected(results, "test_error", "adam", {"s": 1, "alpha": 0, "lam": 0})[0]
    assert number(re.search(r"test error: ([\d.]+),", read.inner_text())[1]) == pytest.approx(mean, **DIGITS)
    page.keyboard.press("Escape")
    assert page.locator("#tooltip").is_hidden()
    page.keyboard.press("Enter")
    page.wait_for_selector("#seeds")
    assert page.locator("#chosen").inner_text() == "At s = 8, α = 0, λ = 0"
    page.keyboard.press("ArrowUp")
    page.keyboard.press(" ")
    page.wait_for_function("document.getElementById('chosen').textContent.startsWith('At s = 32')")


def test_the_table_is_the_slice(three):
    page, results = three
    choose(page, series="gd", **{"axis-lam": "0.001"})
    page.locator("#numbers summary").click()
    page.wait_for_selector("#numbers tbody tr")
    rows = page.locator("#numbers tbody tr").all()
    assert [row.locator("th").inner_text() for row in rows] == ["s = 32", "s = 8", "s = 2"]
    heads = page.locator("#numbers thead th")
    assert heads.all_inner_texts()[1:] == ["α = 0", "α = 0.2", "α = 0.4", "α = 0.6"]
    assert set(heads.evaluate_all("(all) => all.map((th) => th.scope)")) == {"col"}
    for row, s in zip(rows, (2, 1, 0), strict=True):
        for alpha, text in enumerate(row.locator("td").all_inner_texts()):
            found = [number(one) for one in re.findall(r"−?[\d.]+(?:e[+−-]\d+)?", text)]
            assert found == pytest.approx(
                expected(results, "test_error", "gd", {"s": s, "alpha": alpha, "lam": 1})[:3], **DIGITS
            )
    choose(page, series="adam", **{"axis-lam": "0"})
    text = page.locator("#numbers table").inner_text()
    assert "not computed" in text
    assert "no value, no seed counts" in text
    assert "2 fitted, 1 undertrained" in text


def test_one_axis_is_a_curve(visit, files):
    def one():
        results = made.results(data={"s": [2, 8, 32]}, seeds=3)
        made.set_status(results, "undertrained", s=1, seed=0, optimizer=0)
        return results

    file, results = files("one", one)
    page = visit(file)
    svg = page.locator("#diagram > svg")
    across, up = ticks(svg, "x"), ticks(svg, "y")
    to_value = np.polyfit(list(up.values()), [float(one) for one in up], 1)
    for label in ("adam", "gd"):
        points = svg.locator(f'g[data-series="{label}"] circle').evaluate_all(
            "(all) => all.map((c) => [c.cx.baseVal.value, c.cy.baseVal.value, c.getAttribute('class')])"
        )
        np.testing.assert_allclose([x for x, _, _ in points], list(across.values()))
        means = over_seeds(results, "test_error")["mean"].sel(optimizer=label)
        np.testing.assert_allclose([np.polyval(to_value, y) for _, y, _ in points], means, atol=1e-3)
        assert [kind for _, _, kind in points] == (["full", "open", "full"] if label == "adam" else ["full"] * 3)
    box = svg.bounding_box()
    page.mouse.click(box["x"] + across["8"] + 5, box["y"] + 40)
    assert check_tooltip(page, results, "test_error", "adam", {"s": 1})
    page.wait_for_selector("#seeds")
    path = results.feature_learning_path.isel(s=1, seed=0).sel(optimizer="adam")
    drawn = lines(page, ("feature_learning", "noise_memorization"))["adam", "feature_learning", "0"][1]
    np.testing.assert_allclose(drawn, path, atol=0.01)


def test_nothing_swept_shows_the_trajectories_at_once(visit, files):
    page = visit(files("none", lambda: made.results(seeds=2))[0])
    page.wait_for_selector("#seeds")
    assert page.locator("#diagram").is_hidden()
    assert page.locator("path.mean").count() == 2 * 6


def test_no_trajectories_are_said_to_be_none(visit, files):
    page = visit(files("bare", lambda: made.results(data={"s": [2, 8], "alpha": [0.0, 0.5]}, record=0))[0])
    page.mouse.click(*place(page, "0.5", "8"))
    assert "kept no trajectories" in page.locator("#charts").inner_text()


def test_words_of_a_spec_stay_words(visit, files):
    hostile = "</script><img src=x onerror=alert(1)>"

    def bad():
        results = made.results(
            optimizers={hostile: {"kind": "adam"}, "gd": {}}, data={"s": [2, 8], "alpha": [0.0, 0.5]}
        )
        results.attrs |= {"title": hostile, "spec": hostile}
        return results

    page = visit(files("hostile", bad)[0])
    assert page.locator("img").count() == 0
    assert page.locator("h1").inner_text() == hostile
    assert hostile in page.title()
    assert page.locator("section:has(#spec-title) pre").inner_text() == hostile
    page.mouse.click(*place(page, "0.5", "8"))
    page.wait_for_selector("#seeds")
    assert hostile in page.locator("#readout").inner_text()
    assert page.locator("#charts text.title").first.text_content() == hostile
    page.locator("#numbers summary").click()
    page.wait_for_selector("#numbers tbody tr")
    assert page.locator("img").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_a_screen_reader_and_weak_eyes_need(visit, files, scheme):
    page = visit(files("three", made.three)[0], ALPHA_BY_S, color_scheme=scheme)
    page.mouse.click(*place(page, "0.4", "8"))
    page.wait_for_selector("#seeds")
    page.mouse.move(*place(page, "0.4", "8"))
    assert page.evaluate("document.documentElement.lang") == "en"
    assert page.locator("main").count() == page.locator("h1").count() == 1
    for select in page.locator("select").all():
        assert page.locator(f'label[for="{select.get_attribute("id")}"]').inner_text()
    diagram = page.locator("#diagram")
    assert "test error, adam" in diagram.get_attribute("aria-label")
    assert page.locator(f"#{diagram.get_attribute('aria-describedby')}").inner_text()
    levels = page.locator("h1, h2, h3").evaluate_all("(all) => all.map((h) => Number(h.tagName[1]))")
    assert all(b <= a + 1 for a, b in itertools.pairwise(levels))
    texts = ["body", "header p", ".hint", "label", "select", "#caption", "#tooltip dt", "#tooltip dd", "caption", "td",
             "#legend li", "pre", ".facts dt", "#diagram svg text", "#charts svg text", ".lines li"]  # fmt: skip
    for text in texts:
        assert page.locator(text).first.evaluate(CONTRAST) >= 4.5, text


def test_nothing_overlaps_or_overflows_on_a_narrow_screen(visit, files):
    page = visit(files("three", made.three)[0], ALPHA_BY_S)
    page.set_viewport_size({"width": 380, "height": 800})
    page.mouse.click(*place(page, "0.4", "8"))
    page.wait_for_selector("#seeds")
    assert page.evaluate("document.documentElement.scrollWidth") <= 380
    for axis, extent in (("x", "width"), ("y", "height")):
        boxes = page.locator(f"#diagram > svg .axis.{axis} text[data-value]").evaluate_all(
            f"(all) => all.map((t) => t.getBoundingClientRect()).map((b) => [b.{axis}, b.{axis} + b.{extent}])"
        )
        for (_, end), (start, _) in itertools.pairwise(sorted(boxes)):
            assert end <= start


def test_ten_thousand_cells_over_five_axes_without_lag(visit, files):
    started = time.monotonic()
    file, results = files("many", made.many)
    assert results.status.size == 20_000
    page = visit(file)
    assert time.monotonic() - started < 40  # about 6 s on two idle cores
    took = page.evaluate("""() => ["series", "variable", "x", "y", "axis-lam", "axis-sigma_0"].map((id) => {
        const select = document.getElementById(id), times = [];
        for (const index of [1, 2, 0]) {
          if (index >= select.options.length) continue;
          select.selectedIndex = index;
          const start = performance.now();
          select.dispatchEvent(new Event("change"));
          times.push(performance.now() - start);
        }
        return Math.max(...times); })""")
    assert max(took) < 200, took  # about 10 ms
    choose(page, series="adam", variable="test error")
    choose(page, x="α: size of the feature noise", y="s: noise coordinates per example")
    choose(page, **{"axis-sigma_p": "0.3", "axis-lam": "0.0001", "axis-sigma_0": "0.1"})
    at = {"sigma_p": 2, "lam": 2, "sigma_0": 1, "alpha": 7, "s": 3}
    page.mouse.click(*place(page, "0.7", "4"))
    assert check_tooltip(page, results, "test_error", "adam", at)
    page.wait_for_selector("#seeds")
    drawn = lines(page, ("feature_learning", "noise_memorization"))["gd", "feature_learning", "1"]
    path = results.feature_learning_path.isel(seed=1, **at).sel(optimizer="gd")
    np.testing.assert_allclose(drawn[1], path.sel(record=np.isin(results.step, np.rint(drawn[0]))), atol=0.01)


def test_in_a_notebook_the_page_works_in_its_frame(visit, tmp_path):
    """What a notebook's front end, or a page that nbconvert has made of it, puts around the output of a cell."""
    results, file = made.three(), tmp_path / "notebook.html"
    output = show(results, height=700)._repr_html_()
    file.write_text(f"<!doctype html><body data-ready><div class=output>{output}</div>", encoding="utf-8")
    page = visit(file)
    frame = page.frame_locator("iframe")
    frame.locator("body[data-ready]").wait_for()
    assert page.locator("iframe").bounding_box()["height"] == 700
    assert frame.locator("h1").inner_text() == results.attrs["title"]
    assert frame.locator("#diagram canvas").is_visible()
    before = frame.locator("#caption").inner_text()
    frame.locator("#diagram").click(position={"x": 150, "y": 150})
    frame.locator("#controls select").first.select_option(index=1)
    assert frame.locator("#caption").inner_text() != before, "its script answers"
