"""What nodes say about who is online, against what is true."""
import time

from .waiting import eventually, seconds


def online(client, chat):
    """Who is in the chat, as the client's node says. The client is subscribed to it."""
    client.send(type="presence.get", chat_id=chat)
    state = client.skip_until("presence.state")
    assert state["count"] == len(state["online"])
    return set(state["online"])


def wait_for_truth(observers, chat, users, timeout=10):
    """Until every observer's node says that just these are in the chat."""

    def all_agree():
        for observer in observers:
            seen = online(observer, chat)
            missing, wrong = set(users) - seen, seen - set(users)
            assert not missing and not wrong, f"for {observer.user} missing {missing}, wrongly online {wrong}"
        return True

    eventually(all_agree, timeout, "presence is what it is")


def told(client, user=None):
    """What presence.changed has told so far, in order: is_online of the user, or (user, is_online) of all."""
    changes = [(frame["user_id"], frame["is_online"]) for frame in client.frames if frame.type == "presence.changed"]
    return changes if user is None else [is_online for name, is_online in changes if name == user]


def wait_told(client, user, is_online, timeout=10):
    """Until the last that the client was told of the user is this."""
    deadline = time.monotonic() + seconds(timeout)
    while told(client, user)[-1:] != [is_online]:
        left = (deadline - time.monotonic()) / seconds(1)
        assert left > 0, f"{client.user} is not told that {user} is {'online' if is_online else 'offline'}"
        client.next(left)
