"""Figures for Prometheus, and what contrib has to do with them."""

import fcntl
import json
import os
import re
import shutil
import sqlite3
import subprocess
import time
from contextlib import closing

import pytest

from lib import build
from lib.oldjournal import OldJournal, midnight
from lib.rig import relay, send
from lib.store import Store

CONTRIB = build.SOURCE / "contrib"
SAMPLE = re.compile(
    r"^(\w+)(?:\{(\w+)=\"((?:[^\"\\\n]|\\.)*)\"(?:,kind=\"([^\"]*)\")?\})? (\S+)$")
needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None,
    reason="promtool is not installed (Debian: prometheus)")


def promtool(*args, stdin=None):
    done = subprocess.run(["promtool", *args], input=stdin, text=True,
                          capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def samples(text):
    """{name: value} and {name: {label's value: value}}; each family has its
    help and type before it, and is told once."""
    found, helped, typed = {}, [], []
    for line in text.splitlines():
        if line.startswith("# HELP "):
            helped.append(line.split()[2])
        elif line.startswith("# TYPE "):
            typed.append(line.split()[2])
        elif not line.startswith("# "):
            name, label, value, kind, number = SAMPLE.match(line).groups()
            assert name == typed[-1] == helped[-1], line
            if label:
                value += f":{kind}" if kind else ""
                found.setdefault(name, {})[value] = float(number)
            else:
                assert name not in found
                found[name] = float(number)
    assert len(set(helped)) == len(helped) and helped == typed
    return found


def metrics(post):
    return samples(post.run("metrics"))


def test_figures_follow_what_happens(parts):
    post, ses = relay(parts, conf={"quota": {"rate": 200, "daily": 100}})
    send(post, "one@example.com", "two@example.com")
    ses.fault("dot reply text=554 Message rejected: odd")
    send(post, "three@example.com")
    post.run("suppress", "add", "gone@example.com")
    m = metrics(post)
    assert m["postern_up"] == 1
    assert m["postern_quota_daily_limit"] == 100
    assert m["postern_quota_daily_spent"] == 2
    assert m["postern_quota_rate_limit"] == 200
    assert m["postern_quota_window_seconds"] == 86400
    assert m["postern_quota_held"] == 0
    assert m["postern_deliveries_waiting"] == 0
    assert m["postern_suppressed_addresses"] == 1
    assert m["postern_journal_uncounted_rows"] == 0
    assert m["postern_rcpt_put_off_total"] == 0
    assert "postern_breaker_open" not in m
    events = m["postern_events_total"]
    assert (events["sent"], events["sending"], events["refused"]) == (2, 3, 1)
    assert m["postern_deliveries"] == {"refused": 1}
    [row] = post.sql("SELECT count(*) AS n FROM journal")
    assert sum(events.values()) == row["n"] == m["postern_journal_rows"]


def test_counters_outlive_posternd(parts):
    post, _ = relay(parts)
    send(post, "one@example.com")
    before = metrics(post)["postern_events_total"]
    post.stop()
    down = metrics(post)
    assert down["postern_up"] == 0
    assert "postern_deliveries_waiting" not in down
    assert down["postern_events_total"] == {**before, "stopped": 1}
    post.start()
    send(post, "two@example.com")
    assert metrics(post)["postern_events_total"]["sent"] == 2


def test_no_counters_of_a_part(parts):
    """As while the search database is made anew. Nobody waits for that."""
    post, _ = relay(parts)
    send(post, "one@example.com")
    before = metrics(post)
    assert before["postern_caught_up"] == 1
    with closing(sqlite3.connect(f"{post.store}-search.db")) as db:
        db.execute("UPDATE progress SET whole = 0")
        db.commit()
        db.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        first = post.run("metrics")
        assert time.monotonic() - began < 20
        second = post.run("metrics")
        db.rollback()
    assert "\n# No counters: " in first
    assert "database is locked" in first and "database is locked" in second
    for told in samples(first), samples(second):
        assert told["postern_caught_up"] == 0 and told["postern_up"] == 1
        assert not {"postern_events_total", "postern_deliveries"} & told.keys()
        assert told["postern_journal_rows"] == before["postern_journal_rows"]
    post.run("log")
    after = metrics(post)
    assert after["postern_caught_up"] == 1
    assert after["postern_events_total"] == before["postern_events_total"]


@pytest.mark.parametrize("there", ["missing", "damaged", "of another version"])
def test_without_a_search_database_it_tells_what_it_can(parts, there):
    """As when it can't be made: a full disk, or nobody who may write."""
    post, _ = relay(parts)
    send(post, "one@example.com")
    before = metrics(post)
    post.stop()
    search = f"{post.store}-search.db"
    for end in "", "-wal", "-shm":
        if os.path.exists(search + end):
            os.unlink(search + end)
    if there == "damaged":
        with open(search, "w", encoding="ascii") as f:
            f.write("not a database" * 100)
    if there == "of another version":
        with closing(sqlite3.connect(search)) as db:
            db.execute("PRAGMA user_version = 99")
    with open(post.store + "-lock", "r+", encoding="ascii") as f:
        fcntl.lockf(f, fcntl.LOCK_EX)
        text = post.run("metrics")
    told = samples(text)
    assert "\n# No counters: " in text
    assert told["postern_caught_up"] == 0
    assert not {"postern_events_total", "postern_deliveries"} & told.keys()
    rows = told["postern_journal_rows"]
    assert told["postern_journal_uncounted_rows"] == rows
    assert rows == before["postern_journal_rows"] + 1
    assert told["postern_suppressed_addresses"] == 0
    if there == "missing":
        assert "postern_search_bytes" not in told
    after = metrics(post)
    assert after["postern_caught_up"] == 1
    assert after["postern_events_total"]["sent"] == 1


def test_a_full_day_counts_those_put_off(parts):
    post, _ = relay(parts, conf={
        "quota": {"rate": 200, "daily": 1}, "lmtp": {"answer-within": "2s"}})
    send(post, "one@example.com")
    (reply,) = send(post, "two@example.com")
    assert (reply.code, reply.enhanced) == (451, "4.4.5")
    assert metrics(post)["postern_rcpt_put_off_total"] == 1


def test_trouble_shows_as_an_open_breaker(parts):
    post, _ = relay(parts, credentials="AKIAEXAMPLE:wrong")
    (reply,) = send(post, "one@example.com")
    assert reply.code == 451
    text = post.run("metrics")
    assert samples(text)["postern_breaker_open"] == {"account": 1}


@needs_promtool
def test_promtool_has_nothing_to_say(parts):
    post, _ = relay(parts, conf={"quota": {"daily": 100}})
    send(post, "one@example.com")
    promtool("check", "metrics", stdin=post.run("metrics"))
    post.stop()
    promtool("check", "metrics", stdin=post.run("metrics"))


@needs_promtool
def test_alert_rules_are_well_formed():
    promtool("check", "rules", str(CONTRIB / "prometheus" / "postern.rules.yml"))


ALERTS = """
rule_files: [{rules}]
evaluation_interval: 1h
tests:
  - interval: 1h
    input_series:
      - series: 'postern_events_total{{event="sent"}}'
        values: '0+1000x48'
      - series: 'postern_ses_events_total{{type="Bounce",kind="Permanent"}}'
        values: '{bounces}'
      - series: 'postern_ses_events_total{{type="Complaint",kind="abuse"}}'
        values: '{complaints}'
      - series: 'postern_ses_events_total{{type="Complaint",kind="not-spam"}}'
        values: '0+100x48'
    promql_expr_test:
      - eval_time: 24h
        expr: count by (alertname) (ALERTS{{alertstate="firing"}})
        exp_samples: [{fires}]
"""


@needs_promtool
@pytest.mark.parametrize("figures, fires", [
    ({"bounces": "0+60x48", "complaints": "0x48"}, ["PosternBounceRate"]),
    ({"bounces": "0x12 5000x36", "complaints": "0x12 100x36"},
     ["PosternBounceRate", "PosternComplaintRate"]),
    ({"bounces": "0+40x48", "complaints": "0x48"}, []),
], ids=["bounces", "at once", "none"])
def test_alerts_of_rates(rundir, figures, fires):
    rules = CONTRIB / "prometheus" / "postern.rules.yml"
    path = os.path.join(rundir, "alerts.yml")
    with open(path, "w", encoding="utf-8") as f:
        f.write(ALERTS.format(rules=rules, **figures, fires=", ".join(
            f"{{labels: '{{alertname=\"{name}\"}}', value: 1}}" for name in fires)))
    promtool("test", "rules", path)


def test_what_may_alarm_is_there_from_the_beginning(parts):
    post, _ = relay(parts)
    text = post.run("metrics")
    for line in ('postern_ses_events_total{type="Bounce",kind="Permanent"} 0',
                 'postern_ses_events_total{type="Complaint",kind="abuse"} 0',
                 'postern_events_total{event="sent"} 0',
                 'postern_events_total{event="doubtful"} 0'):
        assert line in text.splitlines(), text


def test_dashboard_and_rules_use_figures_that_exist(parts):
    post, _ = relay(parts, conf={"quota": {"rate": 200, "daily": 100}})
    there = set(metrics(post)) | {
        # Told only while there is something to tell.
        "postern_breaker_open",
    }
    rules = (CONTRIB / "prometheus" / "postern.rules.yml").read_text("utf-8")
    board = (CONTRIB / "grafana" / "postern.json").read_text("utf-8")
    panels = json.loads(board)["panels"]
    assert len({p["id"] for p in panels}) == len(panels)
    for used in re.findall(r"\bpostern_\w+", rules + board):
        assert used in there, used


def test_states_follow_a_prune(rundir):
    """What is in an archive is none of the deliveries any more."""
    store, old = Store(rundir), OldJournal(f"{rundir}/j.db")
    for ago in range(20, 3, -1):
        for i, state in enumerate(("sent", "refused", "deferred", "sent")):
            at = midnight(ago) + i * 10000
            old.deliver(at + 5000, old.message(at, ["r@example.org"]), 1, state)
    old.close()

    def told():
        done = subprocess.run([*store.postern, "metrics"], capture_output=True,
                              text=True, check=True)
        return samples(done.stdout)["postern_deliveries"]

    def there():
        return dict(store.get("SELECT state, count(*) FROM delivery"
                              " WHERE state <> 'sent' GROUP BY state"))

    assert told() == there() == {"refused": 17, "deferred": 17}
    store.prune(15)
    assert told() == there() == {"refused": 12, "deferred": 12}
    store.prune(10, "b")
    assert told() == there() == {"refused": 7, "deferred": 7}
