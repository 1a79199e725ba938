"""Start a daemon, know when it is ready, read what it logs, and end it.

Nothing here sleeps and hopes. Readiness comes over a notify socket of the
kind systemd uses, log lines are waited for as they arrive, and the end of a
process is waited for.
"""

import os
import re
import select
import signal
import socket
import subprocess
import threading
import time

# Words that open a report of a sanitizer. Any of them in what a daemon wrote
# to stderr fails the test, whatever the test itself was about.
SANITIZER = re.compile(
    r"ERROR: (Address|Leak|UndefinedBehavior|Memory)Sanitizer"
    r"|WARNING: ThreadSanitizer"
    r"|FATAL: ThreadSanitizer"
    r"|ThreadSanitizer:DEADLYSIGNAL|AddressSanitizer:DEADLYSIGNAL"
    r"|: runtime error: "
)

# Everything is some ten times slower under a sanitizer, and two processors
# are shared by several tests.
PATIENCE = 60

_PAIR = re.compile(r'([A-Za-z0-9_.-]+)=("[^"]*"|[^ ]*)')


def parse_event(line):
    """The key=value pairs of a log line, or {} if it is not of that kind."""
    pairs = {}
    for key, value in _PAIR.findall(line):
        if value.startswith('"'):
            value = value[1:-1]
        value = re.sub(r"\\x([0-9a-f]{2})", lambda m: chr(int(m[1], 16)), value)
        pairs[key] = value
    return pairs if "event" in pairs else {}


