"""What tests with real mail servers share."""

import pytest

from lib.postfix import Postfix
from lib.relay import Relay, postfix_listen


@pytest.fixture
def postfix_site(parts):
    """Makes the whole chain: a Postfix, posternd, an SES; returns the first
    and the rest."""

    def make(tcp=False, main=None, **kw):
        postfix = Postfix(parts.dir("postfix"), main)
        listen = [postfix_listen(postfix), "inet:127.0.0.1:0"]
        relay = parts.add(Relay(parts.dir("r"), listen=listen, **kw))
        postfix.configure(
            default_transport=f"lmtp:inet:127.0.0.1:{relay.posternd.port}"
            if tcp
            else "lmtp:unix:postern/lmtp.sock"
        )
        return parts.add(postfix).start(), relay

    return make
