"""A journal without posternd, for tests of those who keep it."""

import os
import re
import signal
import sqlite3
import subprocess

from lib import build
from lib.oldjournal import OldJournal, day

CONF = """store {{ path = "{path}" }}
daemon {{ control = "{rundir}/none" }}
"""


def remains(path):
    """A journal's files, once nobody has it open."""
    return [path + end for end in ("", "-wal", "-shm", "-journal")
            if os.path.exists(path + end)]


class Store:
    """A journal without posternd, and the command line that keeps it."""

    def __init__(self, rundir, make=True):
        self.rundir = str(rundir)
        self.path = f"{rundir}/j.db"
        self.conf = f"{rundir}/postern.conf"
        self.postern = [build.program("postern"), "-c", self.conf]
        if make:
            with open(self.conf, "w", encoding="utf-8") as f:
                f.write(CONF.format(path=self.path, rundir=rundir))

    def fill(self, *args, **kw):
        old = OldJournal(self.path)
        old.days(*args, **kw)
        return old

    def archive(self, name="a"):
        return f"{self.rundir}/{name}.db"

    def run(self, *args, expect=0):
        done = subprocess.run([*self.postern, *args], capture_output=True,
                              text=True, check=False)
        assert done.returncode == expect, done.stdout + done.stderr
        return re.sub(r"\s+", " ", done.stdout + done.stderr)

    def traced(self, call, what, *args, on=None):
        """Start a verb with what strace injects into calls of a kind (on a file)."""
        # Two can't trace one process, and LeakSanitizer would.
        env = {**os.environ, "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "")
               + ":detect_leaks=0"}
        return subprocess.Popen(
            ["strace", "-f", "-qq", "-o", "/dev/null", *(["-P", on] if on else []),
             "-e", f"trace={call}", "-e", f"inject={call}:{what}",
             *self.postern, *args],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)

    def killed(self, call, when, *args, on=None):
        """Run a verb and kill it at its nth call of a kind (on a file); whether
        it was killed."""
        with self.traced(call, f"signal=KILL:when={when}", *args, on=on) as done:
            done.communicate()
        assert done.returncode in (0, -signal.SIGKILL), done
        return done.returncode != 0

    def prune(self, days_ago, name="a", *more, expect=0):
        return self.run("prune", "--before", day(days_ago), "--archive",
                        self.archive(name), *more, expect=expect)

    def verify(self, *names, expect=0, more=()):
        files = [self.archive(name) for name in names]
        return self.run("verify", "--projections", *more,
                        *(["--archive"] if files else []), *files, expect=expect)

    def get(self, query, path=None):
        db = sqlite3.connect(f"file:{path or self.path}?mode=ro", uri=True)
        try:
            return db.execute(query).fetchall()
        finally:
            db.close()
