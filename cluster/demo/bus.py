"""The way to Roomcast for a domain service: XADD to the Redis stream that the relay reads."""
import json

import redis

from refused import Refused

STREAM = "roomcast:events"
STREAM_MAX = 10000  # entries; the relay has long stored older ones
ANSWER_SECONDS = 5


class Bus:
    def __init__(self, port):
        self._redis = redis.Redis(port=port, socket_timeout=ANSWER_SECONDS, socket_connect_timeout=ANSWER_SECONDS)

    def publish(self, events):
        """All or none, in this order."""
        pipeline = self._redis.pipeline(transaction=True)
        for event in events:
            pipeline.xadd(STREAM, {"event": json.dumps(event, ensure_ascii=False)}, maxlen=STREAM_MAX, approximate=True)
        try:
            pipeline.execute()
        except redis.RedisError as error:
            raise Refused(503, "BUS_DOWN", f"Redis did not take it: {error}") from error
