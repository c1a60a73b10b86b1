"""The page holds everything it shows, escapes every text, and counts broken promises."""

import json
import re
from html.parser import HTMLParser

import pytest
from PIL import Image

from balign import telemetry
from balign.runs.config import RunConfig
from balign.runs.folder import Run
from balign.runs.outcome import curves, report_page

EVIL = '<script>alert("x")</script>'


def step(number, forget_change=-1e-3, retain_change=0.0):
    return telemetry.Step(
        number, 0.3, 0.2, 1.0, 1.0, -0.5, True, 0.9, forget_change, retain_change, None, None, 0.1
    )  # fmt: skip


@pytest.fixture
def run(tmp_path):
    run = Run.create(RunConfig.parse({"erase": [EVIL], "keep": [EVIL]}), tmp_path)
    (run.path / "images").mkdir()
    Image.new("RGB", (400, 400), "red").save(run.path / "images" / "a.png")
    for record in (step(1), step(2, retain_change=0.1), step(3, forget_change=0.1),
                   telemetry.Preview(2, "previews/0002.png", {"erased": 0.2, "kept": 0.3})):  # fmt: skip
        telemetry.append(run.path / "telemetry.jsonl", record)
    image = {"prompt": EVIL, "seed": 1, "before": "images/a.png", "after": "../outside.png", "alignment_before": 0.3}
    group = {
        "n": 1, "accuracy_before": 1.0, "accuracy_after": 0.0, "alignment_before": 0.3, "alignment_after": 0.1,
        "alignment_change": {"mean": -0.2, "low": -0.3, "high": -0.1, "p": 0.01}, "images": [image],
    }  # fmt: skip
    summary = {
        "model": EVIL, "method": "balign", "seed": 0, "steps": 3, "seconds": 130.0, "scorer": "emoji", "ua": 1.0,
        "ira": None, "cra": None, "groups": {"erased": group}, "ledger": report_page.ledger([step(1)]),
        "warnings": [EVIL],
    }  # fmt: skip
    (run.path / "report.json").write_text(json.dumps(summary))
    return run


def test_every_text_is_escaped_and_nothing_is_fetched(run):
    text = report_page.write_page(run).read_text()
    assert "<script" not in text
    assert not re.search(r'(src|href)="(?!data:)', text)
    assert "url(" not in text
    assert "&lt;script&gt;" in text


def test_the_page_is_whole_html(run):
    stack = []

    class Parser(HTMLParser):
        def handle_starttag(self, tag, attrs):
            if tag not in ("meta", "img", "line", "rect", "circle", "polyline"):
                stack.append(tag)

        def handle_endtag(self, tag):
            if stack and stack[-1] == tag:
                stack.pop()
            elif tag not in ("line", "rect", "circle", "polyline"):
                raise AssertionError(f"{tag} closes {stack}")

    Parser().feed(report_page.page(run))
    assert stack == []


def test_images_become_small_data_and_nothing_outside_is_read(run):
    text = report_page.page(run)
    assert text.count("data:image/png;base64,") == 1
    assert "no image" in text


def test_the_numbers_are_there(run):
    text = report_page.page(run)
    for number in ("-0.300 to -0.100", "100 %", "2.2 min", "95 %"):
        assert number in text


def test_a_run_without_report_says_so(tmp_path):
    run = Run.create(RunConfig.parse({"erase": ["cat"]}), tmp_path)
    with pytest.raises(ValueError, match=r"has no report\.json yet"):
        report_page.page(run)


def test_the_ledger_counts_more_than_rounding():
    steps = [step(1), step(2, forget_change=0.1), step(3, retain_change=0.1), step(4, retain_change=1e-12)]
    assert report_page.ledger(steps) == {"steps": 4, "forget_violations": 1, "retain_violations": 1}


@pytest.mark.parametrize("values", [[], [None], [float("nan")], [1.0], [2.0, 2.0, 2.0], [0.0, None, 1e30]])
def test_a_chart_of_anything_is_drawn_or_left_out(values):
    drawn = curves.chart("c", [curves.Series("s", "forget", range(len(values)), values)])
    assert "nan" not in drawn.replace("nan=", "")
    assert drawn == "" or drawn.count("<svg") == 1
