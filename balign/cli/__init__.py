"""The command line: erase, run, evaluate, export, try, attack and so on. Its flags are those of the config, by tyro.

A refusal or an error of the disk is one sentence on standard error and exit code 2; any other error is a traceback.
"""

import sys

import tyro

from balign import plain_text
from balign.cli.command_parts import STOPPED
from balign.cli.file_commands import bundle, export, push
from balign.cli.look_commands import attack, compare, probe, strength, try_
from balign.cli.run_commands import erase, evaluate, more, reproduce, run
from balign.refusal import Refusal
from balign.runs.tryout.store import DrawingFailed
from balign.terminal import Terminal, complain


def cache(model: str | None = None, older: float | None = None, hub: bool = False, clear: bool = False) -> int:
    """Show what the caches hold: drawn latents, curves of attacks, files from the hub. With --clear, delete it.

    Args:
        model: only what is kept of this model.
        older: only what was not used for so many days.
        hub: clear files from the hub too, which other programs may share; a named model's are cleared without it.
        clear: delete what is shown.
    """
    from balign.data import cache_contents, latent_cache

    terminal, found = Terminal(), cache_contents.contents(model, older)
    for entry in found:
        terminal.sentence(str(entry))
    most = cache_contents.size_of(latent_cache.most_bytes())
    kept = cache_contents.size_of(sum(entry.size for entry in found if entry.kind != "hub"))
    terminal.sentence(f"{kept} in {latent_cache.cache_folder()}; at most {most} are kept (BALIGN_CACHE_GB).")
    if clear:
        chosen = [entry for entry in found if entry.kind != "hub" or hub or model is not None]
        terminal.sentence(f"Deleted {cache_contents.size_of(cache_contents.clear(chosen))}.")
    return 0


def studio(host: str = "127.0.0.1", port: int = 7860) -> int:
    """Open the studio in a browser.

    Args:
        host: address to serve on; 0.0.0.0 lets other machines in.
        port: port to serve on.
    """
    from balign.host.disk import check_root
    from balign.ui.studio import launch

    check_root()
    launch(host, port)
    return 0


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    plain_text.guard_output()
    commands = (
        erase,
        run,
        more,
        evaluate,
        export,
        push,
        try_,
        strength,
        probe,
        attack,
        compare,
        bundle,
        reproduce,
        cache,
        studio,
    )
    try:
        _check(sys.argv[1:] if arguments is None else arguments)
        return tyro.extras.subcommand_cli_from_dict(
            {command.__name__.rstrip("_"): command for command in commands},
            prog="balign",
            description="Make a text-to-image model forget a concept and keep the rest.",
            args=arguments,
        )
    except (Refusal, DrawingFailed) as error:
        complain(str(error))
        return 2
    except OSError as error:  # the disk's, in words
        complain(f"{error.filename}: {error.strerror}." if error.filename and error.strerror else str(error))
        return 2
    except KeyboardInterrupt:
        return STOPPED


def _check(arguments: list[str]) -> None:
    """Refuse an argument that could steer the terminal, before tyro quotes it."""
    for argument in arguments:
        if plain_text.harmless(argument) != argument:
            raise Refusal(f"The argument {argument[:80]!r} contains control characters; plain text is accepted.")
