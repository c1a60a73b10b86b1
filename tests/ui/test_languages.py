"""Every language says all of the page: no text of it is missing in a table, and none is left over."""

import ast
import json
import re
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

import balign
from balign.data import kinds
from balign.host.status import STATES
from balign.markup import languages
from balign.markup.languages import LANGUAGE, Template
from balign.markup.render import macro, render
from balign.ui import form_fields, glossary, studio
from balign.ui.erase_tab import panels
from balign.ui.erase_tab.keep_assistant import MANY

PACKAGE = Path(balign.__file__).parent
LEFT_OUT = ("link.html", "head.html", "here.html", "skeleton.html")
"""What is sent before the page knows its visitor's language."""
TEMPLATES = [
    *PACKAGE.glob("ui/**/*.html"),
    PACKAGE / "markup" / "macros.html",
    PACKAGE / "markup" / "conflict_map.html",
]
PROPS = ("label", "info", "placeholder", "value")
OTHERS = languages.languages()[1:]


def from_templates() -> set[str]:
    files = [file for file in TEMPLATES if file.name not in LEFT_OUT]
    return {text for file in files for text in Template(file.read_text(encoding="utf-8")).texts()}


def from_code() -> set[str]:
    """What `said` is called with, and what templates call it with out of a table of ours."""
    calls = (node for file in PACKAGE.rglob("*.py") for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
    names = {
        node.args[0].value
        for node in calls
        if isinstance(node, ast.Call)
        and getattr(node.func, "id", "") == "said"
        and isinstance(node.args[0], ast.Constant)
    }
    tables = [
        *STATES.values(),
        *(words for pair in panels.PHASES.values() for words in pair),
        *kinds.KINDS,
        *MANY.values(),
    ]
    return {*names, *tables, *form_fields.FIELDS.values(), *glossary.TERMS, *glossary.TERMS.values(), *glossary.LINKS}


def choices() -> set[str]:
    """What is chosen among in the form, but for models and methods."""
    return {
        text
        for among in (form_fields.WAYS, form_fields.FORGETTING, form_fields.COMBINING, form_fields.TRAIN)
        for text, _ in among
    }


def constants() -> set[str]:
    """Every text in the page's Python, some of which templates look up: the titles of the progress bar."""
    files = PACKAGE.glob("ui/**/*.py")
    nodes = (node for file in files for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
    return {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def from_scripts() -> set[str]:
    """What scripts write into the page by themselves."""
    texts = {file: file.read_text(encoding="utf-8") for file in PACKAGE.glob("ui/**/*.js")}
    asked = {found for text in texts.values() for found in re.findall(r'balignSaid\("([^"]+)"\)', text)}
    views = re.search(
        r"const views = \{(.*?)\};.*?const notes = \{(.*?)\};", texts[PACKAGE / "ui" / "compare.js"], re.DOTALL
    )
    assert views
    dialog = re.search(r"innerHTML = `(.*?)`", texts[PACKAGE / "ui" / "compare.js"], re.DOTALL)
    assert dialog
    named = {text for part in views.groups() for text in re.findall(r'"([^"]+)"', part)}
    return asked | named | {text for text in Template(dialog[1]).texts() if not text.startswith("key ")}


@pytest.fixture(scope="module")
def page() -> gr.Blocks:
    return studio.build()


def from_components(page: gr.Blocks) -> tuple[set[str], set[str]]:
    """What gradio's parts of the page say, and our headings. Of models and methods, which are data, nothing is."""
    found: set[str] = set()
    headings: set[str] = set()
    for part in page.blocks.values():
        shown = PROPS if isinstance(part, gr.Button | gr.UploadButton) else PROPS[:-1]
        data = ("field-model", "field-way") if isinstance(part, gr.Dropdown | gr.Radio) else ()
        for name in shown if not isinstance(part, gr.HTML | gr.State) else ():
            text: Any = getattr(part, name, None)
            text = json.loads(text.removeprefix("__i18n__"))["key"] if str(text).startswith("__i18n__") else text
            if (
                isinstance(text, str)
                and re.search("[A-Za-z]{2}", text)
                and not (name == "info" and part.elem_id in data)
            ):
                found.add(text)
        if part.elem_id in STATIC:
            headings |= set(Template(part.value).texts())
    return {text for text in found if not re.fullmatch(r"\d(st|nd|rd|th)", text)}, headings


STATIC = (
    "part-try-probes",
    "part-try-own",
    "part-try-strength",
    "part-try-attacks",
    "part-vote-lead",
    "part-own-about",
)
"""Headings that are made once, when the page is built."""


@pytest.mark.parametrize("language", OTHERS)
def test_no_text_is_missing_and_none_is_left_over(language: str, page: gr.Blocks) -> None:
    labels, headings = from_components(page)
    looked_up = labels | from_scripts() | choices()
    said = from_templates() | from_code() | headings
    sent, told = (languages.table(language, part) for part in ("sent", "told"))
    assert looked_up - set(sent) == set()
    assert said - set(sent) - set(told) == set()
    assert set(sent) - looked_up == set()
    assert set(told) - said - constants() == set()


@pytest.mark.parametrize("language", OTHERS)
def test_what_stands_for_values_is_in_both(language: str) -> None:
    for english, other in languages.table(language).items():
        assert set(re.findall(r"\{\d+\}", english)) >= set(re.findall(r"\{\d+\}", other)), english
        assert not re.search(r"[<>]", other), english


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("de", "de"),
        ("de-AT,de;q=0.9,en;q=0.8", "de"),
        ("en-GB,en;q=0.9,de;q=0.8", "en"),
        ("fr,de;q=0.5,en;q=0.2", "de"),
        ("xx, ../../etc, <script>;q=1", "en"),
        ("de;q=..", "en"),
        ("a," * 10_000, "en"),
    ],
)
def test_the_language_that_a_browser_asks_for(header: str, language: str) -> None:
    assert languages.preferred(header) == language


def test_a_template_is_told_with_its_values_and_tags_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    source = '<p title="{{ n }} runs">{# no word #}See <b>{{ x }} here</b>{% if a > 1 %} and there{% endif %}.</p>'
    words = {"{0} runs": "{0} Läufe", "See": "Siehe", "{0} here": "hier {0}", "and there": "und dort"}
    told = Template(source).told(words)
    assert (
        told == '<p title="{{ n }} Läufe">{# no word #}Siehe <b>hier {{ x }}</b>{% if a > 1 %} und dort{% endif %}.</p>'
    )
    assert set(Template(source).texts()) == set(words)


def test_a_strangers_text_is_no_key_and_stays_text() -> None:
    token = LANGUAGE.set("de")
    try:
        chip = ("<b>Erase</b>", "thing", ("thing",), True)
        text = render(
            "ui/erase_tab/understood.html", chips=[dict(zip(("name", "kind", "kinds", "asked"), chip, strict=True))]
        )
        assert "Was ist" in text
        assert "&lt;b&gt;Erase&lt;/b&gt;" in text
        assert "Stand" not in macro("notice", "Settings", "remark")
        assert "Settings" in macro("notice", "Settings", "remark")
    finally:
        LANGUAGE.reset(token)
    assert "What is" in render(
        "ui/erase_tab/understood.html", chips=[{"name": "x", "kind": "", "kinds": (), "asked": True}]
    )
