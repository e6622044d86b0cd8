"""What a hostile client says: requests, frames and messages that are right in most of their parts, so that they get
far, and wrong in some. All of it from a seeded random.Random."""
import ipaddress
import json
import socket
import struct
import uuid
import zlib

from . import raw, tokens

STRANGE = [
    None, True, -1, 0, 0.5, 2**31, 2**53, 2**64, 1e308, "", "x" * 300, "\0", "\ud800", "\u2028", "K3X9", [], {}, [[]], {"epoch": {}},
    [{"chat_id": "x"}] * 200, "00000000-0000-0000-0000-000000000000",
]
DEEP = "[" * 40 + "]" * 40
OFFERS = [
    "permessage-deflate", "permessage-deflate; client_max_window_bits", "permessage-deflate; client_no_context_takeover",
    "permessage-deflate; server_max_window_bits=10, permessage-deflate", "permessage-deflate; nonsense=1", "x-webkit-deflate-frame",
]
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def mutated(dice, data):
    """A few bytes gone, more, doubled or changed."""
    data = bytearray(data)
    for _ in range(dice.randrange(1, 4)):
        at = dice.randrange(len(data) + 1)
        kind = dice.randrange(4)
        if kind == 0:
            del data[at:at + dice.randrange(1, 9)]
        elif kind == 1:
            data[at:at] = dice.randbytes(dice.randrange(1, 9))
        elif kind == 2:
            data[at:at] = data[at:at + 64] * dice.randrange(1, 5)
        elif at < len(data):
            data[at] ^= 1 << dice.randrange(8)
    return bytes(data)


# -- before the upgrade


def token(dice):
    """(token, whether it is good)"""
    user = f"hostile-{dice.randrange(10**9)}"
    kind = dice.randrange(12)
    if kind == 0:
        return tokens.mint(user, ttl=-60), False
    if kind == 1:
        text = tokens.mint(user)
        at = dice.randrange(len(text) - 1)  # not the last: some of its bits say nothing
        return text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1:], False
    if kind == 2:
        return tokens.mint(user, key="another-secret-that-nobody-knows-0123456789"), False
    if kind == 3:
        return tokens.mint(user, chats=[str(uuid.UUID(int=dice.getrandbits(128))) for _ in range(dice.randrange(5))]), True
    return tokens.mint(user, ttl=dice.choice([2, 60, 3600])), True


def head(dice):
    """(bytes, whether they may be answered 101, whether they surely are)"""
    text, is_good = token(dice)
    headers, path = {}, dice.choice(["/ws", "/api/v1/ws"])
    way = dice.randrange(3)
    if way == 0:
        headers["Sec-WebSocket-Protocol"] = f"roomcast.v1, bearer.{text}"
    elif way == 1:
        headers["Authorization"] = f"{dice.choice(['Bearer', 'bearer'])} {text}"
    else:
        path += f"?token={text}"
    if dice.random() < 0.5:
        headers["Sec-WebSocket-Extensions"] = dice.choice(OFFERS)
    if dice.random() < 0.3:
        headers["X-Forwarded-For"] = ", ".join(dice.choice(["203.0.113.7", "unknown", "[::1]:80", "10.0.0.1", ""]) for _ in range(dice.randrange(6)))
    is_whole = dice.random() < 0.7
    if is_whole:
        data = raw.upgrade_request(path, headers)
    else:
        headers[dice.choice(["Host", "Upgrade", "Connection", "Sec-WebSocket-Version", "Sec-WebSocket-Key"])] = dice.choice([None, "", "x", "websocket", "13"])
        data = raw.upgrade_request(path, headers, dice.choice(["GET", "POST", "HEAD", "OPTIONS"]), dice.choice(["HTTP/1.1", "HTTP/1.0", "HTTP/2.0"]))
    if dice.random() < 0.2:
        is_whole, data = False, mutated(dice, data)
    if dice.random() < 0.05:  # lines doubled, one of them in another case: what smuggles heads
        is_whole, lines = False, data.split(b"\r\n")
        at = dice.randrange(len(lines))
        lines[at:at] = [lines[at].upper(), b"Content-Length: 5", b"Transfer-Encoding: chunked"]
        data = b"\r\n".join(lines)
    return data, is_good or not is_whole, is_good and is_whole


def proxy_header(dice):
    """(bytes, whether they are a proper PROXY header)"""
    address = ipaddress.ip_address(dice.choice(["203.0.113.7", "2001:db8::7"]))
    kind = dice.randrange(6)
    if kind == 0:
        data = f"PROXY TCP{address.version} {address} {address} {dice.randrange(65536)} 80\r\n".encode()
    elif kind == 1:
        data = b"PROXY UNKNOWN" + b" " * (dice.random() < 0.5) + b"\r\n"
    else:
        body = address.packed * 2 + struct.pack(">HH", 4711, 80)
        for _ in range(dice.randrange(3)):  # TLVs
            value = dice.randbytes(dice.randrange(40))
            body += struct.pack(">BH", dice.randrange(256), len(value)) + value
        data = SIGNATURE + bytes([0x20 | (kind != 2), 0x11 if address.version == 4 else 0x21]) + struct.pack(">H", len(body)) + body
    if dice.random() < 0.25:
        return mutated(dice, data), False
    return data, True


# -- messages


