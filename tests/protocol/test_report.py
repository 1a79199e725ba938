"""postern report: its figures, and the page that it makes of them."""

import json
import os
import re
import stat

from lib.oldjournal import OldJournal, day, midnight
from lib.page import Page
from lib.rig import SENDER, relay, send
from lib.store import Store

HOSTILE = '<img src=x onerror="alert(1)"> & <b>'


def some_mail(parts, **conf):
    post, ses = relay(parts, conf=conf)
    for i in range(3):
        send(post, f"r{i}@one.example.com", "last@two.example.com")
    ses.fault(f"dot reply text=554 Message rejected: {HOSTILE}")
    send(post, "never@two.example.com")
    return post, ses


def html(post, parts, *args):
    path = os.path.join(parts.rundir, "report.html")
    post.run("report", "--html", path, *args)
    with open(path, encoding="utf-8") as f:
        return path, f.read()


def test_figures(parts):
    post, _ = some_mail(parts, quota={"daily": 1000})
    text = post.run("report")
    for line in (r"messages +4\b", r"deliveries +7\b", r"sent +6 +85\.71 %",
                 r"refused +1 +14\.29 %", rf"{SENDER} +7 +6 +0 +1 +0",
                 r"two\.example\.com +4 +3 +0 +1", r"SES's answer +6 ",
                 r"Until its turn +7 ", r"Both together +6 ",
                 r"1 +0  554 .*Message rejected",
                 r"may send to 1000 recipients in any window of a day"):
        assert re.search(line, text), (line, text)
    [head] = post.sql("SELECT seq, lower(hex(chain)) AS c FROM journal"
                      " ORDER BY seq DESC LIMIT 1")
    assert f"{head['seq']}:{head['c']}" in text
    assert "good, 0 faults" in post.run("report", "--verify")
    before = post.run("report", "--until", "1d", "--since", "2d")
    assert re.search(r"deliveries +0\b", before)


def complained_of(rundir):
    """Half of what was sent, all on one day."""
    store = Store(rundir)
    old = OldJournal(store.path)
    for i in range(2):
        ident = old.message(midnight(5) + i, ["ann@example.org"])
        old.deliver(midnight(5) + 10, ident, 1)
    old.db.execute("UPDATE delivery SET feedback = 'complained' WHERE message = ?",
                   [ident])
    old.close()
    return store


def test_rates_and_what_ses_makes_of_them(rundir):
    """Days on which nothing was sent have no row."""
    store = complained_of(rundir)
    text = store.run("report", "--until", day(2))
    assert ("bounced 0.00 % 0.00 % 5 % 10 % complained 50.000 % 50.000 % 0.1 % 0.5 %"
            in text)
    assert re.findall(r"\b(\S{10}) \d+ \d+ \d+ \d+ 0 \d", text) == [day(5)]


def test_names_of_lines_stand_apart(rundir):
    page = Page(complained_of(rundir).run("report", "--html", "-"))
    ys = [float(attrs["y"]) for attrs, _ in page.all("text")
          if attrs.get("class") == "end strong"]
    assert len(ys) == 4
    for lower, upper in (ys[:2], ys[2:]):
        assert upper <= lower - 12


def test_for_programs(parts):
    post, _ = some_mail(parts)
    r = post.json("report")
    assert (r["messages"], r["deliveries"], r["sent"], r["refused"]) == (4, 7, 6, 1)
    assert r["senders"][0]["sender"] == SENDER and r["doubts"] == []
    assert sum(slot["deliveries"] for slot in r["slots"]) == 7
    assert r["delays"]["accepted"]["deliveries"] == 6
    assert 0 < r["delays"]["answer"]["p50_us"] <= r["delays"]["accepted"]["longest_us"]
    assert HOSTILE in r["reasons"][0]["reason"] and "faults" not in r
    assert post.json("report", "--verify")["faults"] == 0


def test_usage(parts):
    post, _ = relay(parts)
    post.run("report", "--since", "1d", "--until", "2d", expect=2)
    post.run("report", "--since", "yesterday", expect=2)
    post.run("report", "--html", "x", "--text", expect=2)
    post.run("report", "more", expect=2)
    post.run("report", "--html", f"{parts.rundir}/none/r.html", expect=3)


def test_the_page_stands_by_itself(parts):
    post, _ = some_mail(parts, quota={"daily": 1000})
    path, text = html(post, parts)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o640
    assert post.run("report", "--html", "-").startswith("<!DOCTYPE html>")
    page = Page(text)
    assert "default-src 'none'" in text
    tags = {tag for tag, _, _ in page.elements}
    assert not tags & {"script", "img", "link", "iframe", "object", "embed"}
    assert not re.search(r"https?://|@import|url\((?!#)", text)
    for tag, attrs, _ in page.elements:
        assert not any(name.startswith("on") for name in attrs), (tag, attrs)
        assert "style" not in attrs


def test_the_page_is_sound(parts):
    post, _ = some_mail(parts, quota={"daily": 1000})
    page = Page(html(post, parts)[1])
    ids = [a["id"] for _, a, _ in page.elements if "id" in a]
    assert len(ids) == len(set(ids))
    for tag, attrs, _ in page.elements:
        assert attrs.get("aria-labelledby", ids[0]) in ids
        if tag == "a":
            assert attrs["href"][0] == "#" and attrs["href"][1:] in ids
        if tag == "th":
            assert attrs["scope"] in ("row", "col")
        if tag == "svg":
            assert attrs.get("role") == "img" or attrs["aria-hidden"] == "true"
    assert dict(page.all("html")[0][0])["lang"] == "en"
    assert len(page.all("h1")) == 1 and len(page.all("figcaption")) == 4
    for rows in page.tables().values():
        assert len({len(row) for row in rows}) == 1, rows


def test_tables_have_the_figures(parts):
    post, _ = some_mail(parts, quota={"daily": 1000})
    page = Page(html(post, parts)[1])
    tables = page.tables()
    [senders] = [rows for caption, rows in tables.items() if "Sender" in caption]
    assert senders[1:] == [[SENDER, "7", "6", "0", "1", "0", "0", "0"]]
    [days] = [rows for caption, rows in tables.items() if "over time" in caption]
    assert sum(int(row[1]) for row in days[1:]) == 7
    assert len(days) in (32, 33)  # 30 days and a part
    assert days[-1][8] == "0.00 %" and days[1][8] == "-"
    [why] = [rows for caption, rows in tables.items() if caption == "Reasons"]
    [reason] = why[1:]
    assert HOSTILE in reason[0] and reason[1:] == ["1", "0"]


def test_an_empty_journal_makes_a_page(parts):
    post, _ = relay(parts)
    page = Page(html(post, parts, "--since", "2h")[1])
    assert ("doubts" in [a.get("id") for _, a, _ in page.elements])
    rows = [r for c, r in page.tables().items() if "over time" in c][0]
    assert len(rows) in (3, 4) and rows[1][1] == "0"


def test_long_answers_are_cut_between_characters(rundir):
    store = Store(rundir)
    old = OldJournal(store.path)
    for i in range(3):
        ident = old.message(midnight(1) + i * 10000, ["b@example.org"])
        old.deliver(midnight(1) + i * 10000 + 10, ident, 1, "refused")
        old.db.execute("UPDATE delivery SET reply = ? WHERE message = ?",
                       ["x" * i + "拒否されました" * 40, ident])
    old.close()
    assert "拒否" in store.run("report", "--html", "-")
    assert len(json.loads(store.run("report", "--json"))["reasons"]) == 3
