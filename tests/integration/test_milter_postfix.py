"""A real Postfix 3.7 with postern-milter at submission and posternd behind it.

Submitters come from 127.0.0.1. The world comes from 127.0.0.2: its mail is not
the milter's business, as README has it.
"""

import concurrent.futures
import email
import email.policy
import grp
import json
import os
import re
import smtplib
import subprocess
import threading

import pytest

from lib.build import SOURCE, program
from lib.milter import (
    Milter, addresses, assert_rewritten, is_verified, rewrite_conf, write,
)
from lib.postfix import SBIN, Postfix, why_not
from lib.proc import PATIENCE
from lib.relay import Relay, postfix_listen

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not() or "-")

FOREIGN = "someone@foreign.example"
OUTSIDE = "127.0.0.2"


def in_readme(name):
    """What README has for a setting in main.cf, which may be folded."""
    text = (SOURCE / "README").read_text(encoding="utf-8")
    [value] = re.findall(rf"^    {name} = (.*(?:\n     +.*)*)", text, re.M)
    return value


class Site:
    """Postfix, milter, posternd and an SES with example.com verified."""

    def __init__(self, parts, action="tempfail", main=None, **rewrite):
        self.postfix = Postfix(parts.dir("postfix"))
        listen = postfix_listen(self.postfix)
        run = listen.removeprefix("unix:").partition("/lmtp.sock")[0]
        rundir = parts.dir("milter")
        rewrite.setdefault("default", "srs")
        self.relay = parts.add(Relay(parts.dir("r"), listen=[listen], conf={
            "rewrite": rewrite_conf(rundir, **rewrite),
            "milter": {
                "listen": f"unix:{run}/milter.sock:0660:postfix",
                "socketmap": f"unix:{run}/socketmap.sock:0660:postfix",
            },
        }))
        self.milter = parts.add(
            Milter(rundir, self.relay.posternd.conf_file)
        ).start()
        # local(8) writes there as nobody.
        self.inbox = os.path.join(parts.dir("inbox"), "mbox")
        os.chmod(os.path.dirname(self.inbox), 0o777)
        aliases = os.path.join(rundir, "aliases")
        with open(aliases, "w", encoding="ascii") as f:
            f.write("away friend@elsewhere.example\n"
                    f"inbox {self.inbox}\n")
        self.postfix.configure(
            default_transport="lmtp:unix:postern/lmtp.sock",
            mynetworks="127.0.0.1/32",
            alias_maps=f"texthash:{aliases}",
            local_recipient_maps="$alias_maps",
            smtpd_recipient_restrictions=
                "permit_mynetworks, reject_unauth_destination",
            smtpd_milters="unix:postern/milter.sock",
            non_smtpd_milters="unix:postern/milter.sock",
            smtpd_milter_maps="cidr:{{127.0.0.1 unix:postern/milter.sock} "
                "{0.0.0.0/0 DISABLE} {::/0 DISABLE}}",
            milter_default_action=action,
            recipient_canonical_maps=in_readme("recipient_canonical_maps"),
            smtpd_authorized_xclient_hosts="127.0.0.1",
            # Each sender may have many connections here.
            smtpd_client_connection_count_limit="0",
            **{"mydestination": "example.com", **(main or {})},
        )
        parts.add(self.postfix).start()

    def smtp(self, sender, recipient, text, source="127.0.0.1", login=None):
        """As a client does it, logged in as somebody; returns Postfix's queue
        id."""
        with smtplib.SMTP(
            "127.0.0.1", self.postfix.port, source_address=(source, 0),
            timeout=PATIENCE,
        ) as client:
            client.ehlo("client.example")
            if login is not None:
                # What SASL does, without all that SASL needs.
                code, words = client.docmd("XCLIENT", f"LOGIN={login}")
                assert code == 220, words
                client.ehlo("client.example")
            for command, argument in (
                (client.mail, sender), (client.rcpt, recipient),
                (client.data, text),
            ):
                code, words = command(argument)
                if code != 250:
                    raise smtplib.SMTPResponseException(code, words)
        return re.search(r"queued as (\w+)", words.decode())[1]

    def submit(self, way, sender, recipient, text):
        if way == "smtp":
            self.smtp(sender, recipient, text)
        else:
            self.postfix.sendmail(text, "-i", "-f", sender, "--", recipient)

    def arrived(self, n=1):
        """The messages at SES, all of which it took: envelope and content."""
        self.relay.sandbox.wait_for("messages", n)
        self.postfix.wait_empty()
        messages = self.relay.sandbox.messages()
        assert self.relay.sandbox.violations() == []
        assert len(messages) == n
        for message in messages:
            message["content"] = email.message_from_bytes(
                self.relay.accepted(message["id"]), policy=email.policy.default
            )
        return messages

    def one(self):
        [message] = self.arrived()
        return message

    def audited(self, message):
        """What an auditor finds of a message that SES took."""
        [row] = self.relay.posternd.sql(
            "SELECT audit.*, repairs FROM audit JOIN delivery USING (ses_id) "
            "JOIN message ON message.id = delivery.message "
            "WHERE ses_id = ?", message["id"]
        )
        return row


