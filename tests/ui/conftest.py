"""The tests of the page start the same fake runs as those of the host."""

from tests.host.conftest import _fake_runs, finished, limit, new_run, public  # noqa: F401
