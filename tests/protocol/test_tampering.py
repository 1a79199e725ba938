"""A thousand ways to change one row, and others to change more, and postern verify
sees each."""

import contextlib
import json
import random
import re
import shutil
import sqlite3
import subprocess

import pytest

from lib.build import SANITIZER
from lib.oldjournal import OldJournal, midnight
from lib.store import Store
from lib.verifier import verifier

SEED = 20261122
TAMPERINGS, LOTS = 1000, 8
# A sanitizer has seen all of the code after the first of them.
if SANITIZER:
    TAMPERINGS, LOTS = 40, 1

# Working tables, which promise nothing, are not among them.
TABLES = {
    "journal": ["seq"],
    "message": ["id"],
    "party": ["message", "n", "role"],
    "delivery": ["message", "n"],
    "suppression": ["seq"],
    "pruned": ["seq"],
    "erased": ["message", "n", "role"],
}


def other_value(rng, value):
    """Anything but what it was."""
    if value is None:
        return rng.choice([b"\x01" * 16, "something"])
    if isinstance(value, int):
        return rng.choice([value + 1, value - 1, value ^ 1 << rng.randrange(40)])
    if len(value) == 0:
        return value * 0 + (b"x" if isinstance(value, bytes) else "x")
    at = rng.randrange(len(value))
    if isinstance(value, bytes):
        changed = bytes([value[at] ^ 1 << rng.randrange(8)])
    else:
        changed = chr(ord("a") + (ord(value[at]) - ord("a") + 1) % 26)
    return rng.choice([value[:at] + changed + value[at + 1:], None])


@contextlib.contextmanager
def untriggered(path):
    """The database, which has its triggers again afterwards."""
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA synchronous = OFF")
    db.execute("PRAGMA ignore_check_constraints = ON")
    triggers = db.execute("SELECT name, sql FROM sqlite_schema"
                          " WHERE type = 'trigger'").fetchall()
    for name, _ in triggers:
        db.execute(f"DROP TRIGGER {name}")
    try:
        yield db
        for _, trigger in triggers:
            db.execute(trigger)
    finally:
        db.close()


class Tamperer:
    def __init__(self, db, rng):
        self.db = db
        self.rng = rng

    def columns(self, table):
        return [c for (c,) in self.db.execute(
            "SELECT name FROM pragma_table_info(?)", [table])]

    def rows(self, table, n):
        keys = ", ".join(TABLES[table])
        rows = self.db.execute(f"SELECT {keys} FROM {table}").fetchall()
        return self.rng.sample(rows, n) if len(rows) >= n else None

    def where(self, table):
        return " AND ".join(f"{key} = ?" for key in TABLES[table])

    def get(self, table, column, key):
        (value,) = self.db.execute(
            f"SELECT {column} FROM {table} WHERE {self.where(table)}", key).fetchone()
        return value

    def change(self, table):
        (key,) = self.rows(table, 1)
        column = self.rng.choice(self.columns(table))
        old = self.get(table, column, key)
        new = other_value(self.rng, old)
        self.db.execute(f"UPDATE {table} SET {column} = ? WHERE {self.where(table)}",
                        [new, *key])
        return f"{table} {key}: {column} from {old!r} to {new!r}"

    def delete(self, table):
        (key,) = self.rows(table, 1)
        self.db.execute(f"DELETE FROM {table} WHERE {self.where(table)}", key)
        return f"{table} {key} deleted"

    def insert(self, table):
        """A copy of a row under another key."""
        (key,) = self.rows(table, 1)
        row = list(self.db.execute(
            f"SELECT * FROM {table} WHERE {self.where(table)}", key).fetchone())
        at = self.columns(table).index(self.rng.choice(TABLES[table]))
        while (row[at] is None or tuple(row) == key or self.db.execute(
                f"SELECT 1 FROM {table} WHERE {self.columns(table)[at]} IS ?",
                [row[at]]).fetchone()):
            row[at] = other_value(self.rng, row[at])
        self.db.execute(
            f"INSERT INTO {table} VALUES ({','.join('?' * len(row))})", row)
        return f"{table} {key} copied to {row}"

    def swap(self, table):
        """What two rows say, but for their keys."""
        columns = [c for c in self.columns(table) if c not in TABLES[table]]
        a, b = self.rows(table, 2)
        rows = [[self.get(table, c, key) for c in columns] for key in (a, b)]
        if rows[0] == rows[1]:
            return None
        for key, values in ((a, rows[1]), (b, rows[0])):
            self.db.execute(
                f"UPDATE {table} SET {', '.join(c + ' = ?' for c in columns)}"
                f" WHERE {self.where(table)}", [*values, *key])
        return f"{table} {a} and {b} swapped"

    def truncate(self, table):
        (last,) = self.db.execute("SELECT max(seq) FROM journal").fetchone()
        n = self.rng.randrange(1, 10)
        self.db.execute("DELETE FROM journal WHERE seq > ?", [last - n])
        return f"the last {n} rows cut off ({table})"

    def tamper(self):
        """Do something, and say what; None when that changed nothing."""
        table = self.rng.choice(["journal", "journal", *TABLES])
        if self.rows(table, 1) is None:
            return None
        ways = [self.change, self.change, self.delete, self.insert]
        if self.rows(table, 2) is not None:
            ways.append(self.swap)
        if table == "journal":
            ways.append(self.truncate)
        try:
            return self.rng.choice(ways)(table)
        except sqlite3.IntegrityError:
            return None  # SQLite itself won't have it


