"""What is asked of a million deliveries over 400 days: answered in full, and
from the few rows that it is about.

CPU time is what is judged, since it hardly tells how busy a machine is. The
same of ten million, by the clock, is a benchmark (test_bench.py).
"""

import json
import os
import resource
import subprocess

import pytest

from lib import years
from lib.relay import Relay

DELIVERIES = 1000000
PATIENCE = 300
# What the first page of a question takes, and what a look at everything would
# not: several times what it is on a machine that does nothing else.
LITTLE = 0.15


class Asker:
    def __init__(self, post):
        self.post = post

    def __call__(self, *args):
        """What it answered, and the CPU seconds that took."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            [self.post.postern(), "-c", self.post.conf_file, *args],
            capture_output=True, text=True, timeout=PATIENCE, check=False,
            # It gives way to what is in its session: to no other test.
            start_new_session=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert done.returncode == 0, (args, done.stderr)
        return done.stdout, (after.ru_utime + after.ru_stime
                             - before.ru_utime - before.ru_stime)

    def rows(self, *args):
        out, cpu = self(*args, "--json")
        return [json.loads(line) for line in out.splitlines()], cpu


@pytest.mark.long
@pytest.mark.parametrize("verify", [
    pytest.param(("verify",), id="chain"),
    pytest.param(("verify", "--projections"), id="all", marks=pytest.mark.soak)])
def test_400_days(parts, verify):
    relay = parts.add(Relay(parts.dir("r"), ses={"save": None}, start=False,
                            conf={"quota": {"daily": 50000}}))
    post, ask = relay.posternd, Asker(relay.posternd)
    filled = os.path.join(parts.rundir, "filled")
    years.fill(filled, DELIVERIES)
    years.adopt(post, filled)
    events = os.path.join(parts.rundir, "events")
    published = years.feedback(post, events, 0.02)
    taken = json.loads(ask("events", "ingest", "--json", events)[0])
    assert taken["taken"] == published > DELIVERIES / 100
    ask(*verify)
    ask("log", "-n", "1")  # the search database catches up
    first_pages(post, ask)
    counted(post, ask, archived(parts, ask))


def first_pages(post, ask):
    """Each filter: right, and without looking at everything."""
    one = years.some_delivery(post)
    late = years.some_delivery(post, "deferred")["sender"]
    domain = one["recipient"].partition("@")[2]
    [row], _ = ask.rows("log", "--recipient", one["recipient"])
    message_id = row["message_id"]
    asked = {
        (): lambda row: True,
        ("--recipient", one["recipient"]):
            lambda row: row["recipient"] == one["recipient"],
        ("--sender", one["sender"]): lambda row: row["sender"] == one["sender"],
        ("--domain", domain): lambda row: row["recipient"].endswith("@" + domain),
        ("--client", "192.0.2.25"): lambda row: "192.0.2.25" in row["client"],
        ("--queue-id", one["queue_ids"]):
            lambda row: row["queue_ids"] == one["queue_ids"],
        ("--message-id", message_id):
            lambda row: row["message_id"] == message_id,
        ("--state", "doubtful"): lambda row: row["state"] == "doubtful",
        ("--state", "refused"): lambda row: row["state"] == "refused",
        ("--feedback", "complained"): lambda row: row["feedback"] == "complained",
        ("--feedback", "bounced"): lambda row: row["feedback"] == "bounced",
        # Hardly any has it, and nearly all.
        ("--feedback", "delivered"): lambda row: row["feedback"] == "delivered",
        ("--state", "sent"): lambda row: row["state"] == "sent",
        ("--reply", "throttling rate"): lambda row: "Throttling" in row["reply"],
        ("--sender", late, "--state", "deferred"):
            lambda row: (row["sender"], row["state"]) == (late, "deferred"),
        ("--until", "200d"): lambda row: True,
    }
    for args, is_meant in asked.items():
        rows, cpu = ask.rows("log", *args)
        assert rows and all(is_meant(row) for row in rows), args
        assert len({(row["message"], row["n"]) for row in rows}) == len(rows)
        assert cpu < LITTLE, (args, cpu)
    for args in ("quota",), ("metrics",), ("show", one["queue_ids"]):
        assert ask(*args)[1] < LITTLE, args


def archived(parts, ask):
    """The oldest days go into a file that is verified with the rest; how many
    are left."""
    archive = os.path.join(parts.rundir, "archive.db")
    out, _ = ask("prune", "--before", f"{years.DAYS - 5}d", "--archive", archive,
                 "--unsettled", "--json")
    gone = json.loads(out)["messages"]
    assert gone > DELIVERIES / years.DAYS
    ask("verify", "--archive", archive)
    return DELIVERIES - gone


def counted(post, ask, left):
    """Sums agree with what SQL makes of the journal."""
    there = {row["feedback"] or "(none)": row["n"] for row in post.sql(
        "SELECT feedback, count(*) AS n FROM delivery GROUP BY feedback")}
    assert sum(there.values()) == left
    rows, _ = ask.rows("log", "--count", "--by", "feedback")
    assert {row["feedback"]: row["deliveries"] for row in rows} == there
