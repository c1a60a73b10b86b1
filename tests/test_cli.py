"""The command line: help that reads well, errors of one sentence, a run from end to end."""

import signal

import pytest

from balign import cli
from balign.cli import run_commands
from balign.host import status
from balign.runs.folder import Run, list_runs


def told(capsys) -> tuple[str, str]:
    captured = capsys.readouterr()
    return captured.out, captured.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["erase"], "Nothing to erase was given; name at least one concept."),
        (["erase", " "], "Nothing to erase was given; name at least one concept."),
        (["erase", "cat", "--steps", "0"], "Steps is 0; 1 or more is accepted."),
        (["erase", "cat", "--method", "magic"], "There is no method 'magic'"),
        (["erase", "cat", "--keep", *["k"] * 10_000], "10,000 prompts to keep were given; at most 2,000 are accepted."),
        (["erase", "cat", "--scorer", "nobody"], "There is no scorer 'nobody'"),
        (["erase", "cat", "--device", "cuda:9"], "The device is cuda:9; "),
        (["erase", "cat", "--keep", "a cat"], "cat"),
        (["run", "nowhere"], "nowhere' is not a run; a run is a folder"),
        (["evaluate", "/"], "is not a run"),
        (["export", "."], "is not a run"),
        (["run"], "No folder was given"),
        (["compare"], "0 runs were named; 2 to 8 different ones are accepted."),
        (["bundle", "."], "is not a run"),
        (["reproduce", "none.zip"], "There is no file none.zip."),
        (["reproduce", "/dev/null"], "This is not a bundle"),
    ],
)
def test_errors_are_one_sentence_and_code_2(arguments, words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(arguments) == 2
    out, err = told(capsys)
    assert out == ""
    assert words in err
    assert err.count("\n") == 1
    assert list_runs() == []


def test_a_bug_of_ours_is_no_sentence_but_a_traceback(monkeypatch):
    monkeypatch.setattr(run_commands, "opened_run", lambda folder: list(zip([1], [], strict=True)))
    with pytest.raises(ValueError, match="zip"):
        cli.main(["evaluate", "run"])


def test_a_mistyped_flag_is_named_with_the_nearest(capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(["erase", "cat", "--stepz", "3"])
    assert ended.value.code == 2
    assert "--steps" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--help"], ["erase", "--help"], ["studio", "--help"]])
def test_help_is_there(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    assert ended.value.code == 0
    out = capsys.readouterr().out
    assert "options.options" not in out
    if "erase" in arguments:
        for flag in ("--keep", "--model", "--method", "--retain-weight", "--seed"):
            assert flag in out


def test_every_option_of_the_config_is_a_flag_with_help():
    from balign.runs.config import Options

    assert all(field.description for field in Options.model_fields.values())


def test_erase_export_and_run_again(configure, capsys):
    config = configure(preview_every=0, steps=2, n_eval=1)
    flags = [
        flag
        for name, value in config.model_dump(exclude={"erase", "keep"}, exclude_defaults=True).items()
        for flag in (f"--{name.replace('_', '-')}", str(value))
    ]
    assert cli.main(["erase", "cat=dog", *flags, "--keep", "a pizza"]) == 0
    out, _ = told(capsys)
    (run,) = list_runs()
    assert run.config.erase[0].replace_with == "dog"
    assert run.config.keep == ("a pizza",)
    assert "Unlearn: 2 of 2" in out
    assert "Erased" in out
    assert "Erased: too few prompts to say (1, of at least 8)." in out
    assert "report.html" in out
    assert cli.main(["run", str(run.path)]) == 0
    assert "Erased" in told(capsys)[0]
    assert cli.main(["export", str(run.path)]) == 0
    assert cli.main(["export", str(run.path), "--lora", "2"]) == 0
    assert (run.path / "lora.safetensors").is_file()
    assert (run.path / "pipeline" / "model_index.json").is_file()


def test_compare_bundle_and_reproduce(configure, capsys, tmp_path):
    base = configure(preview_every=0, steps=2, n_eval=1)
    runs = [Run.create(base), Run.create(base.model_copy(update={"method": "grad_diff"}))]
    assert cli.main(["run", *(str(run.path) for run in runs)]) == 0
    assert [status.state(run) for run in runs] == ["done", "done"]
    told(capsys)
    assert cli.main(["compare", *(str(run.path) for run in runs)]) == 0
    out, _ = told(capsys)
    assert "Same model, lists, data, seed and steps" in out
    assert "grad_diff" in out
    path = str(tmp_path / "run.zip")
    assert cli.main(["bundle", str(runs[0].path), "--out", path]) == 0
    assert cli.main(["reproduce", path]) == 0
    assert f"The weights are those of {runs[0].id}, bit for bit." in told(capsys)[0]
    assert len(list_runs()) == 3


def test_runs_behind_a_stopped_one_are_not_started(configure, capsys):
    runs = [Run.create(configure()) for _ in range(2)]
    runs[0].request_stop()
    assert cli.main(["run", *(str(run.path) for run in runs)]) == 130
    assert "Not started, because the run before it was stopped" in runs[1].telemetry()[0][-1].message
    assert status.state(runs[1]) == "stopped"


def test_a_failed_run_is_one_sentence_and_code_2(configure, capsys):
    config = configure(model="nobody/nothing", scorer="emoji")
    assert cli.main(["erase", "cat", "--model", config.model]) == 2
    _, err = told(capsys)
    assert "nobody/nothing" in err
    assert err.count("\n") == 1


def test_ctrl_c_stops_after_the_batch_and_the_run_goes_on(configure, capsys, monkeypatch):
    from balign.runs.engine import execute
    from balign.telemetry import Step

    run = Run.create(configure(preview_every=0, n_eval=1))
    real = execute.run

    def interrupted(folder):
        for event in real(folder):
            if isinstance(event, Step) and event.step == 3:
                signal.raise_signal(signal.SIGINT)
            yield event

    monkeypatch.setattr(execute, "run", interrupted)
    assert cli.main(["run", str(run.path)]) == 130
    out, err = told(capsys)
    assert "Stopping after this batch" in err
    assert "Stopped after step 4 of 6 and compared" in err or "Stopped after step 3 of 6 and compared" in err
    assert "of 6 steps" in out
    assert status.state(run) == "stopped"
    monkeypatch.setattr(execute, "run", real)
    assert cli.main(["run", str(run.path)]) == 0
