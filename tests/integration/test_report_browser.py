"""The report in a browser: nothing on its console, and accessible.

Run where Chromium and axe-core are there; neither is installed for it.
"""

import os

import pytest

from lib.page import axe, browse, why_no_browser
from lib.rig import relay, send

pytestmark = pytest.mark.skipif(
    bool(why_no_browser()), reason=why_no_browser() or "-")


@pytest.fixture
def report(parts):
    post, ses = relay(parts, conf={"quota": {"daily": 1000}})
    for i in range(5):
        send(post, f"r{i}@example.com", "last@two.example.com")
    ses.fault("dot reply nth=1 text=554 Message rejected: <b>no</b>")
    send(post, "never@example.com")
    ses.fault("dot lose nth=1")
    send(post, "doubtful@example.com")
    path = os.path.join(parts.rundir, "report.html")
    post.run("report", "--html", path)
    return path


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_on_the_console(parts, report, scheme):
    """The page's policy forbids every request, so one would show here."""
    picture = os.path.join(parts.rundir, f"{scheme}.png")
    _, console = browse(report, parts.dir("profile"),
                        f"--screenshot={picture}", scheme=scheme)
    assert console == []
    assert os.path.getsize(picture) > 10000


def test_the_console_is_heard(parts, report):
    with open(report, "a", encoding="utf-8") as f:
        f.write('<img src="file:///etc/passwd" alt="">')
    _, console = browse(report, parts.dir("profile"), "--dump-dom")
    assert console


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(parts, report, scheme):
    assert axe(report, parts.dir("profile"), scheme) == []
