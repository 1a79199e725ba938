"""postern-sandbox: an SES of one's own, and what it saw.

	with Sandbox(rundir, identity=["example.com"], rate="unlimited") as ses:
	    ... a client talks to ses.endpoint, with ses.username and ses.password ...
	    ses.wait_for("messages", 3)
	    assert [m["sender"] for m in ses.messages()] == [...]

Options are those of postern-sandbox(1), with underscores; a list repeats the
option, True and False are yes and no. Ports are the kernel's choice unless
given.
"""

import json
import os
import smtplib
import socket
import ssl

from lib.build import program
from lib.proc import PATIENCE, Daemon

USER = "AKIASANDBOX"
PASSWORD = "BSecretOfTheSandbox"


# Options that stand for themselves.
FLAGS = ("production", "no_local_names")


def _word(value):
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _argv(options):
    argv = []
    for name, value in options.items():
        option = "--" + name.replace("_", "-")
        if name in FLAGS:
            argv += [option] if value else []
        elif isinstance(value, (list, tuple)):
            for item in value:
                argv += [option, _word(item)]
        elif value is not None:
            argv += [option, _word(value)]
    return argv


class Refused(Exception):
    """The sandbox did not take a control command, or a wait ran out of time."""


class Sandbox(Daemon):
    """Not started until start() or "with"; close() or stop() ends it.

    rundir: a private directory. called: for a second one in the same directory.
    """

    def __init__(self, rundir, called="sandbox", env=None, **options):
        self.state = os.path.join(str(rundir), called)
        self.ready_file = os.path.join(str(rundir), f"{called}.ready.json")
        self.events_file = os.path.join(str(rundir), f"{called}.events")
        self.summary_file = os.path.join(str(rundir), f"{called}.summary.json")
        self.control_path = os.path.join(str(rundir), f"{called}.sock")
        options.setdefault("user", f"{USER}:{PASSWORD}")
        options.setdefault("starttls_port", 0)
        options.setdefault("wrapper_port", 0)
        self.options = dict(
            options,
            state=self.state,
            ready=self.ready_file,
            control=self.control_path,
            events=self.events_file,
            summary=self.summary_file,
        )
        path = program("postern-sandbox")
        assert path, "postern-sandbox is not built (see POSTERN_BUILD)"
        super().__init__(called, [path, *_argv(self.options)], rundir, env=env)
        users = options["user"]
        first = users if isinstance(users, str) else users[0]
        self.username, self.password = first.split(":")[:2]
        self._control = None

    def start(self, ready=True, patience=PATIENCE):
        super().start(ready, patience)
        if ready:
            with open(self.ready_file, encoding="utf-8") as f:
                self.info = json.load(f)
            self.port = self.info["starttls_port"]
            self.wrapper_port = self.info["wrapper_port"]
            self.ca_file = self.info["ca_file"]
            # To start again on the same ports, as SES would.
            self.options["starttls_port"] = self.port
            self.options["wrapper_port"] = self.wrapper_port
            self.argv[1:] = _argv(self.options)
        return self

    def __enter__(self):
        return self.start() if self.proc is None else self

    def __exit__(self, *_):
        self.close()

    @property
    def endpoint(self):
        """HOST:PORT for STARTTLS, as in ses.endpoint of postern.conf."""
        return f"localhost:{self.port}"

    @property
    def wrapper_endpoint(self):
        return f"localhost:{self.wrapper_port}"

    @property
    def credentials(self):
        """A line for posternd's credentials file."""
        return f"{self.username}:{self.password}"

    # Control

    def command(self, line, patience=PATIENCE):
        """One line of the control protocol; returns the answer's object."""
        if self._control is None:
            self._control = self._connect()
        self._control.settimeout(patience)
        self._control.sendall(line.encode("utf-8") + b"\n")
        data = bytearray()
        while not data.endswith(b"\n"):
            chunk = self._control.recv(1 << 20)
            assert chunk, f"{self.name}: control socket closed\n{self.tail()}"
            data += chunk
        answer = json.loads(data)
        if not answer["ok"]:
            raise Refused(f"{line}: {answer['error']}")
        return answer

    def _connect(self):
        s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        s.settimeout(PATIENCE)
        s.connect(self.control_path)
        return s

    def set(self, **settings):
        """set(rate=14, day_window="30s"): in force with the next reply."""
        for name, value in settings.items():
            self.command(f"set {name.replace('_', '-')} {_word(value)}")

    def add(self, name, word):
        """add("identity", "example.org"), add("user", "NAME:PASSWORD:bad")."""
        self.command(f"set {name} {word}")

    def remove(self, name, word):
        self.command(f"remove {name} {word}")

    def clear(self, name):
        """A whole list; clear("fault") ends all faults."""
        self.command(f"clear {name}")

    def fault(self, words):
        """fault("dot drop nth=2"): see postern-sandbox(1). Returns its number."""
        return self.command(f"fault {words}")["id"]

    def spend(self, n):
        """As if another sender of the account had sent to n recipients."""
        self.command(f"spend {n}")

    def listen(self, on):
        """Open or close the ports; closed ones refuse connections."""
        self.command("listen " + ("on" if on else "off"))

    def disconnect(self):
        """Cut all connections."""
        self.command("disconnect")

    def reset(self, what=""):
        """Forget what was seen, or with "limits" what was spent."""
        self.command(f"reset {what}".rstrip())

    # Looking

    def wait_for(self, counter, n, patience=PATIENCE):
        """Until a counter is n or more; a Refused says what it was instead."""
        line = f"wait {counter} {n} {int(patience * 1000)}"
        return self.command(line, patience + PATIENCE)["value"]

    def counters(self):
        return self.command("counters")["counters"]

    def limits(self):
        return self.command("counters")["limits"]

    def faults(self):
        """Each fault with how often it was reached (seen) and struck."""
        return self.command("counters")["faults"]

    def summary(self, since=0):
        """Everything; of lists only entries whose "n" is above since."""
        if self.proc is None:
            with open(self.summary_file, encoding="utf-8") as f:
                return json.load(f)
        return self.command(f"summary {since}")["summary"]

    def messages(self):
        """What was accepted, in order."""
        return self.summary()["messages"]

    def refusals(self):
        return self.summary()["refusals"]

    def violations(self):
        """What the client did that a client of SES must not do."""
        return self.summary()["violations"]

    def published(self, kind=None):
        """Event records so far; needs a configuration set in force."""
        with open(self.events_file, encoding="utf-8") as f:
            records = [json.loads(line) for line in f]
        return [r for r in records if kind in (None, r["eventType"])]

    # Ending

    def _hang_up(self):
        if self._control is not None:
            self._control.close()
            self._control = None

    def stop(self, patience=PATIENCE):
        self._hang_up()
        super().stop(patience)

    def kill(self):
        self._hang_up()
        super().kill()

    def close(self):
        self._hang_up()
        super().close()

    # A client

    def context(self):
        """An ssl context that trusts the sandbox's CA."""
        return ssl.create_default_context(cafile=self.ca_file)

    def smtp(self, wrapper=False, login=True, timeout=PATIENCE):
        """An smtplib client, in TLS and logged in."""
        if wrapper:
            client = smtplib.SMTP_SSL(
                "localhost", self.wrapper_port, timeout=timeout,
                context=self.context(), local_hostname="client.example",
            )
        else:
            client = smtplib.SMTP(
                "localhost", self.port, timeout=timeout,
                local_hostname="client.example",
            )
            client.starttls(context=self.context())
        if login:
            client.login(self.username, self.password)
        return client
