"""Starts the container of an image that `docker_steps.py` built; looks at it as a visitor and as its own user would.

It builds nothing.
"""

import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.docker_steps import Image

UID = 1000
PATIENCE = 600.0
"""Seconds to wait for anything; a busy machine is slow."""
DOCKER_WAITS = 10.0
"""Seconds after which `docker stop` kills."""
WRITABLE = {"/tmp", "/var/tmp", "/run/lock", "/home/user", "/proc", "/dev/shm"}
"""Where its user may write, and below."""
TINY = {"steps": 2, "n-forget": 4, "n-retain": 4, "n-eval": 2, "sampling-steps": 2}
ONE_THREAD = {"OMP_NUM_THREADS": "1"}
CLIENT = """
import sys, time
from gradio_client import Client
client = Client(sys.argv[1], verbose=False)
run = client.predict("cat", settings=eval(sys.argv[2]), api_name="/start")["run"]
while (now := client.predict(run, api_name="/status"))["state"] not in ("done", "failed", "stopped"):
    time.sleep(1)
assert now["state"] == "done", now
"""


def try_out(image: "Image") -> list[str]:
    """Start, look, stop; a line for each thing that was found as it should be. Anything else ends the script."""
    (port,) = image.ports
    url, told = f"http://127.0.0.1:{port}/", []
    assert run(image, image.health) != 0, "the health check is content before anything was started"

    began = time.monotonic()
    own = ["unshare", "--pid", "--fork", f"--mount-proc={image.root}/proc"]
    outer = subprocess.Popen([*own, *image.line(image.command, ONE_THREAD)])
    wait_for_page(url, outer)
    first = int(Path(f"/proc/{outer.pid}/task/{outer.pid}/children").read_text().split()[0])
    told.append(f"the page came after {time.monotonic() - began:.1f} s, on every address: {listens_everywhere(port)}")
    facts = dict(line.split(":\t", 1) for line in Path(f"/proc/{first}/status").read_text().splitlines())
    ids = set(facts["Uid"].split() + facts["Gid"].split())
    assert ids == {str(UID)}, f"the server runs as {ids}"
    told.append(f"the server is process {facts['NSpid'].split()[-1]} of the container and runs as {UID}")
    assert run(image, image.health, first) == 0, "the health check fails while the page is there"
    told.append("the health check fails before and passes now")

    words = [f"--{name}={value}" for name, value in TINY.items()]
    began = time.monotonic()
    assert run(image, ["python", "-m", "balign", "erase", "cat", *words], first) == 0, "erasing failed"
    told.append(f"`python -m balign erase cat {' '.join(words)}` took {time.monotonic() - began:.1f} s")
    began = time.monotonic()
    settings = repr({name.replace("-", "_"): value for name, value in TINY.items()})
    assert run(image, ["python", "-c", CLIENT, url, settings], first) == 0, "a run of the studio did not end well"
    told.append(f"the same run through the page's server took {time.monotonic() - began:.1f} s")
    told += writing(image)

    began = time.monotonic()
    os.kill(first, getattr(signal, image.stop_signal))
    try:
        outer.wait(DOCKER_WAITS)
    except subprocess.TimeoutExpired:
        outer.kill()
        sys.exit(f"{image.stop_signal} does not end the server; Docker would have killed it by now.")
    return [*told, f"{image.stop_signal} ended it in {time.monotonic() - began:.1f} s", unwritable(image)]


def unwritable(image: "Image") -> str:
    """A volume that only root may write is named at the start, with the user who may not."""
    runs = str(image.root / image.env["BALIGN_RUNS"].lstrip("/"))
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", runs], check=True)
    try:
        ended = subprocess.run(image.line(image.command, ONE_THREAD), capture_output=True, text=True, timeout=PATIENCE)
    finally:
        subprocess.run(["umount", runs], check=True)
    said = ended.stderr.strip().splitlines()[-1]
    assert ended.returncode == 1, ended
    assert f"{image.env['BALIGN_RUNS']}, where user {UID} may not write" in said, said
    return f"with runs that only root may write it says: {said}"


def run(image: "Image", argv: list[str], within: int | None = None) -> int:
    """What `docker exec` does in the container of that process, or `docker run` where there is none; the exit code."""
    enter = ["nsenter", f"--target={within}", "--mount", "--pid"] if within else []
    return subprocess.run([*enter, *image.line(argv, ONE_THREAD)]).returncode


def wait_for_page(url: str, server: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + PATIENCE
    while True:
        try:
            assert b"balign" in urllib.request.urlopen(url, timeout=30).read()
            return
        except OSError:
            if server.poll() is not None or time.monotonic() > end:
                sys.exit("The page was never served.")
            time.sleep(0.2)


def listens_everywhere(port: int) -> str:
    """Whether the server takes calls from outside its container, as publishing a port needs."""
    sockets = [line.split()[1:4] for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    assert [f"00000000:{port:04X}", "00000000:0000", "0A"] in sockets, "the server listens to its own container only"
    return "yes"


def writing(image: "Image") -> list[str]:
    """Where the image's user may write: its home and what is everybody's, and no program."""
    find = "find / -writable -not -type l -not -path '/proc/*' -not -path '/dev/*' 2>/dev/null; true"
    there = subprocess.run(image.line(["sh", "-c", find]), check=True, capture_output=True, text=True).stdout
    found = {Path(path) for path in there.splitlines()}
    tops = sorted(str(path) for path in found if path.parent not in found)
    assert set(tops) <= WRITABLE, f"its user may write into {set(tops) - WRITABLE}"
    home = image.identity(image.user)[2]
    closed = subprocess.run(image.line(["find", home, "-not", "-writable"]), check=True, capture_output=True, text=True)
    assert not closed.stdout, f"its user may not write into {closed.stdout.split()} of its own home"
    return [f"its user may write in {', '.join(tops)} and nowhere else"]
