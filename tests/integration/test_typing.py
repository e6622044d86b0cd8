"""chat.typing: crosses nodes, never returns to its sender, is rate limited, carries no position."""
import pytest

from harness.waiting import eventually


@pytest.fixture
def trio(connect, chat):
    """Writer on node 0, readers on both nodes, all in the chat."""
    writer, near, far = connect(0), connect(0), connect(1)
    for client in (writer, near, far):
        client.subscribe(chat)
    return writer, near, far


def test_typing_reaches_the_others_on_both_nodes_and_not_the_sender(trio, chat):
    writer, near, far = trio
    writer.send(type="chat.typing", chat_id=chat)
    for reader in (near, far):
        frame = reader.expect("chat.typing")
        assert frame.message == {"type": "chat.typing", "chat_id": chat, "user_id": writer.user, "is_typing": True}
    writer.expect_nothing_pending()


def test_the_senders_other_connections_do_not_see_it_either(trio, connect, chat):
    writer, near, far = trio
    second_tab = connect(1, writer.user)
    second_tab.subscribe(chat)
    writer.send(type="chat.typing", chat_id=chat)
    for reader in (near, far):
        reader.expect("chat.typing", user_id=writer.user)
    near.send(type="chat.typing", chat_id=chat)
    second_tab.expect("chat.typing", user_id=near.user)


def test_stopping_is_told_at_once_in_spite_of_the_limit(trio, chat):
    writer, near, far = trio
    writer.send(type="chat.typing", chat_id=chat)
    writer.send(type="chat.typing", chat_id=chat, is_typing=False)
    for reader in (near, far):
        reader.expect("chat.typing", is_typing=True)
        reader.expect("chat.typing", is_typing=False)


def test_typing_needs_a_subscription(connect, chat):
    client = connect(0)
    client.send(type="chat.typing", chat_id=chat, id=5)
    client.expect_error("NOT_SUBSCRIBED", chat_id=chat, id=5)


def test_typing_is_limited_per_user_and_room(stack, trio, chat, other_chat):
    writer, near, far = trio
    limited = ("roomcast_typing_total", "result", "limited")
    before = stack.nodes[0].metrics()[limited]
    for _ in range(5):
        writer.send(type="chat.typing", chat_id=chat)
    far.expect("chat.typing", user_id=writer.user)
    eventually(lambda: stack.nodes[0].metrics()[limited] == before + 4, what="the others are counted")
    # Another user in the same room, and the same user in another room, have limits of their own.
    near.send(type="chat.typing", chat_id=chat)
    far.expect("chat.typing", user_id=near.user)
    writer.expect("chat.typing", user_id=near.user)
    writer.subscribe(other_chat)
    far.subscribe(other_chat)
    writer.send(type="chat.typing", chat_id=other_chat)
    far.expect("chat.typing", user_id=writer.user, chat_id=other_chat)


def test_a_second_signal_passes_after_the_interval(extra_node, open_client, chat):
    node = extra_node({"limits.typing_ms": 50, "limits.messages_per_s": 1000, "limits.messages_burst": 1000})
    writer, reader = open_client(node), open_client(node)
    writer.subscribe(chat)
    reader.subscribe(chat)

    def another_arrives():
        writer.send(type="chat.typing", chat_id=chat)
        return len([frame for frame in reader.pending() if frame.type == "chat.typing"]) > 0

    eventually(another_arrives)
    eventually(another_arrives)


def test_typing_of_a_room_is_not_seen_in_another(trio, connect, chat, other_chat):
    writer, near, _ = trio
    outsider = connect(1)
    outsider.subscribe(other_chat)
    writer.send(type="chat.typing", chat_id=chat)
    near.expect("chat.typing")
    writer.subscribe(other_chat)
    writer.send(type="chat.typing", chat_id=other_chat)
    outsider.expect("chat.typing", chat_id=other_chat)
    outsider.expect_nothing_pending()
