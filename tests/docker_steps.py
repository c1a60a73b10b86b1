"""Runs the Dockerfile's steps where there is no Docker engine, then its container, and looks whether all is well.

    python tests/docker_steps.py ROOT [--bind PATH …] [--env NAME=VALUE …] [--build-arg NAME=VALUE …] [--built]

As root, on Linux with debootstrap. The instructions are read from the Dockerfile and done in ROOT, a new folder. What
stands in for Docker: FROM is Debian's smallest system with its own Python 3.11 in an environment on PATH; RUN is a
chroot; a container is a chroot with processes of its own, but without layers, an own network, limits or dropped
capabilities. What --bind names is seen read-only while building, and --env holds for RUN, so that a machine's own
package index gets in. --built takes ROOT as an earlier call left it. All mounts are this process's own and end with it.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

SOURCE = Path(__file__).parents[1]
sys.path.insert(0, str(SOURCE))

from tests import container, dockerfile  # noqa: E402

BASE = "python:3.11-slim"
MIRROR = "http://deb.debian.org/debian"
PACKAGES = "ca-certificates netbase tzdata python3.11-venv"
PATH = "/opt/python/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
DEVICES = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9), "tty": (5, 0)}


@dataclass
class Image:
    """What the instructions so far say of the image; its files are under root."""

    root: Path
    given: dict[str, str]
    env: dict[str, str] = field(default_factory=lambda: {"PATH": PATH, "LANG": "C.UTF-8"})
    args: dict[str, str] = field(default_factory=dict)
    workdir: str = "/"
    user: str = "root"
    ports: list[int] = field(default_factory=list)
    stop_signal: str = "SIGTERM"
    health: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)

    def line(self, argv: list[str], extra: dict[str, str] | None = None) -> list[str]:
        """The command line that runs this in the image, as its user, with its variables and nothing else."""
        uid, gid, home = self.identity(self.user)
        variables = {"HOME": home} | (extra or {}) | self.env
        names = [f"{name}={value}" for name, value in variables.items()]
        # Signals as Docker leaves them: a shell's background jobs, of which this may be one, ignore SIGINT.
        inside = ["/usr/bin/env", "-i", "--default-signal", f"--chdir={self.workdir}", *names, *argv]
        return ["chroot", f"--userspec={uid}:{gid}", "--groups=", str(self.root), *inside]

    def identity(self, user: str) -> tuple[int, int, str]:
        """Number, group and home, as the image's own table of users has them."""
        entries = (line.split(":") for line in (self.root / "etc/passwd").read_text().splitlines())
        return next((int(e[2]), int(e[3]), e[5]) for e in entries if user in (e[0], e[2]))

    def inside(self, path: str) -> Path:
        return self.root / os.path.join(self.workdir, path).lstrip("/")


def main() -> None:
    options = arguments()
    if os.environ.get("_OWN_NAMESPACES") != "1":  # so that whatever happens, no mount and no process is left
        own = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", sys.executable, *sys.argv]
        os.execvpe("unshare", own, os.environ | {"_OWN_NAMESPACES": "1"})
    if options.root.exists() != options.built:
        sys.exit(f"{options.root} is there already." if options.root.exists() else f"{options.root} is not there.")
    image = Image(options.root.absolute(), dict(pair.split("=", 1) for pair in options.build_arg))
    extra = dict(pair.split("=", 1) for pair in options.env)
    rows, before = [], 0
    for step in dockerfile.steps(SOURCE / "Dockerfile"):
        print(f"== {step}", flush=True)
        began = time.monotonic()
        follow(image, step, extra, options)
        took, now = time.monotonic() - began, size(image.root, options.bind)
        rows.append(f"{took:8.1f} s  {now - before:+7d} MB  {str(step)[:90]}")
        print(rows[-1], flush=True)
        before = now
    for path in reversed(options.bind):
        subprocess.run(["umount", str(image.root / path.lstrip("/"))], check=True)
    told = container.try_out(image)
    print("\n== Summary", *rows, f"            {before:7d} MB in all", *told, sep="\n")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path)
    for name in ("bind", "env", "build-arg"):
        parser.add_argument(f"--{name}", action="append", default=[])
    parser.add_argument("--built", action="store_true")
    return parser.parse_args()


