"""The twenty questions of schema/README, each asked of a journal that has
something of everything."""

import contextlib
import re
import shutil
import sqlite3
import subprocess
import textwrap

import pytest

from lib import build
from lib.lmtp import message
from lib.rig import SENDER, relay, send

README = (build.SOURCE / "schema" / "README").read_text(encoding="utf-8")
CHAPTER = README[README.index("Twenty questions\n"):]
QUESTIONS = {
    int(number): textwrap.dedent(sql).strip()
    for number, sql in re.findall(
        r"^ ?(\d+)\.\*? [^\n]*\n(?:(?!\t)[^\n]+\n)*\n((?:\t[^\n]*\n)+)",
        CHAPTER, re.M)
}
# Those that find nothing in the journal below.
NOTHING = {10, 13, 19, 20}


def test_there_are_twenty():
    assert sorted(QUESTIONS) == list(range(1, 21))
    assert all(sql.endswith(";") for sql in QUESTIONS.values())


def again_and_again(plan):
    """What is read in full for each row of something else."""
    corr = {i for i, _, _, what in plan if what.startswith("CORRELATED")}
    return [what for _, parent, _, what in plan
            if parent in corr and what.startswith("SCAN")]


def test_none_takes_the_square_of_a_table():
    with contextlib.closing(sqlite3.connect(":memory:")) as db:
        for step in sorted((build.SOURCE / "schema").glob("0*.sql")):
            db.executescript(step.read_text(encoding="utf-8"))
        for number, sql in QUESTIONS.items():
            plan = db.execute("EXPLAIN QUERY PLAN " + sql).fetchall()
            assert again_and_again(plan) == [], number


def some_of_everything(parts):
    """The names in the questions are those that are used here."""
    post, ses = relay(parts)
    (reply,) = send(post, "rcpt@example.com")
    ses.fault("dot reply nth=1 text=554 Message rejected: odd")
    send(post, "refused@example.com")
    content = message(SENDER, ["twice@example.com"])
    for _ in range(2):
        ses.fault("dot lose nth=1")
        with post.client() as client:
            client.deliver(SENDER, ["twice@example.com"], content)
    post.run("suppress", "add", "gone@example.com", "--reason", "asked")
    post.run("suppress", "add", "back@example.com")
    post.run("suppress", "remove", "back@example.com")
    [row] = post.log("--recipient", "rcpt@example.com")
    # What test data can't choose is put into the questions.
    names = {"4AbCdEf": row["queue_ids"].split()[0],
             "0100018f00000001-11111111-2222-4333-8444-555555555555-000000":
             reply.ses_id}
    return post, names


@pytest.mark.skipif(shutil.which("sqlite3") is None, reason="sqlite3 is not there")
def test_each_has_its_answer(parts):
    post, names = some_of_everything(parts)
    for number, sql in sorted(QUESTIONS.items()):
        for name, ours in names.items():
            sql = sql.replace(name, ours)
        done = subprocess.run(
            ["sqlite3", "-readonly", "-bail", "-json", post.store, sql],
            capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, ""), (number, done.stderr)
        assert bool(done.stdout.strip()) == (number not in NOTHING), number


def test_answers_are_true(parts):
    post, names = some_of_everything(parts)

    def ask(number):
        sql = QUESTIONS[number]
        for name, ours in names.items():
            sql = sql.replace(name, ours)
        return post.sql(sql)

    assert [r["recipient"] for r in ask(1)] == ["rcpt@example.com"]
    assert [r["state"] for r in ask(2)] == ["sent"]
    assert len(ask(3)) == 3
    assert [r["original_sender"] for r in ask(4)] == [SENDER]
    assert ask(5)[0]["event"] == "received"
    assert ask(6)[-1]["deliveries"] == 3
    assert [r["recipient"] for r in ask(8)] == ["twice@example.com"]
    assert [r["times"] for r in ask(9)] == [1]
    assert ask(11)[0]["deliveries"] == 3
    assert ask(12)[0]["domain"] == "example.com"
    assert [r["address"] for r in ask(14)] == ["gone@example.com"]
    assert [(r["event"], r["address"]) for r in ask(15)] == [
        ("suppressed", "gone@example.com"), ("suppressed", "back@example.com"),
        ("unsuppressed", "back@example.com")]
    assert [(r["recipient"], r["attempts"]) for r in ask(16)] == [
        ("twice@example.com", 2)]
    assert [r["sent"] for r in ask(17)] == [1]
    assert [r["event"] for r in ask(18)] == ["started"]
