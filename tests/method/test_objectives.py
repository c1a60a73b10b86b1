import subprocess
import sys
from types import SimpleNamespace

import pytest

from balign.method.closed_form import EDITS as CLOSED_FORMS
from balign.method.combiners import COMBINERS
from balign.method.losses import FORGET_LOSSES
from balign.method.method_row import EDITS, FORGET
from balign.method.objectives import DEFAULT_METHOD, METHODS, Settings, settle
from balign.models.trainable import TRAINABLE


@pytest.mark.parametrize("row", METHODS.values(), ids=METHODS)
def test_rows_name_what_there_is_and_say_where_it_is_from(row) -> None:
    assert row.forget in FORGET_LOSSES
    assert row.combine in COMBINERS
    assert row.train in TRAINABLE
    assert row.cite
    assert row.equation
    assert row.note


def test_the_names_that_need_no_torch_are_those_of_the_tables() -> None:
    assert set(FORGET) == FORGET_LOSSES.keys()
    assert set(EDITS) == CLOSED_FORMS.keys()


def test_the_papers_row_has_the_papers_numbers() -> None:
    row = METHODS["rgd"]
    assert (row.forget, row.combine, row.retain_weight, row.truncation) == ("ascent", "restricted", 1.6, 1.5)
    assert row.diversified
    assert not row.project_step
    assert not METHODS["rg"].diversified
    assert row.retain_target == "denoising"
    assert METHODS[DEFAULT_METHOD].project_step


def test_what_a_config_leaves_open_is_the_methods() -> None:
    config = SimpleNamespace(
        method="rgd", steps=7, learning_rate=None, retain_weight=0.0, measure_every=0, erase=["cat"]
    )
    settings = settle(config)
    assert (settings.method, settings.steps, settings.learning_rate) == ("rgd", 7, 1e-4)
    assert (settings.retain_weight, settings.measure_every) == (0.0, 0)
    assert settle().method == DEFAULT_METHOD
    assert settle(config, method="esd", retain_weight=None).retain_weight == 0.0


def test_wrong_settings_are_refused_in_a_sentence() -> None:
    with pytest.raises(ValueError, match=r"There is no method 'magic'; there are both, redirect, remove, balign"):
        settle(method="magic")
    with pytest.raises(ValueError, match=r"'alpha' is not a setting; there are method"):
        settle(alpha=1)
    with pytest.raises(ValueError, match=r"steps is 0; 1 or more is accepted"):
        settle(steps=0)
    with pytest.raises(ValueError, match=r"steps is 5; the method 'redirect' takes none, so only 0 is accepted"):
        settle(method="redirect", steps=5)
    with pytest.raises(ValueError, match=r"project_step is True; 'sfr_on' takes two steps in turn"):
        settle(method="sfr_on", project_step=True)
    with pytest.raises(ValueError, match=r"promise is 'measured'; project_step and a measure_every of 1 or more"):
        settle(method="rgd", promise="measured")
    with pytest.raises(ValueError, match=r"buffer is 4; without project_step only 0 is accepted"):
        settle(method="rgd", buffer=4)
    with pytest.raises(ValueError, match=r"edit is empty; the method 'redirect' does nothing else"):
        settle(method="redirect", edit="")


def test_what_is_left_open_twice_has_the_default_of_settings() -> None:
    assert settle().measure_every == settle(measure_every=None).measure_every == Settings.measure_every


def test_the_table_and_the_combiners_need_no_torch() -> None:
    code = "import sys, balign.method.objectives, balign.method.combiners; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