@pytest.fixture
def site(parts):
    return lambda **kw: Site(parts, **kw)


def text(sender, recipient="b@elsewhere.example", name="Some One"):
    return (
        f"From: {name} <{sender}>\r\nTo: {recipient}\r\n"
        "Subject: x\r\n\r\nbody\r\n"
    )


@pytest.mark.parametrize("way", ["smtp", "sendmail"])
@pytest.mark.parametrize("sender", ["a@example.com", "a@dept.example.com"])
def test_verified_senders_stay(site, way, sender):
    s = site()
    s.submit(way, sender, "b@elsewhere.example", text(sender))
    message = s.one()
    assert message["sender"] == sender
    content = message["content"]
    assert content["From"] == f"Some One <{sender}>"
    assert content["X-Original-From"] is None
    assert content["Reply-To"] is None


@pytest.mark.parametrize("way", ["smtp", "sendmail"])
def test_unverified_senders_are_rewritten(site, way):
    """And what is answered goes to where it would have gone."""
    s = site()
    s.submit(way, FOREIGN, "b@elsewhere.example",
             "Sender: other@foreign.example\r\n" + text(FOREIGN))
    message = s.one()
    assert_rewritten(message, FOREIGN)
    # It was the milter: Postfix's own log has the new sender.
    assert any(f"from=<{message['sender']}>" in l for l in s.postfix.log())
    assert message["content"]["X-Postern-Origin"] is None
    row = s.audited(message)
    assert row["sender"] == message["sender"]
    assert row["original_sender"] == FOREIGN
    assert row["client"].endswith("[127.0.0.1]")
    # And nothing was different once Postfix was done with it.
    assert row["repairs"].split() == ["origin=sealed"]


def test_the_journal_knows_who_logged_in(site):
    """Whatever the submitter claims to be."""
    s = site()
    forged = "X-Postern-Origin: v=1; q=1; s=AAAA\r\n"
    s.smtp("boss@example.com", "b@elsewhere.example",
           forged + text("boss@example.com"), login="mallory")
    message = s.one()
    assert message["content"]["X-Postern-Origin"] is None
    row = s.audited(message)
    assert row["sender"] == "boss@example.com"
    assert row["user"] == "mallory"
    assert row["client"].endswith("[127.0.0.1]")


@pytest.mark.parametrize("way", ["smtp", "sendmail"])
@pytest.mark.parametrize("origin", ["mx.example.com", "example.com"])
def test_unqualified_senders_are_completed(site, way, origin):
    """As Postfix does it, which is not always with its own name."""
    s = site(main={"myorigin": origin})
    s.submit(way, "root", "b@elsewhere.example",
             "From: root\r\nTo: b@elsewhere.example\r\n\r\nx\r\n")
    message = s.one()
    assert message["sender"] == f"root@{origin}"
    assert addresses(message["content"]["From"]) == [f"root@{origin}"]
    assert s.audited(message)["original_sender"] == f"root@{origin}"


@pytest.mark.parametrize("way", ["smtp", "sendmail"])
def test_null_senders_get_one_at_the_gate(site, way):
    s = site()
    s.submit(way, "", "b@elsewhere.example", text(FOREIGN))
    message = s.one()
    assert message["sender"] == "mailer-daemon@example.com"
    assert addresses(message["content"]["From"]) == [message["sender"]]
    assert any("from=<>" in line for line in s.postfix.log())


