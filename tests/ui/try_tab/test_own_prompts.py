"""Prompts of one's own as html: pairs that the page's comparison opens, every word escaped."""

import json

from balign.runs.folder import Run
from balign.ui.try_tab import own_prompts
from tests.host import fake_tryout

EVIL = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>"


def test_no_try_teaches_and_few_are_shown(finished: Run) -> None:
    assert own_prompts.tries(finished) == own_prompts.EMPTY
    for _ in range(own_prompts.SHOWN + 1):
        fake_tryout.write_try(finished, "a cat", 0, 1)
    html = own_prompts.tries(finished)
    assert html.count('<section class="group own">') == own_prompts.SHOWN
    assert html.count('class="pair" data-group="own" data-prompt="a cat" data-seed="0"') == own_prompts.SHOWN


def test_strangers_words_and_paths_are_words(finished: Run) -> None:
    path = fake_tryout.write_try(finished, EVIL, 0, 2) / "try.json"
    found = json.loads(path.read_text())
    found["images"][0] |= {"prompt": EVIL, "before": "../../config.json", "alignment_after": EVIL}
    path.write_text(json.dumps(found | {"scorer": EVIL, "seed": EVIL}))
    html = own_prompts.tries(finished)
    for mark in ("<script", "<img src=x", "config.json"):
        assert mark not in html
    path.write_text(json.dumps({"images": ["x", 7], "prompt": EVIL}))
    assert "mean alignment \u2013 before" in own_prompts.tries(finished)
