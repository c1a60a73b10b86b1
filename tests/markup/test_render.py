"""Templates: every value is text, nothing is undefined, and the indentation of a file is not sent."""

from pathlib import Path
from typing import Any

import pytest
from jinja2 import UndefinedError
from markupsafe import Markup

from balign.markup import render
from balign.measure.headline import Headline
from balign.measure.report import RunReport
from balign.measure.tiles import Tile
from balign.runs.outcome.marks import MarkedPair
from tests.ui.hostile import INTERPRETED, TEXTS


def report(text: str) -> RunReport:
    """A report in which a stranger chose every text."""
    pair = {"prompt": text, "seed": 7, "alignment_before": 0.3, "alignment_after": 0.1, "before": text, "after": text}
    group = {"n": 1, "images": [pair]}
    values = {"model": text, "method": text, "seed": 0, "steps": 1, "seconds": 1.0, "scorer": text}
    found = {"n": 1, "before": {text: [1]}, "after": {text: [0]}}
    distance = {"features": text, "n": 1, "kid": 0.1, "kid_floor": 0.0, "fid": 9.0, "fid_floor": 1.0}
    judges = {
        "judged": {text: text},
        "distances": [distance],
        "nudity": {"thresholds": [0.6], "groups": {"kept": found}},
    }
    return RunReport.parse(values | judges | {"groups": {"kept": group}, "warnings": [text]})


def inside(name: str, *values: Any) -> Markup:
    """A macro that wraps what its caller gives."""
    values = (*values, "")[:6]
    lines = "{% import 'markup/macros.html' as m %}{% call m." + name + "(*values) %}{{ inner }}{% endcall %}"
    return Markup(render._environment("en").from_string(lines).render(values=values, inner=values[0]))


def drawn(text: str) -> dict[str, Markup]:
    image = report(text).groups["kept"].images[0]
    mark = MarkedPair(image, text, True)
    return {
        "notice": render.macro("notice", text, "refused"),
        "lead": render.macro("lead", text),
        "key": render.macro("key", "kept", text, text),
        "heading": render.macro("heading", text, text),
        "table": inside("table", text, (text, (text, text)), text),
        "figures": render.macro("figures", [Tile(text, text, text, text)]),
        "chip": render.macro("chip", mark),
        "pair as a button": render.macro("pair", image, text, text, text),
        "pair as a figure": render.macro("pair", image, text, text, text, button=False),
        "pair with a mark": render.macro("pair", image, text, text, text, mark=mark),
        "verdict_words": render.macro("verdict_words", Headline(f"{text} ({text})", text, True, (f"{text}: {text}",))),
        "distances": render.macro("distances", report(text)),
        "nudity": render.macro("nudity", report(text), [], 0.6),
        "judged": render.macro("judged", report(text)),
        "judgement": render.macro("judgement", report(text), [], 0.6),
        "veil": render.macro("veil", True),
        "score_table": render.macro("score_table", report(text)),
        "ledger": render.macro("ledger", text, text, 2),
        "progress": inside("progress", "running", text, text, text, text, 0.5),
    }


@pytest.mark.parametrize("text", [text for text in TEXTS if len(text) < 1_000 and "\ud800" not in text])
def test_a_strangers_text_is_text_in_every_macro(text: str) -> None:
    for name, markup in drawn(text).items():
        assert not [part for part in INTERPRETED if part in markup], name
        if "<" in text or '"' in text:
            assert text not in markup, name


def test_every_macro_is_tested() -> None:
    source = (Path(render.__file__).parent / "macros.html").read_text()
    macros = {line.split("macro ")[1].split("(")[0] for line in source.splitlines() if "{% macro " in line}
    assert macros == {name.split()[0] for name in drawn("x")}


def test_markup_is_left_as_it_is() -> None:
    assert render.macro("notice", Markup("<b>x</b>"), "refused").count("<b>x</b>") == 1


def test_a_name_that_is_not_given_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        render.render("runs/outcome/report.html")


@pytest.fixture
def template(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """``template(source, **values)``: a template's text, rendered."""
    monkeypatch.setattr(render, "PACKAGE", tmp_path)
    render._environment.cache_clear()

    def make(source: str, **values: Any) -> str:
        (tmp_path / "x.html").write_text(source)
        render._environment.cache_clear()
        return render.render("x.html", **values)

    yield make
    render._environment.cache_clear()


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("<ul>\n  <li>a</li>\n  <li>b</li>\n</ul>\n", "<ul><li>a</li><li>b</li></ul>"),
        ("<p>\n  one\n  two\n</p>", "<p> one two </p>"),
        ("{% if true %}\n  <b>x</b>\n{% endif %}\n<i>y</i>", "<b>x</b><i>y</i>"),
        ("{% if true %}\n  {{ a }}\n{% endif %}", "1"),
        ("<b>{{ a }}</b> <i>y</i>", "<b>1</b> <i>y</i>"),
        ("<p>{{ a }}\n{{ a }}</p>", "<p>1 1</p>"),
    ],
)
def test_a_line_break_between_tags_vanishes(template: Any, source: str, expected: str) -> None:
    assert template(source, a=1) == expected


def test_a_value_keeps_its_lines(template: Any) -> None:
    assert template("<pre>{{ a }}</pre>", a="one\n  two") == "<pre>one\n  two</pre>"


def test_the_formats_are_filters(template: Any) -> None:
    source = "{{ 0.5|percent }} {{ 0.5|decimal }} {{ 0.5|signed }} {{ 2|ordinal }} {{ between(0, 1) }} {{ NONE }}"
    assert template(source) == "50\N{NO-BREAK SPACE}% 0.500 +0.500 2nd [+0.000, +1.000] \N{EN DASH}"