class Daemon:
    """One process of ours, with its stderr kept in memory and in a file."""

    def __init__(self, name, argv, rundir, env=None, user=None, group=None):
        self.name = name
        self.argv = [str(a) for a in argv]
        self.rundir = str(rundir)
        self.env = dict(os.environ, **(env or {}))
        self.user = user
        self.group = group
        self.proc = None
        self.status = ""
        self.lines = []
        self._cond = threading.Condition()
        self._reader = None

    # Starting

    def start(self, ready=True, patience=PATIENCE):
        """Start; with ready, return only when it has said READY=1."""
        assert self.proc is None, f"{self.name} runs already"
        notify = None
        env = dict(self.env)
        env.pop("NOTIFY_SOCKET", None)
        if ready:
            path = os.path.join(self.rundir, f"{self.name}.notify")
            if os.path.exists(path):
                os.unlink(path)
            notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            notify.bind(path)
            # A daemon that has given up root must be able to write to it.
            os.chmod(path, 0o666)
            env["NOTIFY_SOCKET"] = path
        try:
            self._spawn(env)
            if ready:
                self._wait_ready(notify, patience)
        except BaseException:
            self.kill()
            raise
        finally:
            if notify is not None:
                notify.close()
                os.unlink(path)
        return self

    def _spawn(self, env):
        self.proc = subprocess.Popen(
            self.argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=env,
            user=self.user,
            group=self.group,
            extra_groups=[] if self.user is not None else None,
            start_new_session=True,
        )
        self._reader = threading.Thread(
            target=self._read, args=(self.proc.stdout,), daemon=True
        )
        self._reader.start()

    def _read(self, pipe):
        log = os.path.join(self.rundir, f"{self.name}.log")
        with pipe, open(log, "a", encoding="utf-8") as out:
            for raw in pipe:
                line = raw.decode("utf-8", "backslashreplace").rstrip("\n")
                out.write(line + "\n")
                out.flush()
                with self._cond:
                    self.lines.append(line)
                    self._cond.notify_all()
        with self._cond:
            self._cond.notify_all()

    def _wait_ready(self, notify, patience):
        deadline = time.monotonic() + patience
        pidfd = os.pidfd_open(self.proc.pid)
        try:
            while True:
                left = deadline - time.monotonic()
                if left <= 0:
                    self._give_up(f"not ready after {patience} s")
                readable, _, _ = select.select([notify, pidfd], [], [], left)
                if notify in readable:
                    words = notify.recv(65536).decode("utf-8", "replace")
                    for word in words.splitlines():
                        if word.startswith("STATUS="):
                            self.status = word[len("STATUS="):]
                    if "READY=1" in words.splitlines():
                        return
                elif pidfd in readable:
                    self.proc.wait()
                    self._reader.join(PATIENCE)
                    self._give_up(
                        f"ended with status {self.proc.returncode} "
                        "before it was ready"
                    )
        finally:
            os.close(pidfd)

    def _give_up(self, what):
        raise AssertionError(f"{self.name}: {what}\n{self.tail()}")

    # Looking

    @property
    def pid(self):
        return self.proc.pid

    def running(self):
        return self.proc is not None and self.proc.poll() is None

    def memory_peak(self):
        """The most that was resident so far, in MB."""
        with open(f"/proc/{self.pid}/status", encoding="ascii") as f:
            return next(
                int(line.split()[1]) for line in f if line.startswith("VmHWM")
            ) / 1024

    def tail(self, n=40):
        return "\n".join(self.lines[-n:])

    def mark(self):
        """A place in the log, for waiting on what comes after it."""
        with self._cond:
            return len(self.lines)

    def wait_line(self, pattern, since=0, patience=PATIENCE):
        """The first line from since on that matches, as soon as it is there."""
        regex = re.compile(pattern)
        deadline = time.monotonic() + patience
        seen = since
        with self._cond:
            while True:
                for line in self.lines[seen:]:
                    if regex.search(line):
                        return line
                seen = len(self.lines)
                left = deadline - time.monotonic()
                if left <= 0 or not self._cond.wait_for(
                    lambda: len(self.lines) > seen
                    or not self._reader.is_alive(),
                    left,
                ):
                    self._give_up(f"no line like {pattern!r}")
                if len(self.lines) == seen:
                    self._give_up(f"ended without a line like {pattern!r}")

    def events(self, event=None, since=0):
        """Parsed log lines, all or those of one event."""
        parsed = (parse_event(line) for line in self.lines[since:])
        return [p for p in parsed if p and event in (None, p["event"])]

    def wait_event(self, event, since=0, patience=PATIENCE, **pairs):
        """The first such event whose pairs are as given."""
        words = rf"(^|\s)event={re.escape(event)}(\s|$)"
        deadline = time.monotonic() + patience
        while True:
            for i in range(since, self.mark()):
                got = parse_event(self.lines[i])
                since = i + 1
                if got.get("event") == event and all(
                    got.get(k) == v for k, v in pairs.items()
                ):
                    return got
            self.wait_line(words, since, deadline - time.monotonic())

    def wait_events(self, event, n, since=0, patience=PATIENCE):
        """The first n events of a kind."""
        words = rf"(^|\s)event={re.escape(event)}(\s|$)"
        deadline = time.monotonic() + patience
        while True:
            place = self.mark()
            got = self.events(event, since)
            if len(got) >= n:
                return got[:n]
            self.wait_line(words, place, deadline - time.monotonic())

    # Ending

    def signal(self, sig):
        assert self.running(), f"{self.name} does not run\n{self.tail()}"
        self.proc.send_signal(sig)

    def wait(self, patience=PATIENCE):
        """Wait for its end; returns the exit status."""
        try:
            status = self.proc.wait(patience)
        except subprocess.TimeoutExpired:
            # Where it hangs is worth more than the fact that it does.
            tail = self.tail()
            self.kill()
            raise AssertionError(
                f"{self.name}: still there after {patience} s\n{tail}"
            ) from None
        self._reader.join(PATIENCE)
        self.proc = None
        return status

    def stop(self, patience=PATIENCE):
        """End it in the orderly way, which must succeed, and look for reports."""
        if self.proc is None:
            return
        if self.running():
            self.proc.send_signal(signal.SIGTERM)
        status = self.wait(patience)
        self.check_sanitizer()
        assert status == 0, (
            f"{self.name}: ended with status {status}\n{self.tail()}"
        )

    def kill(self):
        """SIGKILL, and wait until it is gone."""
        if self.proc is None:
            return
        if self.running():
            self.proc.kill()
        self.proc.wait()
        self._reader.join(PATIENCE)
        self.proc = None

    def check_sanitizer(self):
        for i, line in enumerate(self.lines):
            if SANITIZER.search(line):
                report = "\n".join(self.lines[i : i + 80])
                raise AssertionError(f"{self.name}: sanitizer report\n{report}")

    def close(self):
        """For teardown: end it if it still runs, and look for reports."""
        if self.running():
            self.stop()
        elif self.proc is not None:
            status = self.wait()
            self.check_sanitizer()
            raise AssertionError(
                f"{self.name}: ended by itself with status {status}\n"
                f"{self.tail()}"
            )
        self.check_sanitizer()
