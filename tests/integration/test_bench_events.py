"""How fast events of SES get into the journal while mail goes on.

Part of "make bench". The mail beside it is paced at 200 a second, what a larger
account of SES may send; POSTERN_BENCH=0.1 takes a tenth of the events.
"""

import json
import os
import resource
import shutil
import subprocess
import time

import pytest

from lib.build import tool
from lib.relay import Relay
from test_bench import FREE, SCALE, cpu_of, table

pytestmark = pytest.mark.bench

PACE = 200


def load(relay, sessions, messages):
    return subprocess.Popen(
        [tool("lmtpload"), relay.posternd.socket, str(sessions), str(messages),
         "2048", "1"], stdout=subprocess.PIPE, text=True)


def ingest(relay, path):
    """Counts, seconds, and CPU seconds of posternd and of the command."""
    pid = relay.posternd.daemon.pid
    own = cpu_of(pid)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.monotonic()
    done = subprocess.run(
        [relay.posternd.postern(), "-c", relay.posternd.conf_file, "events",
         "ingest", "--json", path], check=True, capture_output=True, text=True)
    took = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = (after.ru_utime + after.ru_stime
           - children.ru_utime - children.ru_stime)
    return json.loads(done.stdout), took, cpu_of(pid) - own, cpu


def untag(path, to):
    """The same as notifications, which have to be found by their SES id."""
    with open(path, encoding="utf-8") as f, open(to, "w", encoding="utf-8") as o:
        for line in f:
            record = json.loads(line)
            del record["mail"]["tags"]["postern"]
            record["mail"]["timestamp"] = "2001-01-01T00:00:00.000Z"
            for part in ("delivery", "send"):
                if "timestamp" in record.get(part, {}):
                    record[part]["timestamp"] = "2001-01-01T00:00:00.000Z"
            o.write(json.dumps(record) + "\n")


def test_beside_live_mail(parts):
    messages = max(int(20000 * SCALE), 500)
    relay = parts.add(Relay(
        parts.dir("r"), conf={"ses": {"configuration-set": "events"}},
        ses=dict(FREE, save=None, keep=10, configuration_set=["events"]),
    ))
    post = relay.posternd
    assert load(relay, 20, messages).wait() == 0
    tagged = os.path.join(parts.rundir, "tagged")
    shutil.copy(relay.sandbox.events_file, tagged)
    untagged = os.path.join(parts.rundir, "untagged")
    untag(tagged, untagged)
    post.configure({"quota": {"rate": PACE}})
    post.sighup()
    rows = []
    for name, path, what in (("tagged", tagged, "taken"),
                             ("without tags", untagged, "taken"),
                             ("again", tagged, "repeated")):
        live = load(relay, 20, PACE * 60)
        relay.sandbox.wait_for("messages", 1)
        sent = relay.sandbox.counters()["messages"]
        began = time.monotonic()
        counts, took, own, cpu = ingest(relay, path)
        beside = ((relay.sandbox.counters()["messages"] - sent)
                  / (time.monotonic() - began))
        live.kill()
        live.wait()
        assert counts[what] == 2 * messages, counts
        rows.append((name, f"{2 * messages / took:.0f}", f"{beside:.0f}",
                     f"{own * 500 / messages:.3f}",
                     f"{cpu * 500 / messages:.3f}"))
    table((f"{2 * messages} events", "a second", "mail a second",
           "posternd CPU ms", "command CPU ms"), rows)
    post.run("verify", "--projections")
