"""posternd with an SES of its own behind it, and the mail servers before it."""

import os
import pwd

from lib.posternd import Posternd
from lib.sandbox import Sandbox

# An account that has left the SES sandbox and may send what it likes.
UNLIMITED = {"production": True, "rate": "unlimited", "day": "unlimited"}


class Relay:
    """A started pair, relay.sandbox and relay.posternd.

    identities are verified on both sides. sandbox: is the account in the SES
    sandbox, so that recipients must be verified, too? ses: further options of
    postern-sandbox, conf: of postern.conf.
    """

    def __init__(self, rundir, identities=("example.com",), sandbox=False,
                 ses=None, conf=None, listen=None, start=True):
        self.rundir = str(rundir)
        options = dict(UNLIMITED, identity=list(identities), sandbox=(
            "yes" if sandbox else "no"), save=self._dir("accepted"))
        options.update(ses or {})
        self.sandbox = Sandbox(self.rundir, **options).start()
        conf = dict(conf or {})
        conf["identities"] = dict(
            {"sandbox": sandbox}, **conf.get("identities", {})
        )
        self.posternd = Posternd(
            self._dir("p"),
            self.sandbox.endpoint,
            ca_file=self.sandbox.ca_file,
            credentials=self.sandbox.credentials,
            identities=identities,
            listen=listen,
            conf=conf,
        )
        if start:
            self.posternd.start()

    def _dir(self, name):
        path = os.path.join(self.rundir, name)
        os.mkdir(path, 0o755)
        return path

    def accepted(self, ses_id):
        """A message as the sandbox got it."""
        path = os.path.join(self.rundir, "accepted", f"{ses_id}.eml")
        with open(path, "rb") as f:
            return f.read()

    def close(self):
        try:
            self.posternd.close()
        finally:
            self.sandbox.close()


def postfix_listen(postfix):
    """A socket inside Postfix's chroot, and its directory made as `postern
    init --postfix` makes it."""
    path = os.path.join(postfix.queue, "postern")
    os.chmod(path, 0o750)
    os.chown(
        path, pwd.getpwnam("nobody").pw_uid, pwd.getpwnam("postfix").pw_gid
    )
    return f"unix:{path}/lmtp.sock:0660:postfix"
