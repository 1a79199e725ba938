"""A postern-milter of one's own, and the files that it reads."""

import os
import pwd
import re
import signal

from lib.build import program
from lib.posternd import UNPRIVILEGED, conf_text
from lib.proc import Daemon

SECRET = "a secret of tests, long enough\n"


class Milter:
    """Runs with a configuration that is there already: posternd's own, as on a
    host with both."""

    def __init__(self, rundir, conf_file, env=None):
        self.rundir = str(rundir)
        self.daemon = Daemon(
            "postern-milter",
            [program("postern-milter") or "postern-milter", "-c", conf_file],
            self.rundir,
            env=env,
        )

    def start(self):
        mark = self.daemon.mark()
        self.daemon.start()
        listening = self.daemon.wait_events("listening", 2, mark)
        self.address, self.socketmap = (e["address"] for e in listening)
        return self

    def stop(self):
        self.daemon.stop()

    def kill(self):
        self.daemon.kill()

    def sighup(self):
        self.daemon.signal(signal.SIGHUP)

    def close(self):
        self.daemon.close()


def own(path):
    """Give a file or directory to the user that daemons become."""
    if os.geteuid() == 0:
        entry = pwd.getpwnam(UNPRIVILEGED)
        os.chown(path, entry.pw_uid, entry.pw_gid)


def write(path, text, mode=0o640):
    """A file that daemons may read, put there whole."""
    with open(path + ".new", "w", encoding="utf-8") as f:
        f.write(text)
    os.chmod(path + ".new", mode)
    own(path + ".new")
    os.rename(path + ".new", path)
    return path


def rewrite_conf(rundir, table=None, secret=SECRET, **keys):
    """A rewrite section, and the files that it names."""
    conf = dict(keys)
    if secret is not None:
        conf["secret"] = write(os.path.join(rundir, "secret"), secret)
    if table is not None:
        conf["senders"] = write(os.path.join(rundir, "senders"), table)
    return conf


def configure(rundir, identities=("example.com",), rewrite=None, listen=None,
              socketmap=None):
    """A configuration for a milter alone; returns the file's path."""
    run = os.path.join(rundir, "run")
    os.mkdir(run)
    own(run)
    conf = {
        "daemon": {"user": UNPRIVILEGED if os.geteuid() == 0
                   else pwd.getpwuid(os.geteuid()).pw_name},
        "identities": {"file": write(
            os.path.join(rundir, "identities"),
            "".join(f"{line}\n" for line in identities),
        )},
        "rewrite": rewrite or {},
        "milter": {
            "listen": listen or f"unix:{run}/milter.sock:0660",
            "socketmap": socketmap or f"unix:{run}/socketmap.sock:0660",
        },
        "log": {"to": "stderr"},
    }
    return write(
        os.path.join(rundir, "postern.conf"), conf_text(conf), 0o644
    )


# What a message looks like that has been through it.


def is_verified(address):
    return re.search(r"[@.]example\.com$", address) is not None


def addresses(field):
    return [a.addr_spec for a in field.addresses]


def assert_rewritten(message, original):
    """From Some One <original>, with a Sender that was not verified either."""
    assert message["sender"].startswith("SRS0=")
    assert is_verified(message["sender"])
    content = message["content"]
    assert addresses(content["From"]) == [message["sender"]]
    assert content["From"].addresses[0].display_name == "Some One"
    assert is_verified(content["Sender"].address.addr_spec)
    assert content["Reply-To"] == f"Some One <{original}>"
    assert content["X-Original-From"] == f"Some One <{original}>"
