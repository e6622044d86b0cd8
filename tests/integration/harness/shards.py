"""Which stream holds a room when there are several: computed here once more, by the README's words alone."""
import uuid

_MASK = (1 << 64) - 1


def _rotate(value, bits):
    return (value << bits | value >> (64 - bits)) & _MASK


def siphash(data, key=bytes(16)):
    """SipHash-2-4 (https://www.aumasson.jp/siphash/siphash.pdf)."""
    low, high = (int.from_bytes(part, "little") for part in (key[:8], key[8:]))
    v = [low ^ 0x736F6D6570736575, high ^ 0x646F72616E646F6D, low ^ 0x6C7967656E657261, high ^ 0x7465646279746573]

    def rounds(count):
        for _ in range(count):
            for a, b, c, d, first, second, half in ((0, 1, 2, 3, 13, 16, 0), (2, 1, 0, 3, 17, 21, 2)):
                v[a] = (v[a] + v[b]) & _MASK
                v[b] = _rotate(v[b], first) ^ v[a]
                v[c] = (v[c] + v[d]) & _MASK
                v[d] = _rotate(v[d], second) ^ v[c]
                v[half] = _rotate(v[half], 32)

    whole = len(data) - len(data) % 8
    words = [int.from_bytes(data[at : at + 8], "little") for at in range(0, whole, 8)]
    for word in [*words, int.from_bytes(data[whole:], "little") | (len(data) & 0xFF) << 56]:
        v[3] ^= word
        rounds(2)
        v[0] ^= word
    v[2] ^= 0xFF
    rounds(4)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


def shard_of(room, count):
    """`room`: "chat.<id>", "user.<id>"."""
    return siphash(room.encode()) % count


def stream_names(count, name="roomcast_events_1"):
    return [f"{name}_{shard}of{count}" for shard in range(count)]


def chat_in(shard, count):
    """A new chat whose events that shard holds."""
    while True:
        chat = str(uuid.uuid4())
        if shard_of(f"chat.{chat}", count) == shard:
            return chat
