"""Whatever is sent to an endpoint or a handler, the answer is an answer or one sentence, and no file is touched."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from balign.host import processes, visitors
from balign.host.visitors import Visitor
from balign.runs.config import RunConfig
from balign.runs.folder import Run, list_runs
from balign.runs.run_folders import RUN_ID
from balign.ui import files
from balign.ui.api import endpoints
from balign.ui.erase_tab import erase_handlers, keep_assistant
from balign.ui.page import Answer, answering, caller
from balign.ui.runs_tab import run_actions, runs_layout
from balign.ui.try_tab import blind_vote, try_actions, try_layout
from tests.browser.conftest import ROOT
from tests.host import fake_run
from tests.ui.hostile import HOSTILE, INTERPRETED, TEXTS

ANN = Visitor("a" * 43)
ANNS = {"owner": ANN.secret}
ATTACK = {"attacks": ["rounding"], "tokens": "2", "steps": 9, "pictures": 1, "control": "", "concept": ""}
LISTED: dict[str, Any] = {"search": "", "state": "", "method": "", "shown": 12, "sent": {}, "compared": []}
FIELDS = (
    "erase",
    "replace",
    "keep",
    "model",
    "method",
    "train",
    "steps",
    "learning_rate",
    "seed",
    "n_eval",
    "nonsense",
)
CALLS: dict[str, Callable[..., Any]] = {
    "start erase": lambda x: endpoints.start(x),
    "start keep": lambda x: endpoints.start("cat", keep=x),
    "start replace": lambda x: endpoints.start("cat", replace=x),
    "start model": lambda x: endpoints.start("cat", model=x),
    "start method": lambda x: endpoints.start("cat", method=x),
    "start settings": lambda x: endpoints.start("cat", settings=x),
    "start seed": lambda x: endpoints.start("cat", settings={"seed": x}),
    "start owner": lambda x: endpoints.start("cat", owner_secret=x),
    "status": lambda x: endpoints.status(x),
    "metrics": lambda x: endpoints.metrics(x),
    "stop": lambda x: endpoints.stop(x, x, x),
    "stop owner": lambda x: endpoints.stop(ids(), True, x),
    "pair": lambda x: endpoints.pair(x, x, x),
    "pair group": lambda x: endpoints.pair(ids(), x),
    "pair number": lambda x: endpoints.pair(ids(), "erased", x),
    "score": lambda x: endpoints.score(x, x),
    "score group": lambda x: endpoints.score(ids(), x),
    "attack": lambda x: endpoints.attack(x, x, x, x, x, x, x, x),
    "attack which": lambda x: endpoints.attack(ids(), x, owner_secret=ANN.secret),
    "attack control": lambda x: endpoints.attack(
        ids(), ["rounding"], control=x, concept="cow", owner_secret=ANN.secret
    ),
    "export": lambda x: endpoints.export(x, x, x),
    "export what": lambda x: endpoints.export(ids(), x, ANN.secret),
    "report": lambda x: endpoints.report(x),
}
HANDLERS: dict[str, Callable[..., Any]] = {
    **{
        f"form {name}": lambda x, name=name: act(erase_handlers.start, ANNS, {"erase": "cat", name: x})
        for name in FIELDS
    },
    "stop": lambda x: [act(erase_handlers.stop, store) for store in stores(x)],
    "resume": lambda x: [act(erase_handlers.resume, store) for store in stores(x)],
    "ask discard": lambda x: [act(erase_handlers.ask_discard, store) for store in stores(x)],
    "discard": lambda x: [act(erase_handlers.discard, store, x) for store in (*stores(x), mine()) if x != ids()],
    "compare now": lambda x: [act(erase_handlers.compare, store) for store in stores(x)],
    "refresh": lambda x: [act(erase_handlers.refresh, store, None) for store in stores(x)],
    "attach": lambda x: [act(erase_handlers.attach, store, link=x) for store in stores(x)],
    "model": lambda x: act(erase_handlers.model_info, ANNS, x),
    "method": lambda x: act(erase_handlers.method_info, ANNS, x),
    "compare": lambda x: act(run_actions.compare, ANNS, x),
    "settings": lambda x: act(run_actions.use_settings, ANNS, x),
    "ask": lambda x: act(run_actions.ask_delete, ANNS, x),
    "delete": lambda x: act(run_actions.delete, ANNS, x if x not in (ids(), [ids()]) else None),
    "rename": lambda x: [act(run_actions.rename, ANNS, x, x), act(run_actions.rename, ANNS, ids(), x), again()],
    "methods": lambda x: [act(run_actions.run_methods, ANNS, x, x), act(run_actions.run_methods, ANNS, ids(), x)],
    "list": lambda x: act(runs_layout.refreshed, ANNS, LISTED | dict.fromkeys(("search", "state", "method"), x)),
    "list compared": lambda x: act(runs_layout.refreshed, ANNS, LISTED | {"compared": x}),
    "try": lambda x: [act(try_actions.draw_prompt, store, x, 0, 1) for store in (*stores(x), mine())],
    "try numbers": lambda x: [
        act(try_actions.draw_prompt, mine(), "a cat", x, 1),
        act(try_actions.draw_prompt, mine(), "a cat", 0, x),
    ],
    "try strength": lambda x: [act(try_actions.draw_strengths, store) for store in stores(x)],
    "try probes": lambda x: [act(try_actions.draw_probes, store) for store in stores(x)],
    "try export": lambda x: [act(try_actions.export, store, x) for store in (*stores(x), mine())],
    "try attack": lambda x: [
        *(act(try_actions.attack, mine(), ATTACK | {name: x}) for name in ATTACK),
        *(act(try_actions.attack, store, ATTACK) for store in stores(x)),
    ],
    "try stop": lambda x: [act(try_actions.stop, store) for store in stores(x)],
    "try look": lambda x: [act(try_layout.refreshed, store, None) for store in stores(x)],
    "vote": lambda x: [[act(blind_vote.begin, store, x), act(blind_vote.arrive, store, x)] for store in stores(x)],
    "vote choice": lambda x: [
        act(blind_vote.choose, mine(), x, x),
        act(blind_vote.choose, mine(), {"run": ids(), "ballot": x}, "a"),
    ],
    **{f"type {name}": lambda x, name=name: typed({"erase": "cat", name: x}) for name in FIELDS},
    "keep file": lambda x: act(keep_assistant.from_file, ANNS, {"file": None if isinstance(x, str) else x, "keep": x}),
    "upload": lambda x: act(run_actions.reproduce_zip, ANNS, None if isinstance(x, str) else x),
}
plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40) | st.sampled_from(TEXTS)
anything = st.recursive(plain, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner))
often = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def ids() -> str:
    """The id of the one finished run."""
    return next(run.id for run in list_runs() if (run.path / "report.json").exists())


def mine() -> dict[str, str]:
    return {"run": ids(), "owner": ANN.secret}


def act(work: Callable[..., Answer], store: object, *values: object, link: object = None) -> Answer:
    """The answer to an event of the page, which may be a refusal but no bug."""
    who = caller(store)._replace(link=link if isinstance(link, str) else None)
    return answering(work, "It could not be done", "say")(who, *values)


def typed(values: dict[str, Any]) -> Answer:
    """What follows the form, but the command: it is a text box's value, in which nothing is markup."""
    answer = act(keep_assistant.follow, ANNS, values)
    return {name: value for name, value in answer.items() if name != "command"}