@pytest.mark.parametrize("way", ["smtp", "sendmail"])
def test_refused_senders_are_told_why(site, way):
    s = site(default="reject")
    if way == "smtp":
        with pytest.raises(smtplib.SMTPResponseException) as no:
            s.submit(way, FOREIGN, "b@elsewhere.example", text(FOREIGN))
        assert no.value.smtp_code == 550
        assert b"5.7.1 sender <someone@foreign.example>" in no.value.smtp_error
        assert s.postfix.queue_list() == []
    else:
        # It is in the queue already: a notice goes to who sent it.
        s.submit(way, FOREIGN, "b@elsewhere.example", text(FOREIGN))
        message = s.one()
        assert message["recipients"] == [FOREIGN]
        words = " ".join(str(message["content"]).split())
        assert f"sender <{FOREIGN}> is not a verified identity" in words


def test_deferred_senders_come_back(site):
    s = site(default="defer")
    with pytest.raises(smtplib.SMTPResponseException) as later:
        s.smtp(FOREIGN, "b@elsewhere.example", text(FOREIGN))
    assert later.value.smtp_code == 451
    assert b"4.7.1 sender" in later.value.smtp_error


def test_reasons_with_percent_signs_arrive_whole(site):
    s = site(default="reject")
    with pytest.raises(smtplib.SMTPResponseException) as no:
        s.smtp("some%25one%s@foreign.example", "b@elsewhere.example",
               text(FOREIGN))
    assert b"<some%25one%s@foreign.example>" in no.value.smtp_error


def test_a_bounce_finds_the_original(site):
    """A notice from outside to the SRS address reaches who wrote."""
    s = site()
    s.smtp(FOREIGN, "b@elsewhere.example", text(FOREIGN))
    srs = s.one()["sender"]
    s.relay.sandbox.reset()
    s.smtp("", srs, text("MAILER-DAEMON@elsewhere.example", srs), OUTSIDE)
    message = s.one()
    assert message["recipients"] == [FOREIGN]
    assert message["sender"] == "mailer-daemon@example.com"


def test_forged_srs_addresses_are_refused(site):
    s = site()
    s.smtp(FOREIGN, "b@elsewhere.example", text(FOREIGN))
    forged = s.one()["sender"].replace("=someone@", "=victim@")
    with pytest.raises(smtplib.SMTPResponseException) as no:
        s.smtp("", forged, text("MAILER-DAEMON@elsewhere.example"), OUTSIDE)
    assert no.value.smtp_code == 550
    assert b"User unknown" in no.value.smtp_error
    s.milter.daemon.wait_event("srs-refused")


def test_postfix_itself_bounces_to_the_original(site):
    """What SES refuses comes back to who wrote, by way of SRS."""
    s = site()
    s.relay.posternd.run("suppress", "add", "gone@elsewhere.example")
    s.smtp(FOREIGN, "gone@elsewhere.example", text(FOREIGN))
    message = s.one()
    assert message["recipients"] == [FOREIGN]
    assert message["sender"] == "mailer-daemon@example.com"
    assert "gone@elsewhere.example" in str(message["content"])


def test_an_alias_forwards_outside(site):
    """Mail from the world passes no milter, nor does what local(8) sends on:
    the gate goes by the same rules."""
    s = site()
    s.smtp(FOREIGN, "away@example.com", text(FOREIGN), OUTSIDE)
    message = s.one()
    assert message["recipients"] == ["friend@elsewhere.example"]
    assert message["sender"].startswith("SRS0=")
    assert addresses(message["content"]["From"]) == [message["sender"]]
    assert message["content"]["Reply-To"] == f"Some One <{FOREIGN}>"
    assert not s.milter.daemon.events("rewritten")
    # And a bounce of that finds the way back, too.
    s.relay.sandbox.reset()
    s.smtp("", message["sender"], text("x@elsewhere.example"), OUTSIDE)
    assert s.one()["recipients"] == [FOREIGN]


def test_mail_from_the_world_stays_as_it_is(site):
    s = site()
    s.smtp(FOREIGN, "inbox@example.com", text(FOREIGN), OUTSIDE)
    s.postfix.wait_deliveries(1, agent="local")
    with open(s.inbox, encoding="ascii") as f:
        message = email.message_from_file(f, policy=email.policy.default)
    assert message["Return-Path"] == f"<{FOREIGN}>"
    assert message["From"] == f"Some One <{FOREIGN}>"
    assert message["X-Original-From"] is None
    assert message["X-Postern-Origin"] is None
    assert not s.milter.daemon.events("rewritten")