def cursor(dice, live):
    """`live`: (epoch, seq) of the chat now."""
    epoch, seq = live
    return {"epoch": dice.choice([epoch, epoch, "0", "k3x9"]), "seq": dice.choice([0, seq, max(0, seq - dice.randrange(30)), seq + 1, 2**53 - 1])}


def whole_message(dice, chats, live):
    chat = dice.choice(chats)
    kind = dice.randrange(8)
    if kind == 0:
        return {"type": "ping"}
    if kind == 1:
        return {"type": dice.choice(["subscribe.chat", "subscribe"]), "chat_id": chat}
    if kind == 2:
        return {"type": "subscribe", "chat_id": chat, "since": cursor(dice, live)}
    if kind == 3:
        return {"type": "subscribe", "chats": [{"chat_id": dice.choice(chats), "since": cursor(dice, live)} for _ in range(dice.randrange(1, 6))]}
    if kind == 4:
        return {"type": dice.choice(["unsubscribe.chat", "unsubscribe"]), "chat_id": chat}
    if kind == 5:
        return {"type": "chat.typing", "chat_id": chat, "is_typing": dice.random() < 0.5}
    if kind == 6:
        return {"type": "auth.refresh", "token": token(dice)[0]}
    return dice.choice([{"type": "presence.get", "chat_id": chat}, {"type": "notifications.resume", "since": cursor(dice, live)}])


def message(dice, chats, live):
    """One message as bytes: most are as documented, or wrong in one field."""
    fields = whole_message(dice, chats, live)
    if dice.random() < 0.5:
        fields["id"] = dice.choice([1, "a", 2**32 - 1, dice.randrange(2**32), "\u00e9" * 20])
    if dice.random() < 0.4:
        name = dice.choice(list(fields))
        change = dice.randrange(5)
        if change == 0:
            del fields[name]
        elif change == 1:
            fields[name] = dice.choice(STRANGE)
        elif change == 2:
            fields[f"{name}\0"] = fields.pop(name)
        elif change == 3:
            fields["unknown"] = dice.choice(STRANGE)
        else:
            fields["type"] = dice.choice(["", "PING", "chat.message.posted", "disconnect", "subscribe.room"])
    text = json.dumps(fields, ensure_ascii=dice.random() < 0.5)
    if dice.random() < 0.05:
        text = text.replace("}", f',"deep":{DEEP}}}', 1)
    if dice.random() < 0.05:
        text = text.replace("{", '{"type":"ping",', 1)
    data = text.encode("utf-8", "surrogatepass")
    return mutated(dice, data) if dice.random() < 0.05 else data


# -- frames


def frame(dice, opcode, payload, **how):
    """A frame, with a length in more bytes than it needs now and then."""
    data = raw.frame(opcode, payload, **how)
    if dice.random() < 0.01 and len(payload) < 126 and how.get("masked", True):
        data = data[:1] + b"\xfe" + struct.pack("!H", len(payload)) + data[2:]
    return data


def control(dice):
    return frame(dice, dice.choice([raw.PING, raw.PONG]), dice.randbytes(dice.choice([0, 1, 125])))


def text_frames(dice, text, deflates):
    """A message in one frame or several, compressed or not, with control frames in between."""
    reserved = 0
    if deflates and dice.random() < 0.6:
        compressor = zlib.compressobj(dice.randrange(10), wbits=-dice.randrange(9, 16))
        text, reserved = (compressor.compress(text) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4], 4
        if dice.random() < 0.02:
            text = mutated(dice, text)
    cuts = sorted(dice.randrange(len(text) + 1) for _ in range(dice.choice([0, 0, 0, 1, 2, 4])))
    parts = [text[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(text)])]
    sent = b""
    for at, part in enumerate(parts):
        sent += frame(dice, raw.CONTINUATION if at else raw.TEXT, part, final=at == len(parts) - 1, reserved=0 if at else reserved)
        if dice.random() < 0.2:
            sent += control(dice)
    return sent


def bad_frame(dice):
    kind = dice.randrange(6)
    if kind == 0:
        return frame(dice, raw.TEXT, b'{"type":"ping"}', masked=False)
    if kind == 1:
        return frame(dice, dice.randrange(16), dice.randbytes(dice.randrange(200)), final=dice.random() < 0.5, reserved=dice.randrange(8))
    if kind == 2:
        return frame(dice, raw.CLOSE, struct.pack("!H", dice.randrange(65536)) + dice.randbytes(dice.randrange(200)))
    if kind == 3:
        return frame(dice, raw.TEXT, b"\xff\xfe" + dice.randbytes(20))
    if kind == 4:
        return b"\x81\xff" + struct.pack("!Q", dice.choice([2**63, 2**63 - 1, 2**32, 70000])) + b"mask"
    return zlib_bomb()


def zlib_bomb():
    compressor = zlib.compressobj(9, wbits=-15)
    return raw.frame(raw.TEXT, (compressor.compress(b" " * 2**22) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4], reserved=4)


# -- leaving


def leave(dice, connection):
    """In one of the ways that TCP has."""
    kind = dice.randrange(4)
    if kind == 0:
        connection.send(raw.frame(raw.CLOSE, struct.pack("!H", 1000)))
    elif kind == 1:
        connection.socket.shutdown(socket.SHUT_WR)
    elif kind == 2:  # RST
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.socket.close()
