"""The verifier that schema/README gives to auditors, run as they would run it.

Journals are written by the command line, which takes the store's lock when no
posternd runs.
"""

import re
import sqlite3
import subprocess

import pytest

from lib import build
from lib.verifier import README
from lib.verifier import verifier as make_verifier

GOOD = "good, rows 1 to {0}, head {0}:{1}\n"

TAMPERINGS = [
    "UPDATE journal SET at = at + 1 WHERE seq = 3",
    "UPDATE journal SET boot = 1 WHERE seq = 3",
    "UPDATE journal SET mono = 1 WHERE seq = 3",
    "UPDATE journal SET event = 'sent' WHERE seq = 3",
    "UPDATE journal SET message = zeroblob(16) WHERE seq = 3",
    "UPDATE journal SET n = 7 WHERE seq = 3",
    "UPDATE journal SET detail = '{}' WHERE seq = 2",
    "UPDATE journal SET chain = zeroblob(32) WHERE seq = 3",
    "DELETE FROM journal WHERE seq = 3",
    "DELETE FROM journal WHERE seq <= 3",
    "INSERT INTO journal SELECT max(seq) + 1, at, boot, mono, 'sent', NULL, 0,"
    " '{}', zeroblob(32) FROM journal",
]


@pytest.fixture
def journal(rundir):
    """A journal of some rows, and the head that posternd would have logged."""
    path = f"{rundir}/j.db"
    conf = f"{rundir}/postern.conf"
    with open(conf, "w", encoding="utf-8") as f:
        f.write(f'store {{ path = "{path}" }}\n'
                f'daemon {{ control = "{rundir}/none" }}\n')
    db = sqlite3.connect(path)
    for step in sorted((build.SOURCE / "schema").glob("0*.sql")):
        db.executescript(step.read_text(encoding="utf-8"))
        db.execute(f"PRAGMA user_version = {int(step.name[:3])}")
    db.close()
    for i in range(3):
        postern(conf, "suppress", "add", f"user{i}@example.net", "--reason", "test")
    return conf, path


def postern(conf, *args, status=0):
    done = subprocess.run(
        [build.program("postern"), "-c", conf, *args],
        capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def verifier(rundir):
    return make_verifier(rundir)


def head_of(conf):
    return re.search(r"^head +(\S+)$", postern(conf, "verify"), re.M).group(1)


@pytest.mark.threads
def test_both_verifiers_agree_on_a_good_journal(journal, verifier):
    conf, path = journal
    head = head_of(conf)
    assert verifier(path, status=0) == GOOD.format(*head.split(":"))
    postern(conf, "suppress", "remove", "user1@example.net")
    assert verifier(path, head, status=0).startswith("good")
    postern(conf, "verify", "--projections", "--since-head", head)


@pytest.mark.parametrize("sql", TAMPERINGS)
def test_both_verifiers_see_tampering(journal, verifier, sql):
    conf, path = journal
    db = sqlite3.connect(path)
    db.executescript("DROP TRIGGER journal_no_update; DROP TRIGGER journal_no_delete;"
                     + sql)
    db.close()
    verifier(path, status=1)
    postern(conf, "verify", status=1)


def test_both_verifiers_see_a_cut_tail_given_a_head(journal, verifier):
    conf, path = journal
    head = head_of(conf)
    db = sqlite3.connect(path)
    db.executescript("DROP TRIGGER journal_no_delete; DELETE FROM journal"
                     " WHERE seq > 5")
    db.close()
    verifier(path, status=0)
    verifier(path, head, status=1)
    postern(conf, "verify")
    assert "cut off" in postern(conf, "verify", "--since-head", head, status=1)


def test_a_snapshot_verifies_by_itself(journal, verifier, rundir):
    conf, _ = journal
    copy = f"{rundir}/copy.db"
    head = re.search(r"head (\S+)", postern(conf, "snapshot", copy)).group(1)
    assert verifier(copy, status=0) == GOOD.format(*head.split(":"))
    postern(conf, "verify", copy)
    postern(conf, "snapshot", copy, status=3)


def test_every_table_and_view_is_described(journal):
    _, path = journal
    db = sqlite3.connect(path)
    for kind, name in db.execute(
            "SELECT type, name FROM sqlite_schema WHERE type IN ('table', 'view')"):
        assert re.search(rf"^{name}\b|^digest, {name}\b", README, re.M), name
        for column in db.execute("SELECT name FROM pragma_table_info(?)", (name,)):
            if name not in ("digest", "mark"):
                assert re.search(rf"\b{column[0]}\b", README), (kind, name, column)
    db.close()
