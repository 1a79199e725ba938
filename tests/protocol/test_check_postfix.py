"""`postern check` and what a real Postfix has been told: settings, tables, lists.
For most of that it need not run, as postconf and postmap answer."""

import json
import os
import smtplib
import subprocess

import pytest

from lib import build
from lib.milter import rewrite_conf
from lib.postfix import SBIN, Postfix, why_not
from lib.posternd import UNPRIVILEGED, conf_text
from lib.proc import PATIENCE

# What it adds to parts is Postfix.
pytestmark = [pytest.mark.single, pytest.mark.skipif(
    bool(why_not()) or build.program("postern") is None,
    reason=why_not() or "postern is not built")]


class Place:
    """A Postfix and a configuration that makes SRS addresses."""

    def __init__(self, parts, main):
        self.rundir = parts.dir("p")
        self.postfix = parts.add(Postfix(parts.dir("postfix"), main={
            "mydestination": "", "virtual_alias_domains": "",
            "virtual_mailbox_domains": "", "relay_domains": "", **main,
        }))
        self.srs_domain("example.com")

    def srs_domain(self, domain):
        self.conf = self.file("postern.conf", conf_text({
            "daemon": {"user": UNPRIVILEGED,
                       "control": f"{self.rundir}/control.sock"},
            "ses": {"endpoint": "localhost:1", "region": "eu-west-1",
                    "credentials": self.file(
                        "credentials", "AKIAEXAMPLE:x\n", 0o600)},
            "identities": {"file": self.file("identities", "example.com\n")},
            "lmtp": {"listen": f"unix:{self.rundir}/lmtp.sock"},
            "store": {"path": f"{self.rundir}/postern.db"},
            "rewrite": rewrite_conf(self.rundir, default="srs",
                                    **{"srs-domain": domain}),
            "milter": {"listen":
                       f"unix:{self.postfix.queue}/postern/milter.sock"},
        }))

    def file(self, name, text, mode=0o644):
        path = os.path.join(self.rundir, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(path, mode)
        return path

    def check(self, area, user=None, write=True, **main):
        """(level, text, cure) of each finding of an area."""
        self.postfix.configure(**main)
        if write:
            self.postfix.write_config()
        env = dict(os.environ, PATH=f"{SBIN}:{os.environ['PATH']}",
                   **{k: v for k, v in self.postfix.env.items() if k != "PATH"})
        done = subprocess.run(
            [build.program("postern"), "-c", self.conf, "check", "--json"],
            env=env, capture_output=True, text=True, check=False,
            timeout=PATIENCE, cwd="/", user=user,
            extra_groups=[] if user else None)
        assert done.stderr == ""
        return [(f["level"], f["text"], f.get("cure"))
                for f in json.loads(done.stdout)["findings"]
                if f["area"] == area]

    def takes(self, **main):
        """What is said of mail for the domain of SRS addresses."""
        return self.check("Way back", **main)[0]


@pytest.fixture
def place(parts):
    return lambda **main: Place(parts, main)


# Tables that do not answer


def test_tables_that_do_not_answer(place):
    p = place()
    path = f"{p.rundir}/list"
    p.file("list", f"other.example {path}\n")
    for name, table, words in (
        ("relay_domains", "texthash:/nonexistent", "No such file"),
        ("mydestination", "nosuch:/x", "unsupported dictionary type: nosuch"),
        ("virtual_mailbox_domains", "socketmap:unix:/no/proxy:x",
         "No such file"),
        ("virtual_alias_domains", path, "too many files, one in another"),
    ):
        found = p.check("Way back", **{name: f"other.example {table}"})
        p.postfix.configure(**{name: ""})
        level, text, cure = found[0]
        assert level == "wrong"
        said = f"{table} does not answer" if ":" in table else table
        assert text.startswith(f"Postfix's {name}: {said}: ")
        assert words in text and "put off" in cure
        assert "proxymap" not in text
        # That it takes no mail is not known then.
        assert "takes no mail" not in str(found)


def test_a_table_is_asked_only_when_postfix_asks_it(place):
    """The first match in a list is the last that is asked."""
    p = place(relay_domains="example.com texthash:/nonexistent")
    assert p.takes()[0] == "ok"
    level, text, _ = p.takes(
        mydestination="/nonexistent", relay_domains="example.com")
    assert level == "wrong"
    assert text == ("Postfix's mydestination: open /nonexistent: No such file "
                    "or directory")


def test_a_table_of_milters_that_does_not_answer(place):
    p = place(smtpd_milter_maps="cidr:/nonexistent")
    level, text, _ = p.check("Milter")[0]
    assert level == "wrong"
    assert text.startswith(
        "Postfix's smtpd_milter_maps: cidr:/nonexistent does not answer: ")
    assert "No such file" in text


def test_a_table_that_only_root_may_read(place):
    p = place()
    table = p.file("domains", "example.com x\n", 0o600)
    level, text, cure = p.takes(
        relay_domains=f"texthash:{table}", user="nobody")
    assert level == "warn" and "Permission denied" in text
    assert cure == "run this as root to see it"


def test_a_postfix_that_says_nothing_of_itself(place):
    p = place()
    p.postfix.write_config()
    os.unlink(os.path.join(p.postfix.config, "main.cf"))
    [(level, text, cure)] = p.check("Mail server", write=False)
    assert level == "wrong" and "postconf failed: " in text
    assert "main.cf: No such file" in text and "postconf" in cure
    assert not p.check("Milter", write=False)
    assert not p.check("Way back", write=False)


# Which domains a list has, as Postfix itself finds it


def answers(place, domains):
    """Whether Postfix takes mail for each of them."""
    with smtplib.SMTP("127.0.0.1", place.postfix.port, timeout=PATIENCE) as c:
        c.ehlo("client.example")
        c.mail("a@elsewhere.example")
        return [{250: True, 554: False}[c.rcpt(f"b@{d}")[0]] for d in domains]


DOMAINS = ["dotted.example", "a.b.dotted.example", "a.plain.example",
           "not.a.plain.example", "b.name.example", "out.filed.example"]


@pytest.mark.parametrize("parents", [True, False])
def test_check_finds_domains_as_postfix_does(place, parents):
    p = place(mynetworks="192.0.2.1/32",
              smtpd_relay_restrictions="reject_unauth_destination",
              smtpd_recipient_restrictions="",
              parent_domain_matches_subdomains=
                  "mynetworks, relay_domains" if parents else "mynetworks")
    table = p.file("table", ".dotted.example x\nplain.example x\n")
    names = p.file("names", ".filed.example # those\nfiled.example\n")
    p.postfix.configure(relay_domains=
        "!not.a.plain.example name.example .name.example !out.filed.example "
        f"regexp:{{{{/^a.regexp/ x}}}} texthash:{table} {names}")
    p.postfix.start()
    takes = answers(p, DOMAINS)
    assert True in takes and False in takes
    said = []
    for domain in DOMAINS:
        p.srs_domain(domain)
        level, text, _ = p.takes(write=False)
        assert (level == "ok") == (f"for {domain} (relay_domains)" in text)
        said.append(level == "ok")
    assert dict(zip(DOMAINS, said)) == dict(zip(DOMAINS, takes))


def test_other_lists_have_no_subdomains(place):
    p = place()
    table = p.file("table", ".example.com x\ncom x\n")
    assert p.takes(mydestination=f"texthash:{table} .com")[0] == "warn"


# proxy:


def test_tables_that_proxymap_asks(place):
    """It runs in the queue directory, as those that ask without it."""
    p = place(relay_domains="proxy:texthash:domains")
    for file in ("domains", "more"):
        with open(os.path.join(p.postfix.queue, file), "w",
                  encoding="ascii") as f:
            f.write("example.com x\n")
    assert p.takes(relay_domains="texthash:domains")[0] == "ok"
    p.postfix.configure(relay_domains="proxy:texthash:domains")
    level, text, _ = p.takes()
    assert level == "wrong"
    assert ("proxy:texthash:domains does not answer: Postfix's proxymap: "
            f"{p.postfix.queue}/private/proxymap: ") in text
    p.postfix.start()
    assert p.takes(write=False)[0] == "ok"
    # That is for tables which main.cf names.
    p.postfix.configure(proxy_read_maps="")
    p.postfix.stop()
    p.postfix.start()
    level, text, _ = p.takes(write=False)
    assert level == "wrong" and "proxymap service is not configured" in text


# Milters with settings of their own


OURS = "unix:postern/milter.sock"


@pytest.mark.parametrize("value, actions", [
    (f"{{ {OURS}, default_action=tempfail, connect_timeout=10s }}",
     ["tempfail"]),
    (f"inet:127.0.0.1:1, {{inet:127.0.0.1:2, default_action=accept}}\n"
     f"    {{ {OURS}\n    command_timeout=5s {{ default_action = Reject }}}}",
     ["Reject"]),
    (f"{{{OURS},default_action=reject,default_action=quarantine}},{{{OURS}}}",
     ["quarantine", "accept"]),
    (f"{{ {OURS}, protocol=6 }}", ["accept"]),
])
def test_a_milter_with_its_own_default_action(place, value, actions):
    p = place(milter_default_action="accept")
    first, *rest = p.check("Milter", smtpd_milters=value, non_smtpd_milters="")
    away = {"tempfail": "mail is put off", "Reject": "refused for good",
            "quarantine": "hold queue", "accept": "passes without it"}
    assert first[0] == "wrong" and "there is no such socket" in first[1]
    assert away[actions[0]] in first[1]
    rest = [f for f in rest if "sendmail command" not in f[1]]
    assert len(rest) == len(actions)
    for action, (level, text, cure) in zip(actions, rest):
        own = action != "accept"
        assert level == ("ok" if action == "tempfail" else "warn")
        assert ("milter_default_action" in text) != own
        assert f"default_action={action}" in text or not own
        assert cure is None or (
            "in these braces" if own else "milter_default_action") in cure


@pytest.mark.parametrize("option", [
    f"{{ smtpd_milters = {{ {OURS}, {{ default_action = quarantine }} }} }}",
    f"smtpd_milters=inet:a:1,{{{OURS},default_action=quarantine}}",
])
def test_a_service_has_settings_for_its_milter(place, option):
    p = place(milter_default_action="tempfail")
    p.postfix.smtpd_options = [option]
    first, second, _ = p.check("Milter")
    assert f"inet/smtpd_milters = {OURS}" in first[1]
    assert "hold queue" in first[1]
    assert second[0] == "warn" and "default_action=quarantine" in second[1]


def test_a_table_of_main_cf_has_settings(place):
    p = place(milter_default_action="tempfail", smtpd_milter_maps=
              f"cidr:{{{{192.0.2.0/24 {{{OURS}, default_action=accept}}}}}}")
    first, second, _ = p.check("Milter")
    assert f"smtpd_milter_maps = {OURS}, which is" in first[1]
    assert "passes without it" in first[1] and second[0] == "warn"


@pytest.mark.parametrize("options, warned", [
    (["milter_default_action=accept"], True),
    (["milter_default_action=accept", "smtpd_milters="], False),
    (["milter_default_action=accept", f"smtpd_milters={OURS}"], True),
    (["milter_default_action=accept",
      f"smtpd_milters={{{OURS},default_action=tempfail}}"], False),
])
def test_a_service_has_its_own_default_action(place, options, warned):
    p = place(milter_default_action="tempfail", smtpd_milters=OURS,
              non_smtpd_milters=OURS)
    p.postfix.smtpd_options = options
    found = p.check("Milter")
    assert "milter_default_action = tempfail" in [text for _, text, _ in found]
    warnings = [(text, cure) for level, text, cure in found if level == "warn"]
    assert len(warnings) == warned
    for text, cure in warnings:
        assert "inet/milter_default_action = accept: while" in text
        assert cure == "set milter_default_action = tempfail"


# Limits for the rate


@pytest.mark.parametrize("rate, concurrency, wanted", [
    (200, 20, 100), (200, 99, 100), (200, 100, None),
    (50, 20, 25), (40, 20, None), (14, 7, None), (14, 6, 20),
    ("unlimited", 1, None),
])
def test_a_rate_that_outgrew_the_concurrency(place, rate, concurrency, wanted):
    p = place(default_transport="lmtp:unix:postern/lmtp.sock",
              lmtp_destination_recipient_limit="1")
    with open(p.conf, "a", encoding="ascii") as f:
        f.write(f"quota {{ rate = {rate} }}\n")
    limit = "lmtp_destination_concurrency_limit"
    level, text, cure = next(
        f for f in p.check("Mail server", **{limit: str(concurrency)})
        if "at once" in f[1])
    if wanted is None:
        assert (level, cure) == ("ok", None)
    else:
        assert level == "warn" and f"delivers {concurrency} at once" in text
        assert f"at {rate} a second" in text
        assert cure.startswith(f"set {limit} = {wanted} and ")


# What comes from the world


DISABLED = f"cidr:{{{{127.0.0.0/8 {OURS}}} {{0.0.0.0/0 DISABLE}}}}"


@pytest.mark.parametrize("service, main, options", [
    ("smtp inet", {}, []),
    ("192.0.2.1:25 inet", {"inet_interfaces": "loopback-only"}, []),
    ("smtp inet", {"inet_interfaces": "127.0.0.1, mx.example.com"}, []),
    ("smtpd pass", {}, []),
    ("smtp inet", {"mydestination": "", "relay_domains": "example.org"}, []),
    ("smtp inet", {"smtpd_milters": ""}, [f"smtpd_milters=inet:a:1,{OURS}"]),
    ("smtp inet", {"smtpd_milter_maps": f"cidr:{{{{0.0.0.0/0 {OURS}}}}}"}, []),
    ("smtp inet", {"smtpd_milter_maps": DISABLED}, ["smtpd_milter_maps="]),
    ("smtp inet", {"smtpd_milter_maps": "cidr:{{127.0.0.0/8 DISABLE}}"}, []),
])
def test_strangers_pass_the_milter(place, service, main, options):
    found = world(place, service, main, options)
    [(level, text, cure)] = found
    lists = "relay_domains" if "relay_domains" in main else "mydestination"
    assert level == "warn"
    assert text.startswith(service.replace(" ", "/") + " asks our milter also")
    assert f"people here ({lists})" in text
    assert "submission service" in cure and "smtpd_milter_maps" in cure


@pytest.mark.parametrize("service, main, options", [
    ("smtp inet", {}, ["smtpd_milters="]),
    ("smtp inet", {}, ["smtpd_milters=inet:127.0.0.1:1"]),
    ("smtp inet", {}, ["receive_override_options=no_milters"]),
    ("smtp inet", {"smtpd_milters": ""}, []),
    ("smtp inet", {"smtpd_milter_maps": DISABLED}, []),
    ("smtp inet", {"inet_interfaces": "loopback-only"}, []),
    ("smtp inet", {"inet_interfaces": "127.0.0.1, [::1], localhost"}, []),
    ("127.0.0.1:smtp inet", {}, []),
    ("[::1]:25 inet", {}, []),
    ("submission inet", {}, []),
    ("smtp inet", {"mydestination": "localhost, localhost.example.com"}, []),
    ("smtp inet", {"mydestination": "", "relay_domains": "srs.example.com"},
     []),
])
def test_strangers_do_not_pass_the_milter(place, service, main, options):
    assert not world(place, service, main, options)


def world(place, service, main, options):
    p = place(**{"inet_interfaces": "all", "mydestination": "mx.example.com",
                 "smtpd_milters": OURS, "non_smtpd_milters": OURS, **main})
    p.srs_domain("srs.example.com")
    p.postfix.write_config()
    with open(os.path.join(p.postfix.config, "master.cf"), "a",
              encoding="ascii") as f:
        f.write(f"{service} n - y - - smtpd\n")
        f.writelines(f"  -o {option}\n" for option in options)
    return [f for f in p.check("Milter", write=False) if "strangers" in f[1]]
