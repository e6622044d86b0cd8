"""Who may come how often, and from where: the limits before a connection is one (PROTOCOL 1.7)."""
from harness import raw, tokens
from harness.waiting import eventually


def ask(node, user="u", forwarded=(), headers=None):
    lines = {"Authorization": f"Bearer {tokens.mint(user)}", **(headers or {})}
    if forwarded:
        lines["X-Forwarded-For"] = forwarded
    return raw.ask_upgrade(node.port, headers=lines)


def refused(node, result):
    return node.metrics()["roomcast_handshakes_total", "result", result]


class Held(raw.Connection):
    """An upgraded connection that stays, and says where it comes from."""

    def __init__(self, node, user, forwarded):
        super().__init__(node.port)
        headers = {"Authorization": f"Bearer {tokens.mint(user)}", "X-Forwarded-For": forwarded}
        self.send(raw.upgrade_request(headers=headers))
        self.status = self.read_response().status


def test_connections_of_one_address_are_limited(extra_node, open_client):
    node = extra_node({"limits.connections_per_address": 2})
    first, _ = open_client(node, "one"), open_client(node, "two")
    response = ask(node, "three")
    assert response.status == 429 and response.error == "TOO_MANY_CONNECTIONS"
    assert int(response.headers["retry-after"]) > 0
    assert refused(node, "address_connections") == 1
    # A header that anybody can write makes nobody somebody else.
    assert ask(node, "three", "203.0.113.7").status == 429
    first.close()
    eventually(lambda: ask(node, "three").status == 101, what="a place is free again")


def test_behind_a_trusted_proxy_the_client_it_names_is_limited(extra_node):
    node = extra_node({"limits.connections_per_address": 1, "proxy.trusted": "127.0.0.0/8,10.0.0.0/8"})
    held = Held(node, "one", "203.0.113.7")
    assert held.status == 101
    node.expect_log(r"session_opened.*peer=203\.0\.113\.7")
    assert ask(node, "two", "203.0.113.7").status == 429
    assert ask(node, "two", "203.0.113.7:4711").status == 429
    # The rightmost that is no proxy of ours; what stands left of it anybody may have written.
    assert ask(node, "two", "198.51.100.1, 203.0.113.7, 10.1.2.3").status == 429
    assert ask(node, "two", "203.0.113.7, 198.51.100.1").status == 101
    assert ask(node, "two", "unknown, 198.51.100.2").status == 101
    # The proxy itself, when it names nobody, is not limited.
    assert ask(node, "two").status == 101 and ask(node, "two", "unknown").status == 101
    # One user's IPv6 network is one address.
    six = Held(node, "six", "2001:db8:1:2::1")
    assert six.status == 101
    assert ask(node, "two", "2001:db8:1:2:ffff::9").status == 429
    assert ask(node, "two", "2001:db8:1:3::1").status == 101
    held.socket.close()
    eventually(lambda: ask(node, "two", "203.0.113.7").status == 101, what="a place is free again")
    six.socket.close()


def test_handshakes_of_one_address_are_limited_and_others_are_not(extra_node):
    node = extra_node({"limits.handshakes_per_address": 1, "proxy.trusted": "127.0.0.1"})
    answers = [ask(node, forwarded="203.0.113.7") for _ in range(20)]
    assert [answer.status for answer in answers[:2]] == [101, 101]
    late = [answer for answer in answers if answer.status == 429]
    assert late and late[0].error == "RATE_LIMITED" and int(late[0].headers["retry-after"]) > 0
    assert refused(node, "address_rate") == len(late)
    assert ask(node, forwarded="203.0.113.8").status == 101
    eventually(lambda: ask(node, forwarded="203.0.113.7").status == 101, what="its time has come")


def test_handshakes_of_the_node_are_limited(extra_node):
    node = extra_node({"limits.handshakes_per_s": 2})
    answers = [ask(node) for _ in range(30)]
    late = [answer for answer in answers if answer.status == 503]
    assert answers[0].status == 101
    assert late and late[0].error == "OVERLOADED" and int(late[0].headers["retry-after"]) > 0
    assert refused(node, "rate") == len(late)


def test_proxy_networks_that_are_none_are_told(extra_node):
    node = extra_node({"proxy.trusted": "10.0.0.1/8"}, start=False)
    node.spawn()
    assert node.wait_exit(10) == 2
    assert "proxy.trusted" in node.log_text()