@pytest.mark.parametrize("client, milter", [
    ("127.0.0.1", True), ("::1", True),
    ("192.0.2.1", True), ("2001:db8:1::1", True),
    ("198.51.100.1", False), ("2001:db8:2::1", False), ("127.1.0.1", True),
])
def test_readme_gives_the_milter_to_ones_own_clients(parts, client, milter):
    postfix = Postfix(parts.dir("postfix"))
    postfix.configure(smtpd_milter_maps=in_readme("smtpd_milter_maps"))
    postfix.write_config()
    assert postfix.lookup(client, postfix.setting("smtpd_milter_maps")) == (
        in_readme("smtpd_milters") if milter else "DISABLE")


def test_without_the_milter_only_bounces_wait(site):
    """It is asked for what looks like an SRS address, and for nothing else."""
    s = site(action="accept")
    s.smtp(FOREIGN, "b@elsewhere.example", text(FOREIGN))
    srs = s.one()["sender"]
    s.relay.sandbox.reset()
    s.milter.stop()
    bounce = text("MAILER-DAEMON@elsewhere.example", srs)
    for _ in range(2):
        with pytest.raises(smtplib.SMTPResponseException) as later:
            s.smtp("", srs, bounce, OUTSIDE)
        assert 400 <= later.value.smtp_code < 500
    s.smtp(FOREIGN, "inbox@example.com", text(FOREIGN), OUTSIDE)
    s.postfix.wait_deliveries(1, agent="local")
    s.smtp(FOREIGN, "b@elsewhere.example", text(FOREIGN))
    assert s.one()["recipients"] == ["b@elsewhere.example"]
    s.relay.sandbox.reset()
    s.milter.start()
    s.smtp("", srs, bounce, OUTSIDE)
    assert s.one()["recipients"] == [FOREIGN]


def submit_all(site, recipients, workers=20):
    """Submit to each recipient; returns those for which Postfix said no."""
    def one(recipient):
        try:
            site.smtp(FOREIGN, recipient, text(FOREIGN, recipient))
        except smtplib.SMTPResponseException as e:
            assert 400 <= e.smtp_code < 500, e
            return recipient
        return None

    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        return [r for r in pool.map(one, recipients) if r is not None]


def check_each_once(site, recipients):
    messages = site.arrived(len(recipients))
    assert sorted(r for m in messages for r in m["recipients"]) == sorted(
        recipients
    )
    for message in messages:
        assert is_verified(message["sender"])
        assert all(map(is_verified, addresses(message["content"]["From"])))


def test_many_at_once(site):
    """200: none lost, none twice, none stuck."""
    s = site()
    recipients = [f"r{n}@elsewhere.example" for n in range(200)]
    assert submit_all(s, recipients) == []
    check_each_once(s, recipients)
    s.milter.daemon.wait_events("rewritten", 200)
    assert len(s.milter.daemon.events("rewritten")) == 200


@pytest.mark.parametrize("action", ["tempfail", "accept"])
def test_milter_killed_in_the_midst(site, action):
    """Then milter_default_action rules, and nothing unverified gets past
    posternd, which goes by the same rules."""
    s = site(action=action)
    recipients = [f"r{n}@elsewhere.example" for n in range(200)]
    killer = threading.Thread(target=lambda: (
        s.relay.sandbox.wait_for("messages", 50), s.milter.kill()
    ))
    killer.start()
    put_off = submit_all(s, recipients)
    killer.join()
    # Of those that Postfix had put off, the clients try again.
    s.milter.start()
    assert submit_all(s, put_off) == []
    assert bool(put_off) == (action == "tempfail")
    check_each_once(s, recipients)


# What `postern check` says of all that


def findings(site, **main):
    """Of the areas that are about the milter, with settings in main.cf that
    differ from here on."""
    postfix = site.postfix
    postfix.configure(**main)
    postfix.write_config()
    env = dict(os.environ, PATH=f"{SBIN}:{os.environ['PATH']}",
               **{k: v for k, v in postfix.env.items() if k != "PATH"})
    done = subprocess.run(
        [program("postern"), "-c", site.relay.posternd.conf_file, "check",
         "--json"], env=env, capture_output=True, text=True, check=False,
        timeout=PATIENCE)
    return [(f["level"], f["text"], f.get("cure"))
            for f in json.loads(done.stdout)["findings"]
            if f["area"] in ("Milter", "Way back")]


def only(found, level="wrong"):
    """The one that is not fine."""
    [(got, text, cure)] = [f for f in found if f[0] != "ok"]
    assert got == level
    assert cure
    return text, cure