def stores(x: object) -> list[object]:
    return [x, {"run": x}, {"run": ids(), "owner": x}, {"run": x, "owner": ANN.secret}]


def again() -> object:
    """The list with whatever name was taken, and no name at all."""
    listed = act(runs_layout.refreshed, ANNS, LISTED)
    Run.open(ids()).rename("")
    return listed


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run, made once for all these tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FAKE_PAUSE", "0")
        patch.setenv("FAKE_STEPS", "10")
        run = Run.create(RunConfig.parse({"erase": ["cat"]}), tmp_path_factory.mktemp("made"))
        fake_run.main(str(run.path))
    return run


@pytest.fixture(autouse=True)
def _a_run_of_anns(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, made: Run, public: None, limit: Callable[..., None]
) -> Iterator[None]:
    """One finished run in public, no process, and nothing on the disk afterwards but runs."""
    shutil.copytree(made.path, tmp_path / "runs" / made.id)
    run = Run.open(made.id)
    visitors.sign(run, ANN)
    monkeypatch.setattr(processes, "start", lambda run, verb, *options, drawing=False: None)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "fsync", lambda file: None)  # what is not kept need not reach the disk
    limit(starts=10**6, drawings=10**6, queued=3, queued_each=3)
    yield
    assert {path.name for path in tmp_path.iterdir()} <= {"runs", "cache"}
    assert all(RUN_ID.fullmatch(path.name) for path in (tmp_path / "runs").iterdir() if path.name[0] != ".")
    assert (made.path / files.WEIGHTS).read_bytes() == (run.path / files.WEIGHTS).read_bytes()