def follow(image: Image, step: dockerfile.Step, extra: dict[str, str], options: argparse.Namespace) -> None:
    """Do one instruction. Those that change files are passed over in a root that is built already."""
    match step.word:
        case "FROM":
            if step.rest != BASE:
                sys.exit(f"Only {BASE} can be stood in for, not {step.rest}.")
            if not options.built:
                debian(image)
            mount(image.root)
            if not options.built:
                python(image)
            show(image.root, options.bind)
        case "ARG":
            image.args |= {k: image.given.get(k, v) for k, v in dockerfile.pairs(step.rest).items()}
        case "ENV":
            image.env |= dockerfile.pairs(step.rest)
        case "RUN" if not options.built:
            subprocess.run(image.line(step.argv, extra | image.args), check=True)
        case "COPY" if not options.built:
            copy(image, step)
        case "RUN" | "COPY":
            print("   (done before)")
        case "WORKDIR":
            image.workdir = os.path.join(image.workdir, step.rest)
            image.inside(".").mkdir(parents=True, exist_ok=True)
        case "USER":
            image.user = step.rest
        case "EXPOSE":
            image.ports.append(int(step.rest))
        case "VOLUME":  # of its own for each container, with what the image has there
            pass
        case "STOPSIGNAL":
            image.stop_signal = step.rest
        case "HEALTHCHECK":
            image.health = dockerfile.Step("CMD", {}, step.rest.removeprefix("CMD").strip()).argv
        case "CMD":
            image.command = step.argv
        case _:
            sys.exit(f"{step.word} is not known here.")


def debian(image: Image) -> None:
    """A new, smallest Debian."""
    wanted = ["debootstrap", "--variant=minbase", "bookworm", str(image.root), MIRROR]
    subprocess.run(wanted, check=True, stdout=subprocess.DEVNULL)


def python(image: Image) -> None:
    """Python 3.11 as `python` and `pip`."""
    install = f"apt-get install -qq --no-install-recommends {PACKAGES} && apt-get clean && rm -r /var/lib/apt/lists/*"
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(image.line(["sh", "-c", install], quiet), check=True, stdout=subprocess.DEVNULL)
    subprocess.run(image.line(["python3.11", "-m", "venv", "/opt/python"]), check=True)


def attach(*words: str) -> None:
    subprocess.run(["mount", *words], check=True)


def mount(root: Path) -> None:
    """What Docker puts into every container."""
    attach("-t", "proc", "proc", str(root / "proc"))
    attach("-t", "sysfs", "-o", "ro", "sysfs", str(root / "sys"))
    attach("-t", "tmpfs", "-o", "mode=755,size=64k", "tmpfs", str(root / "dev"))
    for name, (major, minor) in DEVICES.items():
        os.mknod(root / "dev" / name, 0o020666, os.makedev(major, minor))
        (root / "dev" / name).chmod(0o666)
    for name, target in {"fd": "", "stdin": "/0", "stdout": "/1", "stderr": "/2"}.items():
        (root / "dev" / name).symlink_to(f"/proc/self/fd{target}")
    (root / "dev/shm").mkdir()
    attach("-t", "tmpfs", "-o", "mode=1777,size=64m", "tmpfs", str(root / "dev/shm"))
    show(root, ["/etc/resolv.conf"])


def show(root: Path, paths: list[str]) -> None:
    """Let these paths of the machine be seen in the root, read-only."""
    for path in paths:
        source, target = Path(path), root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.mkdir(exist_ok=True) if source.is_dir() else target.touch()
        attach("--bind", str(source.resolve()), str(target))
        attach("-o", "remount,bind,ro", str(target))


def copy(image: Image, step: dockerfile.Step) -> None:
    """Copy files of the context with the owner that --chown names, or root."""
    *sources, target = step.rest.split()
    uid, gid, _ = image.identity(step.flags.get("chown", "root").split(":")[0])
    sent = dockerfile.context(SOURCE)
    for source in sources:
        whole = (SOURCE / source).is_dir()
        files = [path for path in sent if path == Path(source) or Path(source) in path.parents]
        if not files:
            sys.exit(f"{source} is not in the context; .dockerignore leaves it out.")
        for path in files:
            relative = path.relative_to(source) if whole else Path(path.name)
            alone = not whole and not target.endswith(("/", "."))
            put(SOURCE / path, image.inside(target) if alone else image.inside(target) / relative, uid, gid)


def put(source: Path, target: Path, uid: int, gid: int) -> None:
    """One file; folders on the way that are not there yet get the same owner."""
    for folder in [p for p in reversed(target.parents) if not p.exists()]:
        folder.mkdir(mode=0o755)
        os.chown(folder, uid, gid)
    shutil.copy(source, target)
    os.chown(target, uid, gid)


def size(root: Path, shown: list[str]) -> int:
    """Megabytes under the root, without what is mounted there."""
    left_out = [f"--exclude={root}{path}" for path in shown]
    count = ["du", "-sx", "--block-size=1M", *left_out, str(root)]
    return int(subprocess.run(count, check=True, capture_output=True, text=True).stdout.split()[0])


if __name__ == "__main__":
    main()