def test_check_likes_what_init_prints(site):
    s = site()
    found = findings(s)
    assert [level for level, _, _ in found] == ["ok"] * len(found), found
    words = "\n".join(text for _, text, _ in found)
    assert "smtpd_milters = unix:postern/milter.sock: a milter answers" in words
    assert "milter_default_action = tempfail" in words
    assert "takes mail for example.com (mydestination)" in words
    assert ("recipient_canonical_maps: an SRS address finds its original"
            in words)
    # Each has been asked as an MTA asks it.
    assert not s.milter.daemon.events("unfit-mta")


def test_check_misses_the_milter(site):
    s = site()
    s.milter.kill()
    for action, words in (
        ("tempfail", "so mail is put off"),
        ("accept", "so mail passes without it"),
        ("reject", "so mail is refused for good"),
        ("quarantine", "hold queue"),
    ):
        found = findings(s, milter_default_action=action)
        milter, way = [f for f in found if f[0] == "wrong"]
        assert "milter.sock: connect: Connection refused" in milter[1]
        assert words in milter[1]
        assert "start postern-milter" in milter[2]
        assert "Connection refused" in way[1]
        assert "bounces to SRS addresses are put off" in way[1]
        warned = [f for f in found if f[0] == "warn"]
        assert len(warned) == (0 if action == "tempfail" else 1)
        for _, text, cure in warned:
            assert f"milter_default_action = {action}: " in text
            assert cure == "set milter_default_action = tempfail"


def test_check_finds_sockets_that_are_elsewhere(site):
    s = site()
    full = f"{s.postfix.queue}/postern/milter.sock"
    text, cure = only(findings(s, smtpd_milters=f"unix:{full}"))
    assert f"which is {s.postfix.queue}{full}: there is no such socket" in text
    assert "milter.listen is unix:" in text
    assert "postern init --postfix" in cure
    # LMTP speaks there, and no milter protocol.
    text, _ = only(findings(s, smtpd_milters="unix:postern/lmtp.sock"))
    assert "what answers there is no milter" in text
    text, cure = only(findings(
        s, smtpd_milters="unix:postern/milter.sock",
        recipient_canonical_maps="socketmap:unix:postern/milter.sock:srs"))
    assert "milter.socketmap is unix:" in text


def test_check_connects_as_postfix(site):
    s = site()
    run = f"{s.postfix.queue}/postern"
    for name, key in (("milter.sock", "milter.listen"),
                      ("socketmap.sock", "milter.socketmap")):
        os.chown(f"{run}/{name}", -1, 0)
        text, cure = only(findings(s))
        assert f"{name}: Postfix's user postfix can't connect" in text
        assert cure == (f"write :0660:postfix after the path in {key} and "
                        "restart postern-milter")
        os.chown(f"{run}/{name}", -1, grp.getgrnam("postfix").gr_gid)
    os.chown(run, -1, 0)
    milter, way = [f for f in findings(s) if f[0] != "ok"]
    for level, text, cure in (milter, way):
        assert level == "wrong"
        assert "user postfix can't enter a directory above it" in text
        assert cure.startswith("let group postfix enter")


def test_check_knows_which_mail_passes_the_milter(site):
    s = site()
    text, cure = only(findings(s, non_smtpd_milters=""), "warn")
    assert "mail by the sendmail command passes no milter" in text
    assert "non_smtpd_milters" in cure
    none = {"smtpd_milters": "", "smtpd_milter_maps": ""}
    text, cure = only(findings(
        s, non_smtpd_milters="unix:postern/milter.sock", **none), "warn")
    assert "mail by SMTP passes no milter" in text
    # A file has it, for the clients of this host or of other networks.
    table = os.path.join(s.milter.rundir, "clients")
    for net in ("127.0.0.0/8", "192.0.2.0/24"):
        with open(table, "w", encoding="ascii") as f:
            f.write(f"{net} unix:postern/milter.sock\n")
        found = findings(s, smtpd_milter_maps=f"cidr:{table}")
        assert {f[0] for f in found} == {"ok"}
        assert ("is not looked at" in str(found)) == net.startswith("192")
    findings(s, smtpd_milter_maps="")
    # The submission service alone has it.
    s.postfix.smtpd_options = ["smtpd_milters=unix:postern/milter.sock"]
    assert {f[0] for f in findings(s)} == {"ok"}
    s.postfix.smtpd_options = ["smtpd_milters=unix:postern/gone.sock"]
    text, _ = only(findings(s))
    assert "inet/smtpd_milters = unix:postern/gone.sock" in text
    s.postfix.smtpd_options = []
    found = findings(s, non_smtpd_milters="unix:opendkim/opendkim.sock")
    assert "Postfix asks no milter of ours" in found[0][1]
    assert {f[0] for f in found} == {"ok"}


