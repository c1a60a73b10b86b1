"""Visitors of a studio: one process of `gradio_client` threads that browse, ask and think. Started by `load.py`.

    python -m benchmarks.visitors URL RUNNING FINISHED --clients 30 --seconds 300

Says `ready` when every client is connected, begins at the first line it is given, and ends with one line of json:
[what was asked, seconds it took, error or null] for every call. What it takes of the machine is the visitors' part and
not the studio's, so it runs at a lower priority (`--nice`).
"""

import argparse
import json
import os
import random
import sys
import threading
import time
from collections.abc import Callable

import httpx
from gradio_client import Client

from benchmarks.served import connected

GROUPS = ("erased", "kept", "neighbours")
Call = tuple[str, float, str | None]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("url")
    options.add_argument("running")
    options.add_argument("finished")
    options.add_argument("--clients", type=int, required=True)
    options.add_argument("--seconds", type=float, required=True)
    options.add_argument("--think", type=float, nargs=2, required=True)
    options.add_argument("--nice", type=int, required=True)
    asked = options.parse_args()
    os.nice(asked.nice)
    clients = [connected(asked.url) for _ in range(asked.clients)]
    print("ready", flush=True)
    sys.stdin.readline()
    calls: list[Call] = []
    end = time.monotonic() + asked.seconds

    def visit(number: int, client: Client) -> None:
        chance = random.Random(number)
        with httpx.Client(base_url=asked.url, timeout=60) as browser:
            does = _errands(client, browser, asked.running, asked.finished, chance)
            names = list(does)
            turn = number  # each begins elsewhere, so that they do not all ask the same at once
            while time.monotonic() + (pause := chance.uniform(*asked.think)) < end:
                time.sleep(pause)
                name = names[turn % len(names)]
                turn += 1
                began = time.perf_counter()
                error = _error(does[name])
                calls.append((name, time.perf_counter() - began, error))

    threads = [threading.Thread(target=visit, args=pair) for pair in enumerate(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps(calls), flush=True)
    os._exit(0)  # the clients' own threads would be waited for


def _errands(
    client: Client, browser: httpx.Client, running: str, finished: str, chance: random.Random
) -> dict[str, Callable[[], object]]:
    """What a visitor does, in turn; each raises or gives something true."""
    return {
        "browse": lambda: browser.get("").raise_for_status().text and browser.get("config").raise_for_status().json(),
        "status": lambda: client.predict(running, api_name="/status"),
        "metrics": lambda: client.predict(running, api_name="/metrics"),
        "pair": lambda: client.predict(finished, chance.choice(GROUPS), 0, api_name="/pair"),
        "score": lambda: client.predict(finished, chance.choice(GROUPS), api_name="/score"),
    }


def _error(errand: Callable[[], object]) -> str | None:
    """What went wrong, in words. Whatever it is, it is counted, and the visitor goes on."""
    try:
        return None if errand() else "the answer was empty"
    except Exception as error:
        return f"{type(error).__name__}: {error}"


if __name__ == "__main__":
    main()
