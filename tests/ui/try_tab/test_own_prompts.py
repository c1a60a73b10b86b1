"""Your own prompts: pairs that the page's comparison opens, and nothing a stranger wrote is markup."""

import json

from balign.runs.folder import Run
from balign.ui.try_tab.own_prompts import SHOWN, own_prompts
from tests.host import fake_tryout

EVIL = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>"


def test_no_prompt_teaches_and_few_are_shown(finished: Run) -> None:
    assert "Nothing has been drawn yet" in own_prompts(finished)
    for _ in range(SHOWN + 1):
        fake_tryout.write_try(finished, "a cat", 0, 1)
    html = own_prompts(finished)
    assert html.count('<section class="group own">') == SHOWN
    assert html.count('class="pair" data-group="own" data-prompt="a cat" data-seed="0"') == SHOWN


def test_texts_and_paths_of_strangers_are_not_markup(finished: Run) -> None:
    path = fake_tryout.write_try(finished, EVIL, 0, 2) / "try.json"
    values = json.loads(path.read_text())
    values["images"][0] |= {"prompt": EVIL, "before": "../../config.json"}
    path.write_text(json.dumps(values | {"scorer": EVIL}))
    html = own_prompts(finished)
    assert "alert(1)" in html
    for mark in ("<script", "<img src=x", "config.json"):
        assert mark not in html


def test_a_prompt_that_is_unreadable_is_left_out(finished: Run) -> None:
    path = fake_tryout.write_try(finished, "a dog", 0, 2) / "try.json"
    fake_tryout.write_try(finished, "a cat", 0, 2)
    path.write_text(json.dumps({"images": ["x", 7], "prompt": EVIL}))
    html = own_prompts(finished)
    assert "a cat" in html
    assert html.count('<section class="group own">') == 1
