"""The two lists of a config are looked up once for all that is shown or run from them; its pictures are counted."""

import pytest

from balign.data import suggestions, targets
from balign.method.objectives import DEFAULT_METHOD, METHODS
from balign.runs.config import RunConfig
from balign.runs.engine import job
from balign.runs.estimate import forecast
from balign.runs.folder import Run
from balign.runs.prompt_lists import pictures, prompt_sets, resolve


@pytest.fixture
def looked_up(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of concepts that were looked up."""
    names: list[str] = []
    understand = targets.understand

    def counted(name: str, lexicon: str, kind: str | None):  # type: ignore[no-untyped-def]
        names.append(name)
        return understand(name, lexicon, kind)

    monkeypatch.setattr(targets, "understand", counted)
    return names


def test_a_keystroke_looks_each_concept_up_once(looked_up: list[str]) -> None:
    config = RunConfig.parse({"erase": ["cat", "pizza"], "keep": ["dog", "a castle at night"]})
    lists = resolve(config)
    sets = prompt_sets(config, lists)
    assert suggestions.close(lists)
    assert suggestions.twins(sets)
    assert suggestions.breadth(sets)
    assert forecast.estimate(config, sets).seconds > 0
    assert looked_up == ["cat", "pizza"]


def test_a_run_looks_each_concept_up_once(looked_up: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    class Loaded(Exception):
        """The words are through, the model is next."""

    def load(config: RunConfig) -> None:
        raise Loaded

    monkeypatch.setattr(job, "load_model", load)
    with pytest.raises(Loaded):
        job.load_job(Run.create(RunConfig.parse({"erase": ["cat"], "keep": ["dog"]})))
    assert looked_up == ["cat"]


@pytest.mark.parametrize("changes", [{}, {"n_eval": 2, "eval_seeds": 3}, {"preview_every": 0}, {"erase": ["ink"]}])
def test_pictures_are_counted(changes: dict[str, object]) -> None:
    config = RunConfig.parse({"erase": ["cat"], "n_forget": 5, "n_retain": 7} | changes)
    sets = prompt_sets(config, resolve(config))
    tests = sum(map(len, sets.tests.values())) * config.eval_seeds
    counted = pictures(config, sets)
    assert (counted.training, counted.compared) == (len(sets.forget) + len(sets.retain), 2 * tests)
    assert counted.previews == (METHODS[DEFAULT_METHOD].steps // config.preview_every if config.preview_every else 0)
    assert all(few <= most for few, most in zip(counted, pictures(config), strict=True))