def texts(answer: object) -> Iterator[str]:
    """Every text in an answer, at whatever depth."""
    if isinstance(answer, str):
        yield answer
    elif isinstance(answer, dict):
        for value in answer.values():
            yield from texts(value)
    elif isinstance(answer, list | tuple):
        for value in answer:
            yield from texts(value)


def is_a_sentence(words: str) -> bool:
    good = words == " ".join(words.split()) and words.endswith((".", "?")) and len(words) < 900
    return good and not any(sign in words for sign in ("Traceback", 'File "', "pydantic", "/balign/", "object at 0x"))


def tells_no_folder(words: str) -> bool:
    """Whether a stranger learns nothing of where things lie on this machine."""
    folders = (os.environ["BALIGN_RUNS"], os.environ["GRADIO_TEMP_DIR"], os.environ["BALIGN_CACHE"], str(ROOT))
    return not any(folder in words for folder in (*folders, f"{Path.home()}/"))


def call(name: str, x: object) -> None:
    said = "Answered."
    try:
        CALLS[name](x)
    except gr.Error as error:
        said = error.message
    assert is_a_sentence(said), said
    assert tells_no_folder(said), said


def handle(name: str, x: object) -> None:
    for text in texts(HANDLERS[name](x)):
        assert "Traceback" not in text
        assert "notice failed" not in text
        assert tells_no_folder(text), text[:500]
        assert not [sign for sign in INTERPRETED if sign in text and sign != str(x)], text[:500]


def test_the_catalogue_is_large_enough() -> None:
    assert len(TEXTS) == len(set(TEXTS)) >= 40


@pytest.mark.parametrize("name", CALLS)
def test_endpoints_answer_the_catalogue(name: str) -> None:
    for x in HOSTILE:
        call(name, x)


@pytest.mark.parametrize("name", HANDLERS)
def test_handlers_answer_the_catalogue(name: str) -> None:
    for x in HOSTILE:
        handle(name, x)


@pytest.mark.parametrize("name", CALLS)
def test_endpoints_answer_anything(name: str) -> None:
    often(given(anything)(lambda x: call(name, x)))()


@pytest.mark.parametrize("name", HANDLERS)
def test_handlers_answer_anything(name: str) -> None:
    often(given(anything)(lambda x: handle(name, x)))()


def test_no_file_is_found_by_such_a_name() -> None:
    for name in TEXTS:
        assert files.locate(ids(), name) is None
        assert files.locate(name, "report.json") is None
        assert files.url(Run.open(ids()), name) == ""
