"""A real Sendmail of one's own, from Debian's package, unpacked (see mtas.sh).

Its configuration is made by m4 from the distribution's cf files and from
contrib/sendmail/postern.m4, the lines that an administrator would use.
"""

import os
import pwd
import re
import signal
import smtplib
import subprocess
import time

from lib.build import MTAS, SOURCE
from lib.host import end_group, free_port, wait_listening
from lib.proc import PATIENCE, Daemon

ROOT = MTAS / "sendmail"
SENDMAIL = ROOT / "usr" / "libexec" / "sendmail" / "sendmail"
CF = ROOT / "usr" / "share" / "sendmail" / "cf"
POSTERN_M4 = SOURCE / "contrib" / "sendmail" / "postern.m4"
MILTER_M4 = SOURCE / "contrib" / "sendmail" / "postern-milter.m4"

MC = """\
divert(0)dnl
include(`{cf}/m4/cf.m4')dnl
VERSIONID(`tests of Postern')dnl
OSTYPE(`linux')dnl
define(`confDOMAIN_NAME', `{hostname}')dnl
define(`QUEUE_DIR', `{rundir}/queue')dnl
define(`confPID_FILE', `{rundir}/sendmail.pid')dnl
define(`STATUS_FILE', `{rundir}/statistics')dnl
define(`HELP_FILE', `')dnl
define(`ALIAS_FILE', `')dnl
define(`confSERVICE_SWITCH_FILE', `{rundir}/service.switch')dnl
define(`confDONT_PROBE_INTERFACES', `True')dnl
define(`confTO_IDENT', `0')dnl
define(`confMIN_QUEUE_AGE', `0')dnl
define(`confDONT_BLAME_SENDMAIL', `GroupWritableDirPathSafe')dnl
dnl A busy machine is no reason to turn mail away here.
define(`confQUEUE_LA', `1000')dnl
define(`confREFUSE_LA', `1000')dnl
FEATURE(`nocanonify')dnl
FEATURE(`accept_unresolvable_domains')dnl
FEATURE(`no_default_msa')dnl
DAEMON_OPTIONS(`Name=MTA, Family=inet, Addr=127.0.0.1, Port={port}')dnl
{settings}
MAILER(`smtp')dnl
define(`SMART_HOST', `postern:posternd')dnl
include(`{postern}')dnl
{after}
"""

# The distribution's submit.mc, by which the sendmail command hands mail to the
# daemon.
SUBMIT_MC = """\
divert(0)dnl
include(`{cf}/m4/cf.m4')dnl
VERSIONID(`tests of Postern')dnl
define(`confCF_VERSION', `Submit')dnl
define(`__OSTYPE__',`')dnl
define(`confDOMAIN_NAME', `{hostname}')dnl
define(`confSERVICE_SWITCH_FILE', `{rundir}/service.switch')dnl
define(`confTIME_ZONE', `USE_TZ')dnl
define(`confDONT_INIT_GROUPS', `True')dnl
define(`confTO_IDENT', `0')dnl
define(`STATUS_FILE', `{rundir}/submit.statistics')dnl
define(`MSP_QUEUE_DIR', `{rundir}/clientmqueue')dnl
define(`RELAY_MAILER_ARGS', `TCP $h {port}')dnl
FEATURE(`msp', `[127.0.0.1]')dnl
"""


def why_not():
    """Why a Sendmail cannot be run here, or ''."""
    if os.geteuid() != 0:
        return "this Sendmail is run as root, as on a mail server"
    if not (ROOT / ".done").exists():
        return "no Sendmail unpacked: tests/lib/mtas.sh does it (tests/run.sh calls it)"
    try:
        pwd.getpwnam("smmsp")
    except KeyError:
        return "user smmsp is missing (tests/lib/mtas.sh)"
    return ""


