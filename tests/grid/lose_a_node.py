"""`python -m tests.grid.lose_a_node GRID OUT`: the grid on a Ray cluster of two nodes, one of which dies at work."""

import sys
import threading
import time
from pathlib import Path

from ray.cluster_utils import Cluster

from balign import cli
from balign.runs.folder import Run

NODE = {"num_cpus": 1, "num_gpus": 0, "object_store_memory": 80_000_000, "include_dashboard": False}


def busy(out: Path) -> int:
    """How many cells a process is at work on that has recorded something."""
    return sum(Run(path.parent).running() for path in out.glob("*/telemetry.jsonl"))


def main(grid: str, out: str) -> int:
    cluster = Cluster(initialize_head=True, head_node_args=NODE)
    lost = cluster.add_node(**NODE)

    def lose() -> None:
        while busy(Path(out)) < 2:
            time.sleep(0.05)
        cluster.remove_node(lost, allow_graceful=False)
        print("A node was lost.", flush=True)

    threading.Thread(target=lose, daemon=True).start()
    try:
        return cli.main(["compare", grid, "--out", out, "--ray", cluster.address])
    finally:
        cluster.shutdown()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
