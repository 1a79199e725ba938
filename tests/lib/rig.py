"""A posternd in front of a sandbox of its own, for the tests test_relay_*.

	post, ses = relay(parts, conf={"lmtp": {"answer-within": "2s"}}, rate=1)
	[reply] = send(post, "b@example.com")

Both keep example.com as the one identity unless told otherwise; no limits are
set on either side.
"""

import json
import os
import socket

from lib.lmtp import message
from lib.oldjournal import OldJournal
from lib.posternd import Posternd
from lib.proc import PATIENCE
from lib.sandbox import Sandbox
from lib.store import remains

SENDER = "a@example.com"


def sandbox(parts, name="sandbox", **options):
    """Options as in lib.sandbox. Messages that it accepts are kept as files."""
    options.setdefault("identity", ["example.com"])
    options.setdefault("rate", "unlimited")
    options.setdefault("day", "unlimited")
    options.setdefault("save", parts.dir(f"{name}.mail"))
    return parts.add(Sandbox(parts.rundir, name, **options)).start()


def posternd(parts, ses, endpoint=None, start=True, **kw):
    """Keywords as in lib.posternd; ses gives what is not said."""
    kw.setdefault("ca_file", ses.ca_file)
    kw.setdefault("credentials", ses.credentials)
    post = parts.add(
        Posternd(parts.dir("posternd"), endpoint or ses.endpoint, **kw)
    )
    return post.start() if start else post


def authorities(parts, *sandboxes):
    """A file with the CAs of several sandboxes, for ses.ca-file."""
    path = os.path.join(parts.rundir, "authorities.pem")
    with open(path, "w", encoding="ascii") as out:
        for ses in sandboxes:
            with open(ses.ca_file, encoding="ascii") as f:
                out.write(f.read())
    return path


def relay(parts, conf=None, identities=("example.com",), listen=None,
          credentials=None, env=None, **options):
    """Both at once; options are the sandbox's."""
    ses = sandbox(parts, **options)
    post = posternd(
        parts, ses, conf=conf, identities=identities, listen=listen,
        credentials=credentials or ses.credentials, env=env,
    )
    return post, ses


def old_relay(parts, fill):
    """Both, posternd stopped, and fill's days of long past are its journal."""
    post, ses = relay(parts)
    post.stop()
    owner = os.stat(post.store)
    for path in remains(post.store):
        os.unlink(path)
    old = OldJournal(post.store)
    fill(old)
    old.close()
    os.chown(post.store, owner.st_uid, owner.st_gid)
    return post, ses


def send(post, *recipients, sender=SENDER, **kw):
    """One transaction on a connection of its own; a reply for each recipient.

    Keywords go to lib.lmtp.message.
    """
    with post.client() as client:
        return client.deliver(
            sender, recipients, message(sender, list(recipients), **kw)
        )


def accepted(ses, reply):
    """What the sandbox recorded of the message that this reply speaks of."""
    assert reply.code == 250 and reply.enhanced == "2.0.0", reply
    [entry] = [m for m in ses.messages() if m["id"] == reply.ses_id]
    return entry


def content(ses, reply):
    """Header section and body as SES got them, dots unstuffed."""
    name = os.path.join(ses.options["save"], f"{reply.ses_id}.eml")
    with open(name, "rb") as f:
        head, _, body = f.read().partition(b"\r\n\r\n")
    return head + b"\r\n", body


def fields(head, name):
    """The values of a header field, unfolded, in order."""
    found = []
    unfolded = head.replace(b"\r\n ", b" ").replace(b"\r\n\t", b" ")
    for line in unfolded.split(b"\r\n"):
        key, colon, value = line.partition(b":")
        if colon and key.lower() == name.lower().encode("ascii"):
            found.append(value.strip().decode("utf-8"))
    return found


def states(post):
    """What the journal says of each delivery, in order."""
    return [
        row["state"]
        for row in post.sql("SELECT state FROM delivery ORDER BY message, n")
    ]


def journal(post, event):
    """The details of all journal rows of an event, in order."""
    rows = post.sql(
        "SELECT detail FROM journal WHERE event = ? ORDER BY seq", event
    )
    return [json.loads(row["detail"]) for row in rows]


class Control:
    """posternd's control socket, as the postern command uses it."""

    def __init__(self, post):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(post.control)
        self.input = self.sock.makefile("r", encoding="utf-8")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.input.close()
        self.sock.close()

    def ask(self, op, **keys):
        return self.line(json.dumps({"op": op, **keys}))

    def line(self, text):
        self.sock.sendall(text.encode("utf-8") + b"\n")
        return json.loads(self.input.readline())


def ask(post, op, **keys):
    """One request on a connection of its own."""
    with Control(post) as control:
        return control.ask(op, **keys)
