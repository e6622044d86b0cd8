"""What the integration tests stand on: real servers as processes, clients, tokens, counters.

Nothing here knows how Roomcast is made; it speaks proto/README.md from the outside.
"""