@pytest.fixture(scope="session")
def kept(tmp_path_factory):
    """Archives, and a copy of the journal."""
    store = Store(tmp_path_factory.mktemp("kept"))
    old = OldJournal(store.path)
    old.suppress(midnight(26), "gone@example.org", midnight(25))
    old.days(25, 4, 12, reports=True)
    old.suppress(midnight(12), "ann@example.org")
    old.days(11, 4, 3, reports=True)
    for n in range(3):
        old.suppress(midnight(3) + n, f"dan{n}@example.org")
    old.close()
    store.prune(20, "a0")
    store.prune(15)
    store.run("forget", "ann@example.org", "--archive", store.archive("a0"),
              store.archive())
    store.run("suppress", "remove", "dan1@example.org")
    copy = store.archive("copy")
    store.run("snapshot", copy)
    db = sqlite3.connect(copy)
    (head,) = db.execute("SELECT seq || ':' || lower(hex(chain)) FROM journal"
                         " ORDER BY seq DESC LIMIT 1").fetchone()
    db.close()
    return store, copy, head


def looks_good(store, head, paths):
    done = subprocess.run(
        [*store.postern, "verify", "--projections", "--since-head", head,
         *paths.values()],
        capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.returncode == 0


@pytest.mark.parametrize("lot", range(LOTS))
def test_each_is_found(kept, rundir, lot):
    store, copy, head = kept
    paths = {"live": copy, "a0": store.archive("a0"), "a": store.archive()}
    assert looks_good(store, head, paths)
    rng = random.Random(SEED + lot)
    path = f"{rundir}/tampered.db"
    missed, done = [], 0
    while done < TAMPERINGS // LOTS:
        name = rng.choice(["live", "live", "a0", "a"])
        shutil.copy(paths[name], path)
        with untriggered(path) as db:
            what = Tamperer(db, rng).tamper()
        if what is None:
            continue
        done += 1
        if looks_good(store, head, {**paths, name: path}):
            missed.append(f"{name}: {what}")
    assert "\n".join(missed) == ""


MARKED = "INSERT INTO mark VALUES ('archive', x'31');"
EMPTIED = " ".join(f"DELETE FROM {table};"
                   for table in ("message", "party", "delivery", "event"))


class Files:
    """The files of `kept`, of which one is tampered with at a time."""

    def __init__(self, store, journal, rundir):
        self.store = store
        self.paths = {"live": journal, "a0": store.archive("a0"),
                      "a": store.archive()}
        self.rundir = rundir

    def tampered(self, name, sql):
        """Paths of all of them, with that one changed."""
        path = f"{self.rundir}/tampered.db"
        shutil.copy(self.paths[name], path)
        with untriggered(path) as db:
            db.executescript(sql)
        return {**self.paths, name: path}

    def own(self, paths, *named, status):
        """What verify says of these archives and what it takes for the journal."""
        conf = f"{self.rundir}/own.conf"
        with open(self.store.conf, encoding="utf-8") as f:
            text = f.read().replace(self.store.path, str(paths["live"]))
        with open(conf, "w", encoding="utf-8") as f:
            f.write(text)
        return self.verify("-c", conf, "verify", "--projections",
                           *(["--archive"] if named else []),
                           *(paths[name] for name in named), status=status)

    def alone(self, *paths, status):
        return self.verify("verify", "--projections", *paths, status=status)

    def verify(self, *args, status):
        done = subprocess.run([self.store.postern[0], *args], capture_output=True,
                              text=True, check=False)
        assert done.returncode == status, done.stdout + done.stderr
        return re.sub(r"\s+", " ", done.stdout)


@pytest.fixture
def files(kept, rundir):
    store, copy, _ = kept
    return Files(store, copy, rundir)


def test_untouched_all_of_them_are_good(files):
    assert "archive" not in files.own(files.paths, "a0", "a", status=0)
    assert "lie in archives" in files.own(files.paths, status=0)
    assert "end of an archive" in files.alone(files.paths["a0"], status=0)
    for names in (("a0",), ("a",), ("live",), ("a0", "a"), ("a", "live"),
                  ("a0", "a", "live")):
        verifier(files.rundir)(*(files.paths[name] for name in names), status=0)


@pytest.mark.parametrize("sql", [
    MARKED, MARKED + EMPTIED, MARKED + EMPTIED + "DELETE FROM journal;",
    MARKED + EMPTIED + "DELETE FROM journal; DELETE FROM pruned;",
    EMPTIED + "DELETE FROM journal; DELETE FROM pruned; DELETE FROM suppression"])
def test_the_journal_is_no_archive_by_its_own_word(files, sql):
    paths = files.tampered("live", sql)
    for names in ((), ("a0", "a")):
        if "DELETE FROM suppression" in sql and not names:
            continue  # as new
        text = files.own(paths, *names, status=1)
        assert "wrong" in text and ("open messages" not in text or names == ())


def test_an_archive_without_its_mark(files):
    unmarked = files.tampered("a0", "DELETE FROM mark")
    assert "is not marked as an archive" in files.own(unmarked, "a0", "a", status=1)
    assert "is not marked as an archive" in files.alone(
        *unmarked.values(), status=1)
    assert "wrong" in files.alone(unmarked["a0"], status=1)


@pytest.mark.parametrize("event", ["received", "sending", "sent", "event",
                                   "suppressed", "pruned"])
@pytest.mark.parametrize("what", ["message = NULL", "message = x'01'",
                                  "detail = '{'", "detail = '[]'", "n = -1"])
def test_rows_that_make_no_sense_are_told(files, event, what):
    changed = what.replace(" =", " IS NOT")
    paths = files.tampered("live", f"""UPDATE journal SET {what} WHERE seq = (
        SELECT max(seq) FROM journal WHERE event = '{event}' AND {changed})""")
    untouched = what == "message = NULL" and event in ("suppressed", "pruned")
    told = json.loads(files.verify("verify", "--projections", "--json",
                                   *paths.values(), status=0 if untouched else 1))
    assert (told["faults"] == 0) == untouched


@pytest.mark.parametrize("name", ["live", "a"])
@pytest.mark.parametrize("sql, words", [
    ("DROP VIEW audit; CREATE VIEW audit AS {audit}"
     " WHERE r.value IS NOT 'ann@example.org'", "view audit is not what"),
    ("DROP TRIGGER journal_no_update", "trigger journal_no_update is missing"),
    ("CREATE TABLE evil (a)", "table evil is not what"),
    ("DROP INDEX delivery_sending", "index delivery_sending is missing"),
    ("CREATE TRIGGER evil AFTER INSERT ON journal BEGIN DELETE FROM event; END",
     "trigger evil is not what"),
    ("ANALYZE", None)])
def test_views_and_triggers_are_what_they_were(files, name, sql, words):
    path = f"{files.rundir}/changed.db"
    shutil.copy(files.paths[name], path)
    db = sqlite3.connect(path)
    (audit,) = db.execute("SELECT substr(sql, instr(sql, 'SELECT')) FROM"
                          " sqlite_schema WHERE name = 'audit'").fetchone()
    db.executescript(sql.replace("{audit}", audit))
    db.close()
    text = files.alone(*({**files.paths, name: path}).values(),
                       status=0 if words is None else 1)
    assert words is None or words in text


# Lies in the first archive, by its own rows alone.
WHOLE = """(SELECT id FROM message WHERE id IN
    (SELECT message FROM journal WHERE event = 'event') ORDER BY id LIMIT 1)"""
ONE_GONE = " ".join(f"DELETE FROM {table} WHERE {column} = {WHOLE};"
                    for table, column in (("party", "message"),
                                          ("delivery", "message"),
                                          ("erased", "message"), ("message", "id")))


@pytest.mark.parametrize("sql, gone", [
    (ONE_GONE, 1),
    ("DELETE FROM message; DELETE FROM party; DELETE FROM delivery;"
     "DELETE FROM erased WHERE role <> 'suppression'", None)],
    ids=["one", "all"])
def test_messages_taken_out_of_an_archive(files, sql, gone):
    """By itself it can't tell whether they lie in a later file, and says that."""
    def open_messages(path):
        return json.loads(files.alone("--json", path, status=0))["open_messages"]

    paths = files.tampered("a0", sql)
    was = open_messages(files.paths["a0"])
    ((there,),) = files.store.get("SELECT count(*) FROM message", files.paths["a0"])
    assert open_messages(paths["a0"]) == was + (gone or there)
    assert " is missing" in files.own(paths, "a0", "a", status=1)
    assert " is missing" in files.alone(*paths.values(), status=1)


def test_a_message_lies_where_its_last_row_lies(files):
    """And not, as it was then, in an archive of an earlier one."""
    paths = files.tampered("live", f"""ATTACH '{files.paths['a']}' AS a;
        CREATE TEMP TABLE moved AS SELECT message FROM journal WHERE message IN
            (SELECT message FROM a.journal) AND event = 'sent';
        DELETE FROM message WHERE id IN moved; DELETE FROM party WHERE message IN moved;
        DELETE FROM event WHERE message IN moved;
        DELETE FROM delivery WHERE message IN moved""")
    for which in ((), ("a0", "a")):
        assert " is missing" in files.own(paths, *which, status=1)


def test_an_erasure_and_an_end_that_no_row_tells(files):
    for sql, words in (
            ("UPDATE party SET value = NULL, salt = NULL WHERE role = 'sender';"
             "INSERT OR IGNORE INTO erased SELECT 99999, message, n, role FROM party"
             " WHERE role = 'sender'", "no row says that"),
            ("UPDATE suppression SET until = until + 1 WHERE until IS NOT NULL",
             "ends in an archive when no row says")):
        paths = files.tampered("a0", sql)
        for text in (files.own(paths, "a0", "a", status=1),
                     files.alone(*paths.values(), status=1)):
            assert words in text
        assert "open erasures, ends of" in files.alone(paths["a0"], status=0)


@pytest.mark.parametrize("name, sql, alone", [
    ("a", "UPDATE pruned SET last_seq = last_seq - 1", 1),
    ("a", "UPDATE pruned SET last_chain = randomblob(32)", 1),
    ("a", "UPDATE pruned SET archive = 'other.db'", 0),
    ("a", "UPDATE pruned SET seq = seq + 5", 0),
    ("a", "DELETE FROM pruned", 1),
    ("a", "INSERT INTO pruned SELECT seq + 7, last_seq, last_chain, archive"
     " FROM pruned", 0),
    ("a", "INSERT INTO pruned SELECT 999999, last_seq, last_chain, archive"
     " FROM pruned", 0),
    ("a0", "INSERT INTO pruned SELECT max(seq) + 7, max(seq), zeroblob(32), 'x'"
     " FROM journal", 1),
    ("live", "UPDATE pruned SET archive = 'other.db'", 1),
    ("live", "DELETE FROM pruned WHERE seq = (SELECT min(seq) FROM pruned)", 1),
    ("live", "DELETE FROM pruned", 1),
    ("a", "UPDATE mark SET value = x'31'", 1),
    ("a", "INSERT INTO digest VALUES (x'01', x'02', 3)", 1)])
def test_all_tables_tell_the_same_of_prunes(files, name, sql, alone):
    paths = files.tampered(name, sql)
    files.own(paths, "a0", "a", status=1)
    files.alone(*paths.values(), status=1)
    files.alone(paths[name], status=alone)
    if "pruned" in sql:
        verifier(files.rundir)(paths["a0"], paths["a"], paths["live"], status=1)
    if name == "a" and "pruned" in sql:
        text = files.alone(paths["a0"], paths["a"], status=alone)
        assert alone or "open " in text