def test_check_knows_where_bounces_go(site):
    s = site()
    lists = ("mydestination", "virtual_alias_domains", "relay_domains",
             "virtual_mailbox_domains")
    for name, value, takes in (
        ("virtual_alias_domains", "other.example, example.com", True),
        ("virtual_mailbox_domains",
         "inline:{other.example=x, example.com=x}", True),
        ("virtual_alias_domains", "com", False),
    ):
        found = findings(s, **{**dict.fromkeys(lists, ""), name: value})
        if takes:
            assert {f[0] for f in found} == {"ok"}
            assert f"takes mail for example.com ({name})" in str(found)
        else:
            text, cure = only(found, "warn")
            assert "Postfix takes no mail for example.com" in text
            assert "rewrite.srs-domain" in cure
            assert "(default: $virtual_alias_maps)" in cure


def test_an_srs_domain_of_its_own(site):
    """The cure that check has where mail for the verified domain goes to
    another host."""
    s = site(main={"mydestination": "localhost",
                   "virtual_alias_domains": in_readme("virtual_alias_domains"),
                   "virtual_alias_maps":
                       "inline:{old.example=x, a@old.example=b@other.example}"},
             **{"srs-domain": "srs.example.com"})
    assert {f[0] for f in findings(s)} == {"ok"}
    s.smtp(FOREIGN, "b@elsewhere.example", text(FOREIGN))
    srs = s.one()["sender"]
    assert srs.endswith("@srs.example.com")
    s.relay.sandbox.reset()
    s.smtp("", srs, text("MAILER-DAEMON@elsewhere.example", srs), OUTSIDE)
    assert s.one()["recipients"] == [FOREIGN]
    # What was a virtual domain is one still.
    s.relay.sandbox.reset()
    s.smtp(FOREIGN, "a@old.example", text(FOREIGN))
    assert s.one()["recipients"] == ["b@other.example"]
    # Others in the domain go where its mail goes, and nobody else is there.
    s.relay.sandbox.reset()
    s.smtp(FOREIGN, "boss@example.com", text(FOREIGN))
    assert s.one()["recipients"] == ["boss@example.com"]
    with pytest.raises(smtplib.SMTPResponseException) as no:
        s.smtp("", "x@srs.example.com", text("x@elsewhere.example"), OUTSIDE)
    assert no.value.smtp_code == 550
    words, cure = only(findings(s, virtual_alias_domains=""), "warn")
    assert "takes no mail for srs.example.com" in words
    assert cure.startswith("add it to virtual_alias_domains in main.cf")


def test_check_tries_the_way_back(site):
    s = site()
    text, cure = only(findings(s, recipient_canonical_maps=""), "warn")
    assert "asks no socketmap of ours" in text
    assert "postern init --postfix" in cure
    # One dollar sign less, which Postfix takes for a parameter.
    pattern = in_readme("recipient_canonical_maps").replace("$$", "$")
    text, _ = only(findings(s, recipient_canonical_maps=pattern))
    assert "what stands before it keeps them back" in text
    # proxymap(8) takes what stands in main.cf, and no other path to the same.
    pattern = "proxy:socketmap:unix:postern/socketmap.sock:srs"
    assert {f[0] for f in findings(s, recipient_canonical_maps=pattern)} == {
        "ok"}
    # A milter that goes by another secret.
    write(os.path.join(s.milter.rundir, "other"), "another secret, as long\n")
    conf = s.relay.posternd.conf_file
    with open(conf, encoding="utf-8") as f:
        text = f.read()
    with open(conf, "w", encoding="utf-8") as f:
        f.write(text.replace(f"{s.milter.rundir}/secret",
                             f"{s.milter.rundir}/other"))
    text, cure = only(findings(s))
    assert "does not know an SRS address" in text
    assert "rewrite.secret" in cure


def test_check_keeps_quiet_of_srs_where_none_is_made(site):
    s = site(default="reject")
    assert not [f for f in findings(s, recipient_canonical_maps="")
                if f[0] != "ok"]