class Sendmail:
    """args: how the mailer reaches posternd: "FILE PATH" or "TCP HOST PORT".

    settings go before the MAILER lines of the .mc file, after at its end.
    """

    def __init__(self, rundir, args, settings="", after="",
                 hostname="mx.example.com", flags=("-q1s",)):
        self.rundir = str(rundir)
        self.queue = os.path.join(self.rundir, "queue")
        self.cf = os.path.join(self.rundir, "sendmail.cf")
        self.traffic = os.path.join(self.rundir, "traffic.log")
        # Sendmail takes port 0 for its default.
        self.port = free_port()
        os.mkdir(self.queue, 0o700)
        self._write("service.switch", "hosts files\naliases files\n")
        names = dict(
            cf=CF, port=self.port, hostname=hostname, rundir=self.rundir
        )
        self._make("sendmail", MC.format(
            **names, postern=POSTERN_M4, after=after,
            settings=settings + f"\ndefine(`POSTERN_MAILER_ARGS', `{args}')dnl",
        ))
        self._make("submit", SUBMIT_MC.format(**names))
        client = os.path.join(self.rundir, "clientmqueue")
        os.mkdir(client, 0o770)
        owner = pwd.getpwnam("smmsp")
        os.chown(client, owner.pw_uid, owner.pw_gid)
        # On a host whose own name has no domain, Sendmail sleeps for a minute
        # before it so much as reads its configuration; so it gets a name.
        # -X writes both sides of every dialogue: here is no syslog to ask.
        self.daemon = Daemon(
            "sendmail",
            [SENDMAIL, "-bD", *flags, "-C", self.cf, "-X", self.traffic],
            self.rundir,
            env={
                "LD_PRELOAD": "libnss_wrapper.so",
                "NSS_WRAPPER_HOSTNAME": hostname,
                "NSS_WRAPPER_HOSTS": self._write(
                    "hosts", f"127.0.0.1 {hostname} mx localhost\n"
                ),
            },
        )

    def _make(self, name, text):
        """NAME.cf from the text of NAME.mc."""
        mc = self._write(f"{name}.mc", text)
        made = subprocess.run(
            ["m4", f"-D_CF_DIR_={CF}/", mc],
            capture_output=True, check=True, text=True,
        )
        self._write(f"{name}.cf", made.stdout)

    def _write(self, name, text):
        path = os.path.join(self.rundir, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        return path

    # Life

    def start(self):
        self.daemon.start(ready=False)
        wait_listening(self.daemon.pid, self.port)
        return self

    def stop(self):
        if not self.daemon.running():
            return
        pid = self.daemon.pid
        self.daemon.signal(signal.SIGTERM)
        self.daemon.wait()
        # Deliveries and queue runs are processes of their own.
        end_group(pid, signal.SIGTERM)

    def close(self):
        self.stop()

    # Mail in

    def smtp(self, sender, recipients, message):
        """Send by SMTP; returns the queue id."""
        with smtplib.SMTP("127.0.0.1", self.port, timeout=PATIENCE) as client:
            client.ehlo("client.example")
            code, text = client.mail(sender)
            assert code == 250, text
            for recipient in recipients:
                code, text = client.rcpt(recipient)
                assert code == 250, text
            code, text = client.data(message)
            assert code == 250, text
        return re.match(r"2\.0\.0 (\S+) Message accepted", text.decode())[1]

    def command(self, sender, recipients, message):
        """Hand a message to the sendmail command, as programs do."""
        subprocess.run(
            [SENDMAIL, "-C", os.path.join(self.rundir, "submit.cf"), "-i",
             "-f", sender or "<>", "--", *recipients],
            env=self.daemon.env, input=message.encode(), check=True,
            capture_output=True, timeout=PATIENCE,
        )

    # What became of it

    def queue_list(self):
        """Names of the messages in the queue."""
        return [
            name[2:] for name in os.listdir(self.queue) if name[:2] in ("qf", "Qf")
        ]

    def wait_empty(self, patience=PATIENCE):
        """Until nothing is queued any more."""
        deadline = time.monotonic() + patience
        while self.queue_list():
            assert time.monotonic() < deadline, (
                f"queue not empty\n{self.log()[-3000:]}"
            )
            time.sleep(0.05)

    def log(self):
        try:
            with open(self.traffic, encoding="utf-8", errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def replies(self):
        """What posternd answered, line by line."""
        return re.findall(r"^\d+ <<< (.*)$", self.log(), re.M)
