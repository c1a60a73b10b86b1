"""report.html holds everything it shows, escapes every text, and says no more than the intervals allow."""

import json
import re
from html.parser import HTMLParser

import pytest
from PIL import Image

from balign import telemetry
from balign.measure.ledger import ledger
from balign.refusal import Refusal
from balign.runs.config import RunConfig
from balign.runs.folder import Run
from balign.runs.outcome import report_page

VOID = ("input", "meta", "img", "path")
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
    image = {
        "prompt": EVIL,
        "seed": 1,
        "before": "images/a.png",
        "after": "../outside.png",
        "alignment_before": 0.3,
        "alignment_after": 0.1,
    }
    group = {
        "n": 1, "accuracy_before": 1.0, "accuracy_after": 0.0, "alignment_before": 0.3, "alignment_after": 0.1,
        "alignment_change": {"mean": -0.2, "low": -0.3, "high": -0.1, "p": 0.01}, "images": [image],
    }  # fmt: skip
    summary = {
        "model": EVIL, "method": "balign", "seed": 0, "steps": 3, "seconds": 130.0, "scorer": "emoji", "ua": 1.0,
        "ira": None, "cra": None, "groups": {"erased": group}, "ledger": ledger([step(1)])._asdict(),
        "warnings": [EVIL],
    }  # fmt: skip
    (run.path / "report.json").write_text(json.dumps(summary))
    return run


def test_every_text_is_escaped_and_nothing_is_fetched(run):
    text = report_page.page(run)
    assert "<script" not in text
    assert not re.search(r'(src|href)="(?!data:)', text)
    assert "url(" not in text
    assert "&lt;script&gt;" in text


def test_the_page_is_whole_html(run):
    stack = []

    class Parser(HTMLParser):
        def handle_starttag(self, tag, attrs):
            if tag not in VOID:
                stack.append(tag)

        def handle_endtag(self, tag):
            if stack and stack[-1] == tag:
                stack.pop()
            elif tag not in VOID:
                raise AssertionError(f"{tag} closes {stack}")

    Parser().feed(report_page.page(run))
    assert stack == []


def test_images_become_small_data_and_nothing_outside_is_read(run):
    text = report_page.page(run)
    assert text.count("data:image/png;base64,") == 1
    assert "no picture after" in text


def test_the_numbers_are_there(run):
    text = report_page.page(run)
    for number in (
        "[\u22120.300, \u22120.100]",
        "100\u00a0%",
        "2 min 10 s",
        "too few prompts to say (1, of at least 8)",
    ):
        assert number in text


def test_a_run_without_report_says_so(tmp_path):
    run = Run.create(RunConfig.parse({"erase": ["cat"]}), tmp_path)
    with pytest.raises(Refusal, match=r"has no report\.json yet"):
        report_page.page(run)


def test_a_picture_that_is_gone_or_none_leaves_a_note(run):
    path = run.path / "report.json"
    (run.path / "images" / "a.png").unlink()
    assert report_page.page(run).count("no picture") == 2
    report = json.loads(path.read_text())
    report["groups"]["erased"]["images"][0]["before"] = ""
    path.write_text(json.dumps(report))
    assert report_page.page(run).count("no picture") == 2
    (run.path / "images" / "a.png").write_text("no image at all")
    assert report_page.page(run).count("no picture") == 2


def test_few_prompts_of_many_seeds_are_too_few_to_say(run):
    path = run.path / "report.json"
    report = json.loads(path.read_text())
    group = report["groups"]["erased"]
    group["images"] = [group["images"][0] | {"prompt": f"a cat {k // 4}", "seed": k} for k in range(16)]
    path.write_text(json.dumps(report | {"groups": {"erased": group | {"n": 16, "prompts": 4}}}))
    assert report_page.page(run).lower().count("too few prompts to say (4, of at least 8)") == 1


def test_a_run_without_steps_says_so(run):
    (run.path / "telemetry.jsonl").unlink()
    text = report_page.page(run)
    assert "No step was recorded." in text
    assert "<svg" not in text


def test_a_report_that_is_unreadable_is_refused(run):
    (run.path / "report.json").write_text("[]")
    with pytest.raises(Refusal, match="The report is unreadable"):
        report_page.page(run)


def test_a_long_group_is_cut_and_says_so(run):
    path = run.path / "report.json"
    report = json.loads(path.read_text())
    pairs = report["groups"]["erased"]["images"]
    report["groups"]["erased"]["images"] = pairs * (report_page.PAIRS_A_GROUP + 1)
    path.write_text(json.dumps(report))
    text = report_page.page(run)
    assert "Below are the first 24 of 25 pairs." in text
    assert text.count('<figure class="pair"') == 24
