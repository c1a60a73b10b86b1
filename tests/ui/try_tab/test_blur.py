"""What is drawn of an erased attribute or theme is blurred in every part of the tab, and nothing else is."""

from collections.abc import Callable

import pytest

from balign.runs.folder import Run
from balign.runs.tryout import ballots, store
from balign.ui.try_tab import attack_panel, blind_vote, own_prompts, probe_results, strength
from tests.host import fake_run, fake_tryout

NUDE = {"erase": [{"name": "nude", "kind": "attribute"}], "model": "CompVis/stable-diffusion-v1-4"}
ON = '<label class="veil soft"><input type="checkbox" checked>'
OFF = '<label class="veil soft"><input type="checkbox">'


@pytest.mark.parametrize(("config", "blurred"), [(NUDE, True), ({"erase": ["cat"]}, False)])
def test_every_part_is_blurred_until_asked_for(
    config: dict[str, object], blurred: bool, new_run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_PAUSE", "0")
    run = new_run(**config)
    fake_run.main(str(run.path))
    fake_tryout.write_try(run, "a prompt", 7, 2)
    fake_tryout.write_strengths(run)
    fake_tryout.write_probes(run)
    fake_tryout.write_attack(run)
    this, other = (ON, OFF) if blurred else (OFF, ON)
    for part in (
        own_prompts.own_prompts(run),
        probe_results.probe_results(run, store.probes(run)),
        attack_panel.attack_results(run),
        blind_vote.opened(run, ballots.new(run))["sheets"]["value"],
    ):
        assert (part.count(this), part.count(other)) == (1, 0)
    by_group = str(strength.strength(run, store.strength(run)))
    erased, kept = (by_group.index(f'<section class="group {name}">') for name in ("erased", "kept"))
    assert this in by_group[erased:kept]
    assert OFF in by_group[kept:]
    assert ON not in by_group[kept:]
