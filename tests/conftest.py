"""What all tests share: private directories, and parts that end with the test."""

import os
import shutil
import signal
import sys
import tempfile
import zlib

import pytest
from _pytest.runner import runtestprotocol

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from lib import build  # noqa: E402


def pytest_configure(config):
    # An interrupted run cleans up as a finished one does.
    def interrupted(*_):
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupted)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    # Workers are given neighbours: those of one file, slow alike, must not be.
    if "PYTEST_XDIST_WORKER" in os.environ:
        items.sort(key=lambda item: zlib.crc32(item.nodeid.encode()))
    _begin_with_long_ones(items)
    # Without parts no daemon runs, and the command line by itself has threads
    # only where it writes to a journal.
    for item in items:
        if not (
            {"parts", "safe_parts"} & set(item.fixturenames)
            or item.get_closest_marker("threads")
        ):
            item.add_marker("single")


def _begin_with_long_ones(items):
    """Each with another worker, who gets HANDFUL at a time."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)
    count = sum(item.get_closest_marker("long") is not None for item in items)
    for n in reversed(range(count)):
        items.insert(n * HANDFUL, items.pop(n))


# What lies behind a long test waits for it: no worker is given more at a time
# than it needs to know which comes next.
HANDFUL = 2


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    from xdist.scheduler import LoadScheduling

    class Handfuls(LoadScheduling):
        def _send_tests(self, node, num):
            super()._send_tests(node, min(num, HANDFUL))

    return Handfuls(config, log)


# Machines are noisy: a test that judges pace is right when it passes once.
PACE_TRIES = 3


def pytest_runtest_protocol(item, nextitem):
    if not item.get_closest_marker("pace"):
        return None
    item.ihook.pytest_runtest_logstart(
        nodeid=item.nodeid, location=item.location
    )
    for tries in range(PACE_TRIES):
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
        if tries == PACE_TRIES - 1 or not any(r.failed for r in reports):
            break
        item._initrequest()
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(
        nodeid=item.nodeid, location=item.location
    )
    return True


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    # Fixtures ask at teardown how the test went.
    outcome = yield
    if call.when == "call":
        item.failed = outcome.get_result().failed


def _keep_logs(rundir, name):
    """Leave the logs of a failed test in the build directory."""
    kept = build.BUILD / "failed" / name
    for path, _, files in os.walk(rundir):
        for file in files:
            if file.endswith((".log", ".conf", ".cf", ".json")):
                kept.mkdir(parents=True, exist_ok=True)
                shutil.copy(os.path.join(path, file), kept / file)


def _private(request, parent):
    path = tempfile.mkdtemp(prefix="po", dir=parent)
    # Daemons that give up root must get through it to their own files.
    os.chmod(path, 0o755)
    yield path
    if getattr(request.node, "failed", True):
        _keep_logs(path, request.node.name.replace("/", "_"))
    shutil.rmtree(path)


@pytest.fixture
def rundir(request):
    """A private directory with a name short enough for unix socket paths."""
    yield from _private(request, "/tmp")


@pytest.fixture
def safe_rundir(request):
    """The same where no directory above is writable for others, on which
    Sendmail insists for sockets. For root only."""
    yield from _private(request, "/run")


@pytest.fixture
def parts(rundir):
    """Hands out what a test starts, and ends it after the test in reverse order.

    parts.add(x) returns x, whose close() is called whatever happens, so that a
    sanitizer's report in any of them fails the test.
    """
    keeper = _Parts(rundir)
    yield keeper
    keeper.close()


@pytest.fixture
def safe_parts(safe_rundir):
    keeper = _Parts(safe_rundir)
    yield keeper
    keeper.close()


class _Parts:
    def __init__(self, rundir):
        self.rundir = rundir
        self._open = []

    def dir(self, name):
        path = os.path.join(self.rundir, name)
        os.mkdir(path, 0o755)
        return path

    def room(self, name):
        """Parts of their own in a directory of their own, for a thread."""
        return self.add(_Parts(self.dir(name)))

    def add(self, part):
        self._open.append(part)
        return part

    def close(self):
        failures = []
        while self._open:
            try:
                self._open.pop().close()
            except Exception as e:  # the others must be closed all the same
                failures.append(e)
        if failures:
            raise failures[0]
