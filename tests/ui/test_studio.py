"""The page as a whole: light to start, private, offline."""

import subprocess
import sys
from typing import Any

import pytest

from balign.host import visitors
from balign.method.objectives import DEFAULT_METHOD
from balign.runs.config import RunConfig
from balign.runs.folder import Run, find, list_runs

ANN = {"run": "", "owner": "a" * 43}
HEAVY = ("torch", "diffusers", "transformers", "open_clip", "accelerate", "scipy")


def run_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_server_never_imports_what_trains() -> None:
    code = f"import sys; import app; print([name for name in {HEAVY} if name in sys.modules])"
    assert run_python(code).strip() == "[]"


def test_the_app_has_its_page_at_module_level_and_is_quiet_about_it() -> None:
    assert run_python("import app; print(type(app.demo).__name__, app.demo.analytics_enabled)") == "Blocks False\n"


@pytest.fixture(scope="module")
def page():  # type: ignore[no-untyped-def]
    from balign.ui.studio import build

    return build()


def test_the_named_endpoints_are_offered_and_no_event_of_the_page(page) -> None:  # type: ignore[no-untyped-def]
    named = ["start", "status", "metrics", "stop", "pair", "score", "attack", "export", "report"]
    assert [fn.api_name for fn in page.fns.values() if fn.api_visibility == "public"] == named
    assert list(page.get_api_info()["named_endpoints"]) == [f"/{name}" for name in named]


def event(page, part: str, kind: str = "click") -> Any:  # type: ignore[no-untyped-def]
    """The page's event of this kind on the part of this id."""
    (number,) = [block._id for block in page.blocks.values() if getattr(block, "elem_id", None) == part]
    (found,) = [fn for fn in page.fns.values() if fn.fn and (number, kind) in fn.targets]
    return found


@pytest.mark.usefixtures("public")
def test_erase_on_the_page_begins_a_run_of_this_browsers(page) -> None:  # type: ignore[no-untyped-def]
    erase = event(page, "erase")
    answer = erase.fn(None, ANN, *(part.value for part in erase.inputs[1:]))
    (stored,) = [value for part, value in answer.items() if part.elem_id == "part-kept"]
    run = find(stored["run"])
    assert run is not None
    assert stored["owner"] == ANN["owner"]
    assert visitors.owns(run, visitors.Visitor(ANN["owner"]))
    assert run.config == RunConfig.parse({"erase": ["cat"], "method": DEFAULT_METHOD})


@pytest.mark.usefixtures("public")
@pytest.mark.parametrize("button", ["compare", "use", "delete", "rename", "start"])
def test_each_button_of_the_runs_tab_is_told_who_presses_it(page, finished: Run, button: str) -> None:  # type: ignore[no-untyped-def]
    visitors.sign(finished, visitors.Visitor(ANN["owner"]))
    pressed = event(page, f"runs-{button}")
    assert pressed.inputs[0].elem_id == "part-kept"
    for store in ({"owner": "b" * 43}, None):
        answer = pressed.fn(None, store, *([finished.id] for _ in pressed.inputs[1:]))
        assert 'class="notice refused"' in str(answer.values())
    assert list_runs() == [finished]


def test_no_event_of_the_page_is_unguarded(page) -> None:  # type: ignore[no-untyped-def]
    private = [fn for fn in page.fns.values() if fn.fn and fn.api_visibility == "private"]
    assert {fn.fn.__qualname__ for fn in private} <= {"bind.<locals>.handle", "bind.<locals>.stream"}


def test_stopping_never_waits_behind_anything(page) -> None:  # type: ignore[no-untyped-def]
    assert {fn.concurrency_limit for fn in page.fns.values() if fn.fn is not None} == {None}


def test_options_fetch_nothing_and_offer_no_gradio_pages() -> None:
    from balign.ui.studio import options

    given = options()
    assert given["footer_links"] == []
    assert given["run_history"] is False
    assert given["theme"]._stylesheets == []
    assert "http" not in given["head"].replace("http://www.w3.org", "")
    assert "allowed_paths" not in given


def test_events_are_counted_by_nobody(page) -> None:  # type: ignore[no-untyped-def]
    queue = page._queue
    queue.events_recorded = 1_000
    assert queue.compute_analytics_summary([{"function": "status", "status": "success"}]) == {"functions": {}}
    assert queue.ANALYTICS_MAX_EVENTS == 1
