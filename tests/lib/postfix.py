"""A real Postfix of one's own, from Debian's package, unpacked (see mtas.sh).

Queue, configuration and data are private, the log goes to a file, and the
lmtp client runs chrooted as user postfix: Debian's way, and the one that
makes socket paths and permissions matter. Needs root, as Postfix does.
"""

import grp
import json
import os
import pwd
import re
import signal
import subprocess
import time

from lib.build import MTAS
from lib.host import end_group, port_of
from lib.proc import PATIENCE, Daemon

ROOT = MTAS / "postfix"
SBIN = ROOT / "usr" / "sbin"
DAEMONS = ROOT / "usr" / "lib" / "postfix" / "sbin"

# What Debian's master.cf has, without the transports that nobody uses here.
# Chroot is column five: "y" wherever Debian has it.
MASTER_CF = """\
127.0.0.1:{port} inet n - y - - smtpd{options}
pickup    unix n - y 60 1 pickup
cleanup   unix n - y - 0 cleanup
qmgr      unix n - n 300 1 qmgr
tlsmgr    unix - - y 1000? 1 tlsmgr
tlsproxy  unix - - y - 0 tlsproxy
rewrite   unix - - y - - trivial-rewrite
bounce    unix - - y - 0 bounce
defer     unix - - y - 0 bounce
trace     unix - - y - 0 bounce
verify    unix - - y - 1 verify
flush     unix n - y 1000? 0 flush
proxymap  unix - - n - - proxymap
smtp      unix - - y - - smtp
relay     unix - - y - - smtp
showq     unix n - y - - showq
error     unix - - y - - error
retry     unix - - y - - error
discard   unix - - y - - discard
local     unix - n n - - local
lmtp      unix - - y - - lmtp
anvil     unix - - y - 1 anvil
scache    unix - - y - 1 scache
postlog   unix-dgram n - n - 1 postlogd
"""

# Directories of the queue: owner, group, mode, as post-install makes them.
QUEUE = {
    "postfix:root:700": "active bounce corrupt defer deferred flush hold "
    "incoming private saved trace",
    "postfix:postdrop:1730": "maildrop",
    "postfix:postdrop:2710": "public",
    "root:root:755": "pid etc dev lib usr postern",
}

# A chrooted client finds these where Debian's init script copies them.
CHROOT_ETC = ("hosts", "localtime", "nsswitch.conf", "resolv.conf", "services")

SENT = re.compile(
    r"postfix/(?P<agent>\w+)\[\d+\]: (?P<queue_id>[0-9A-Za-z]+): "
    r"to=<(?P<to>[^>]*)>, .*relay=(?P<relay>[^,]*), .*dsn=(?P<dsn>[\d.]+), "
    r"status=(?P<status>\w+) \((?P<reply>.*)\)$"
)


def why_not():
    """Why a Postfix cannot be run here, or ''."""
    if os.geteuid() != 0:
        return "Postfix starts only as root"
    if not (ROOT / ".done").exists():
        return "no Postfix unpacked: tests/lib/mtas.sh does it (tests/run.sh calls it)"
    try:
        pwd.getpwnam("postfix")
        grp.getgrnam("postdrop")
    except KeyError:
        return "user postfix and group postdrop are missing (tests/lib/mtas.sh)"
    return ""


