"""A posternd of one's own: configuration, sockets, store and all in one
private directory, with the command line client that belongs to it.
"""

import contextlib
import copy
import json
import os
import pwd
import re
import signal
import sqlite3
import subprocess

from lib.build import program
from lib.lmtp import Lmtp
from lib.proc import PATIENCE, SANITIZER, Daemon

# The relay is meant to give up root. As root, tests make it do so.
UNPRIVILEGED = "nobody"


def conf_value(value):
    """A value as postern.conf writes it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return "{" + ", ".join(conf_value(v) for v in value) + "}"
    text = str(value)
    if re.fullmatch(r"[A-Za-z0-9_./:@-]+", text) and "//" not in text:
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def conf_text(sections):
    """{"section": {"key": value}} as the text of a postern.conf."""
    out = []
    for section, keys in sections.items():
        out.append(section + " {")
        out += [f"\t{key} = {conf_value(v)}" for key, v in keys.items()]
        out.append("}")
    return "\n".join(out) + "\n"


class Posternd:
    """rundir: an empty private directory. endpoint: HOST:PORT of the sandbox.

    conf overrides or adds keys: {"quota": {"rate": 14}}; a value of None takes
    a key out. listen is a list as in lmtp.listen; by default one unix socket
    and one TCP port that the kernel picks.
    """

    def __init__(self, rundir, endpoint, *, ca_file=None, credentials=None,
                 identities=("example.com",), listen=None, conf=None, env=None):
        self.rundir = str(rundir)
        self.user = (
            UNPRIVILEGED if os.geteuid() == 0
            else pwd.getpwuid(os.geteuid()).pw_name
        )
        self.store_dir = self._dir("store")
        self.run_dir = self._dir("run")
        self.conf_file = os.path.join(self.rundir, "postern.conf")
        self.credentials_file = os.path.join(self.rundir, "credentials")
        self.identities_file = os.path.join(self.rundir, "identities")
        self.store = os.path.join(self.store_dir, "postern.db")
        self.control = os.path.join(self.run_dir, "control.sock")
        self.socket = os.path.join(self.run_dir, "lmtp.sock")
        self.addresses = []

        os.chmod(self.rundir, 0o755)
        if isinstance(credentials, (str, type(None))):
            credentials = [credentials or "AKIAEXAMPLE:secret"]
        self.write_credentials(credentials)
        self.write_identities(identities)
        endpoints = [endpoint] if isinstance(endpoint, str) else list(endpoint)
        self.conf = {
            "daemon": {"user": self.user, "control": self.control},
            "ses": {
                "endpoint": endpoints,
                "credentials": self.credentials_file,
            },
            "quota": {"rate": "unlimited", "daily": "unlimited"},
            "identities": {"file": self.identities_file},
            "lmtp": {
                "listen": listen
                or [f"unix:{self.socket}:0666", "inet:127.0.0.1:0"],
            },
            "store": {"path": self.store},
            "log": {"to": "stderr"},
        }
        if ca_file is not None:
            self.conf["ses"]["ca-file"] = str(ca_file)
        # The region is taken from an endpoint's name, and loopback has none.
        if not re.search(r"email-smtp\.", endpoints[0]):
            self.conf["ses"]["region"] = "us-west-2"
        self.configure(conf or {})
        self.daemon = Daemon(
            "posternd",
            [program("posternd") or "posternd", "-c", self.conf_file],
            self.rundir,
            env=env,
        )

    # What it reads

    def _dir(self, name):
        path = os.path.join(self.rundir, name)
        os.mkdir(path, 0o755)
        self._own(path)
        return path

    def _own(self, path):
        if os.geteuid() == 0:
            entry = pwd.getpwnam(self.user)
            os.chown(path, entry.pw_uid, entry.pw_gid)

    def _write(self, path, text, mode):
        # Written aside and moved, so that nobody reads half a file.
        with open(path + ".new", "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(path + ".new", mode)
        self._own(path + ".new")
        os.rename(path + ".new", path)

    def write_credentials(self, lines, mode=0o600):
        self._write(
            self.credentials_file, "".join(f"{line}\n" for line in lines), mode
        )

    def write_identities(self, lines):
        self._write(
            self.identities_file, "".join(f"{line}\n" for line in lines), 0o644
        )

    def configure(self, changes):
        """Change keys and write the file; sighup() or a start makes them count."""
        sections = copy.deepcopy(self.conf)
        for section, keys in changes.items():
            for key, value in keys.items():
                if value is None:
                    sections.get(section, {}).pop(key, None)
                else:
                    sections.setdefault(section, {})[key] = value
        self.conf = sections
        self._write(self.conf_file, conf_text(sections), 0o644)

    # Life

    def start(self):
        mark = self.daemon.mark()
        self.daemon.start()
        # READY=1 comes after these lines, but by another way.
        listening = self.daemon.wait_events(
            "listening", len(self.conf["lmtp"]["listen"]), mark
        )
        self.addresses = [event["address"] for event in listening]
        return self

    def stop(self):
        self.daemon.stop()

    def kill(self):
        self.daemon.kill()

    def restart(self):
        self.stop()
        return self.start()

    def sighup(self):
        self.daemon.signal(signal.SIGHUP)

    def close(self):
        self.daemon.close()

    @property
    def ports(self):
        """The TCP ports it listens on, in the order of lmtp.listen."""
        found = []
        for address in self.addresses:
            if address.startswith("inet:"):
                found.append(int(address.rpartition(":")[2]))
        return found

    @property
    def port(self):
        return self.ports[0]

    def connect(self, tcp=False, **kw):
        """An LMTP client that has said LHLO."""
        if tcp:
            address = ("127.0.0.1", self.port)
        else:
            unix = next(a for a in self.addresses if a.startswith("unix:"))
            address = unix[len("unix:"):]
        client = Lmtp(address, **kw)
        client.lhlo()
        return client

    @contextlib.contextmanager
    def client(self, tcp=False, **kw):
        with self.connect(tcp, **kw) as client:
            yield client

    # What it knows

    @staticmethod
    def postern():
        """The path of the postern command."""
        return program("postern") or "postern"

    def run(self, *args, stdin=None, expect=0):
        """The postern command with this configuration; returns its stdout.

        expect: the exit status, or None for any (then (status, out, err)).
        """
        done = subprocess.run(
            [self.postern(), "-c", self.conf_file, *args],
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert not SANITIZER.search(done.stderr), done.stderr
        if expect is None:
            return done.returncode, done.stdout, done.stderr
        assert done.returncode == expect, (
            f"postern {' '.join(args)}: status {done.returncode}\n"
            f"{done.stdout}{done.stderr}{self.daemon.tail(10)}"
        )
        return done.stdout

    def json(self, *args, **kw):
        """The same with --json, as a value."""
        return json.loads(self.run(*args, "--json", **kw))

    def log(self, *args):
        """Deliveries by postern log, as a list of dicts."""
        out = self.run("log", *args, "--json")
        return [json.loads(line) for line in out.splitlines()]

    def sql(self, query, *args):
        """Rows of a query on the journal, read-only as an auditor reads it."""
        db = sqlite3.connect(f"file:{self.store}?mode=ro", uri=True)
        try:
            db.row_factory = sqlite3.Row
            return [dict(row) for row in db.execute(query, args)]
        finally:
            db.close()
