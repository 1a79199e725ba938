"""Many at once: nothing lost, nothing twice, whatever is cut on the way."""

import random
import threading

import pytest

from lib.lmtp import Closed, message
from lib.rig import SENDER, journal, relay, states


def retry_until_sent(post, text, recipients, chance, out):
    """As an MTA does: the same message again for all that were not sent."""
    left = list(recipients)
    while left:
        try:
            with post.client() as client:
                if chance.random() < 0.3:
                    # Gone at any moment between the dot and the last answer.
                    client.mail(SENDER)
                    for recipient in left:
                        client.rcpt(recipient)
                    client.cmd("DATA", 354)
                    client.body(text)
                    for _ in range(chance.randrange(len(left))):
                        client.reply()
                    client.cut()
                    continue
                replies = client.deliver(SENDER, left, text)
        except (Closed, ConnectionError):
            continue
        for recipient, reply in zip(list(left), replies):
            assert reply.code in (250, 451), reply
            if reply.code == 250:
                out.append(reply.ses_id)
                left.remove(recipient)


def test_clients_that_come_and_go(parts):
    """Each recipient's mail is sent once, though many connections are cut."""
    run(parts, seed=1, messages=8, recipients=5)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(10))
def test_clients_that_come_and_go_for_long(parts, seed):
    run(parts, seed, messages=40, recipients=20)


def run(parts, seed, messages, recipients):
    post, ses = relay(parts, latency="2ms")
    names = [f"{n}@example.com" for n in range(recipients)]
    ids, threads = [], []
    for n in range(messages):
        chance = random.Random(seed * 1000 + n)
        threads.append(threading.Thread(
            target=retry_until_sent,
            args=(post, message(SENDER, names), names, chance, ids),
        ))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ids) == len(set(ids)) == messages * recipients
    assert {m["id"] for m in ses.messages()} == set(ids)
    assert states(post) == ["sent"] * messages * recipients
    assert journal(post, "doubtful") == []


def test_sigkill_in_the_middle(parts):
    """All arrive; doubles are no more than what the journal calls doubtful."""
    post, ses = relay(parts, latency="2ms")
    names = [f"{n}@example.com" for n in range(10)]
    texts = [message(SENDER, names) for _ in range(5)]
    for kill in range(4):
        clients = []
        for text in texts:
            client = post.connect()
            client.mail(SENDER)
            for name in names:
                client.rcpt(name)
            client.cmd("DATA", 354)
            client.body(text)
            clients.append(client)
        if kill < 3:
            ses.wait_for("messages", 10 * (kill + 1))
            post.kill()
            post.start()
        else:
            for client in clients:
                assert {r.code for r in client.replies(10)} == {250}
        for client in clients:
            client.close()
    doubtful = post.sql(
        "SELECT count(*) AS n FROM journal WHERE event = 'doubtful'"
    )[0]["n"]
    assert 50 <= len(ses.messages()) <= 50 + doubtful
    assert states(post) == ["sent"] * 50
    post.run("verify")