class Postfix:
    """main: settings for main.cf; default_transport is what tests set most."""

    def __init__(self, rundir, main=None, hostname="mx.example.com"):
        self.rundir = str(rundir)
        self.config = os.path.join(self.rundir, "etc")
        self.queue = os.path.join(self.rundir, "queue")
        self.data = os.path.join(self.rundir, "data")
        self.maillog = os.path.join(self.rundir, "maillog.log")
        self.port = 0
        self.smtpd_options = []  # for the smtpd in master.cf, NAME=VALUE
        self._make_directories()
        # The unpacked programs look for their libraries where the package
        # would have put them, so each of them has to be told.
        self.env = {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "LANG": "C",
            "MAIL_CONFIG": self.config,
            "LD_LIBRARY_PATH": str(ROOT / "usr" / "lib" / "postfix"),
        }
        self.main = {
            "compatibility_level": "3.6",
            "command_directory": SBIN,
            "daemon_directory": DAEMONS,
            "shlib_directory": ROOT / "usr" / "lib" / "postfix",
            "meta_directory": ROOT / "etc" / "postfix",
            "sendmail_path": SBIN / "sendmail",
            "queue_directory": self.queue,
            "data_directory": self.data,
            "maillog_file": self.maillog,
            "maillog_file_prefixes": self.rundir,
            "import_environment": "MAIL_CONFIG LANG=C LD_LIBRARY_PATH",
            "export_environment": "MAIL_CONFIG LANG=C LD_LIBRARY_PATH",
            "mail_owner": "postfix",
            "setgid_group": "postdrop",
            "myhostname": hostname,
            "mydestination": "",
            "mynetworks": "127.0.0.0/8",
            "inet_interfaces": "127.0.0.1",
            "inet_protocols": "ipv4",
            "alias_maps": "",
            "alias_database": "",
            "local_recipient_maps": "",
            "biff": "no",
            # No name on the machine or the net is asked for.
            "smtp_host_lookup": "native",
            "lmtp_host_lookup": "native",
            "disable_dns_lookups": "yes",
            "smtpd_peername_lookup": "no",
            "smtpd_recipient_restrictions": "permit_mynetworks, reject",
            # Retries within a test's life, should there be any.
            "queue_run_delay": "1s",
            "minimal_backoff_time": "1s",
            "maximal_backoff_time": "2s",
        }
        for name, value in (main or {}).items():
            self.main[name] = value
        self.daemon = Daemon(
            "postfix", [DAEMONS / "master", "-s"], self.rundir, env=self.env
        )

    def _make_directories(self):
        for path in (self.config, self.queue, self.data):
            os.mkdir(path, 0o755)
        owner = pwd.getpwnam("postfix")
        os.chown(self.data, owner.pw_uid, -1)
        os.chmod(self.data, 0o700)
        for access, names in QUEUE.items():
            user, group, mode = access.split(":")
            for name in names.split():
                path = os.path.join(self.queue, name)
                os.mkdir(path)
                os.chown(
                    path, pwd.getpwnam(user).pw_uid, grp.getgrnam(group).gr_gid
                )
                os.chmod(path, int(mode, 8))
        for name in CHROOT_ETC:
            if os.path.exists(f"/etc/{name}"):
                with open(f"/etc/{name}", "rb") as src, open(
                    os.path.join(self.queue, "etc", name), "wb"
                ) as dst:
                    dst.write(src.read())

    def configure(self, **main):
        self.main.update(main)

    def write_config(self):
        """Done by start(); earlier, for those who ask with postconf."""
        with open(os.path.join(self.config, "main.cf"), "w") as f:
            for name, value in self.main.items():
                f.write(f"{name} = {value}\n")
        with open(os.path.join(self.config, "master.cf"), "w") as f:
            options = "".join(f"\n  -o {o}" for o in self.smtpd_options)
            f.write(MASTER_CF.format(port=self.port, options=options))

    # Life

    def start(self):
        self.write_config()
        started = r"postfix/master\[\d+\]: daemon started"
        before = sum(1 for line in self.log() if re.search(started, line))
        self.daemon.start(ready=False)
        self.wait_log(started, before + 1)
        if self.port == 0:
            # Kept for later starts: clients were told this one.
            self.port = port_of(self.daemon.pid)
        return self

    def stop(self):
        """As "postfix stop" does it; the queue stays."""
        if not self.daemon.running():
            return
        pid = self.daemon.pid
        self.daemon.signal(signal.SIGTERM)
        self.daemon.wait()
        # The rest of the group follows master; they use the queue till then.
        end_group(pid)

    def kill(self):
        """SIGKILL to master and all that it started."""
        if self.daemon.running():
            pid = self.daemon.pid
            os.killpg(pid, signal.SIGKILL)
            self.daemon.kill()
            end_group(pid)

    def close(self):
        self.stop()

    # What it makes of its configuration

    def setting(self, name):
        """A parameter as programs see it, after start() or write_config()."""
        return self._run([SBIN / "postconf", "-xh", name]).decode().strip()

    def lookup(self, key, table):
        """What a table has for a key, or None."""
        done = subprocess.run(
            [SBIN / "postmap", "-q", key, table], env=self.env, check=False,
            capture_output=True, text=True, timeout=PATIENCE)
        assert done.stderr == "", done.stderr
        return done.stdout.strip() or None

    # Mail in

    def _run(self, argv, **kw):
        return subprocess.run(
            [str(a) for a in argv],
            env=self.env,
            check=True,
            capture_output=True,
            timeout=PATIENCE * 3,
            **kw,
        ).stdout

    def sendmail(self, message, *args):
        """Hand a message to sendmail(1): -t by default."""
        if isinstance(message, str):
            message = message.encode("utf-8")
        self._run([SBIN / "sendmail", *(args or ["-t"])], input=message)

    def smtp_source(self, *args):
        """smtp-source(1) against this instance's smtpd."""
        return self._run(
            [SBIN / "smtp-source", *args, f"inet:127.0.0.1:{self.port}"]
        )

    def flush(self):
        """Try everything that is deferred, now."""
        self._run([SBIN / "postqueue", "-f"])

    # What became of it

    def queue_list(self):
        """Messages in the queue, as postqueue -j shows them."""
        out = self._run([SBIN / "postqueue", "-j"]).decode()
        return [json.loads(line) for line in out.splitlines()]

    def log(self):
        try:
            with open(self.maillog, encoding="utf-8", errors="replace") as f:
                return f.read().splitlines()
        except FileNotFoundError:
            return []

    def wait_log(self, pattern, n=1, patience=PATIENCE):
        """Until n lines of the mail log match; returns the matches."""
        regex = re.compile(pattern)
        deadline = time.monotonic() + patience
        while True:
            found = [m for m in map(regex.search, self.log()) if m]
            if len(found) >= n:
                return found
            assert self.daemon.running(), f"Postfix ended\n{self.daemon.tail()}"
            if time.monotonic() > deadline:
                tail = "\n".join(self.log()[-30:])
                raise AssertionError(
                    f"{len(found)} of {n} lines like {pattern!r}\n{tail}"
                )
            # A file says nothing when it grows; inotify is not in Python's
            # library, and twenty looks a second cost little.
            time.sleep(0.05)

    def deliveries(self, agent="lmtp"):
        """Each delivery that was logged, as a dict."""
        found = map(SENT.search, self.log())
        return [m.groupdict() for m in found if m and m["agent"] == agent]

    def wait_deliveries(self, n, status="sent", agent="lmtp", patience=PATIENCE):
        """Until n deliveries ended this way; returns those that did."""
        self.wait_log(
            rf"postfix/{agent}\[.*, status={status} \(", n, patience
        )
        return [d for d in self.deliveries(agent) if d["status"] == status]

    def wait_empty(self, patience=PATIENCE):
        """Until nothing is queued any more."""
        deadline = time.monotonic() + patience
        while self.queue_list():
            if time.monotonic() > deadline:
                tail = "\n".join(self.log()[-30:])
                raise AssertionError(f"queue not empty\n{tail}")
            time.sleep(0.1)
