"""The page as a whole: light to start, private, offline."""

import subprocess
import sys

import pytest

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
    from balign.ui.layout import build

    return build()


def test_the_named_endpoints_are_offered_and_no_event_of_the_page(page) -> None:  # type: ignore[no-untyped-def]
    named = ["start", "status", "metrics", "stop", "pair", "score", "export", "report"]
    assert [fn.api_name for fn in page.fns.values() if fn.api_visibility == "public"] == named
    assert list(page.get_api_info()["named_endpoints"]) == [f"/{name}" for name in named]


def test_stopping_never_waits_behind_anything(page) -> None:  # type: ignore[no-untyped-def]
    assert {fn.concurrency_limit for fn in page.fns.values() if fn.fn is not None} == {None}


def test_options_fetch_nothing_and_offer_no_gradio_pages() -> None:
    from balign.ui.layout import options

    given = options()
    assert given["footer_links"] == []
    assert given["run_history"] is False
    assert given["theme"]._stylesheets == []
    assert "http" not in given["head"].replace("http://www.w3.org", "")
    assert "allowed_paths" not in given
