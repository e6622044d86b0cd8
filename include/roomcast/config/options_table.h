/* Every option of both programs, one row each. From this table come the YAML key, the environment variable,
 * the flag, --help, --print-config and cluster/REFERENCE.md. No include guard; define OPTION first.
 *
 *   OPTION(field, TYPE, "key", "default", min, max, "unit or choices", programs, "help")
 *
 * key "nats.url" is `nats: {url: ...}` in the file, ROOMCAST_NATS_URL in the environment, --nats-url as a
 * flag.
 *
 * TYPE     TEXT, PATH
 *          SECRET   never printed; also <key>_file
 *          ADDRESS  host:port, [v6]:port
 *          INT      min..max
 *          DECIMAL  "1.25", at most three digits behind the point; field, min and max hold thousandths
 *          BOOL
 *          CHOICE   "a|b|c"; the field holds the index
 *          LIST     comma-separated, or a YAML list
 *          min and max bound the bytes of TEXT, SECRET, PATH and of each element of LIST; min 0 allows empty
 * programs: NODE, RELAY, BOTH. One file serves both programs, so each accepts the other's keys. */
/* clang-format off */
OPTION(listen, ADDRESS, "listen", "0.0.0.0:8080", 0, 0, "", NODE, "address of the endpoints for clients: WebSocket (/ws, /api/v1/ws) and server-sent events (/events, /api/v1/events); [::]:8080 listens on IPv6 and IPv4")
OPTION(tls_cert_file, PATH, "tls.cert_file", "", 0, 4096, "", NODE, "PEM certificate chain of the WebSocket endpoint: it speaks TLS (wss://) and nothing else; read again on SIGHUP and when it has changed; with tls.key_file")
OPTION(tls_key_file, PATH, "tls.key_file", "", 0, 4096, "", NODE, "PEM private key of it, without a password; process.user must be able to read both; an EC key (P-256) costs less than an RSA key")
OPTION(tls_min_version, CHOICE, "tls.min_version", "1.2", 0, 0, "1.2|1.3", NODE, "oldest TLS that is spoken")
OPTION(admin_listen, ADDRESS, "admin.listen", "127.0.0.1:9090", 0, 0, "", NODE, "address of /livez, /readyz, /metrics, /cluster, /console and POST /drain; keep it private")
OPTION(admin_key, SECRET, "admin.key", "", 0, 1024, "", BOTH, "bearer key by which /console shows rooms, users and dead letters, and acts; at least 16 bytes; without one a node shows the cluster and nothing else, and no process answers what others' consoles ask or does what they say")
OPTION(workers, INT, "workers", "0", 0, 64, "threads", NODE, "worker threads; 0 starts one per core")
OPTION(node_name, TEXT, "node.name", "", 0, 64, "", BOTH, "name of this process in messages and logs; empty takes the host name")
OPTION(process_user, TEXT, "process.user", "", 0, 64, "", BOTH, "user that the process becomes after it has read its configuration, when root starts it: a name, or uid:gid; empty stays who it is")
OPTION(process_core_dumps, BOOL, "process.core_dumps", "false", 0, 0, "", BOTH, "allow core dumps and debuggers: both show the secrets")
OPTION(log_level, CHOICE, "log.level", "info", 0, 0, "debug|info|warn|error", BOTH, "least severe lines to write")
OPTION(log_format, CHOICE, "log.format", "logfmt", 0, 0, "logfmt|json", BOTH, "form of a log line")

OPTION(nats_url, LIST, "nats.url", "nats://127.0.0.1:4222", 1, 1024, "", BOTH, "NATS servers, comma-separated; user and password may stand in the URL; one tls:// in the list: TLS with all of them, never without")
OPTION(nats_user, TEXT, "nats.user", "", 0, 256, "", BOTH, "user at the NATS servers, when none stands in the URL; with nats.password")
OPTION(nats_password, SECRET, "nats.password", "", 0, 1024, "", BOTH, "its password")
OPTION(nats_token, SECRET, "nats.token", "", 0, 1024, "", BOTH, "token for NATS servers that ask for one instead")
OPTION(nats_credentials_file, PATH, "nats.credentials_file", "", 0, 4096, "", BOTH, "credentials file (.creds: a user's JWT and seed) for NATS instead; read at every connecting")
OPTION(nats_nkey_seed_file, PATH, "nats.nkey_seed_file", "", 0, 4096, "", BOTH, "file with the seed (SU...) of a user nkey for NATS instead")
OPTION(nats_ca_file, PATH, "nats.ca_file", "", 0, 4096, "", BOTH, "PEM certificates of the authorities that NATS servers are trusted by, with tls:// in nats.url; empty takes the system's")
OPTION(nats_cert_file, PATH, "nats.cert_file", "", 0, 4096, "", BOTH, "PEM certificate chain that this process shows to NATS servers; with nats.key_file")
OPTION(nats_key_file, PATH, "nats.key_file", "", 0, 4096, "", BOTH, "PEM private key of it")
OPTION(nats_prefix, TEXT, "nats.prefix", "roomcast", 1, 64, "", BOTH, "first token of every NATS subject")
OPTION(nats_seal, CHOICE, "nats.seal", "off", 0, 0, "off|sign|encrypt", BOTH, "what is done to messages between nodes and relays so that nobody else on NATS can forge (sign) or also read them (encrypt); the same everywhere, changed in steps")
OPTION(nats_seal_key, SECRET, "nats.seal_key", "", 0, 128, "", BOTH, "key of that: 32 bytes as 64 hex digits or base64; with nats.seal off, sealed messages are opened all the same, and others taken")
OPTION(nats_seal_key_previous, SECRET, "nats.seal_key_previous", "", 0, 128, "", BOTH, "another key that still, or already, opens messages, while keys are changed")
OPTION(nats_seal_accept_plain, BOOL, "nats.seal_accept_plain", "false", 0, 0, "", BOTH, "take messages that are not sealed too: only while sealing is introduced, until the last unsealed event and revocation has expired")
OPTION(nats_seal_window_s, INT, "nats.seal_window_s", "60", 5, 3600, "s", BOTH, "how far the time of a sealed signal may be from this host's clock")
OPTION(nats_grace_s, INT, "nats.grace_s", "30", 0, 86400, "s", NODE, "how long the clients stay with a node that is cut off from NATS, before it sends them to others; 0: for ever")
OPTION(stream_name, TEXT, "stream.name", "roomcast_events_1", 1, 64, "", BOTH, "JetStream stream, or what the names of several begin with; choose a new name, never a used one, to start over")
OPTION(stream_shards, INT, "stream.shards", "1", 1, 64, "streams", BOTH, "JetStream streams that the rooms are spread over, each with a leader of its own; the same everywhere, and not changed while they are there")
OPTION(stream_replicas, INT, "stream.replicas", "1", 1, 5, "servers", RELAY, "copies of each stream; 3 survives the loss of a server")
OPTION(stream_storage, CHOICE, "stream.storage", "file", 0, 0, "file|memory", RELAY, "where NATS keeps the stream; memory dies with the servers, and is slow beyond some 10000 events")
OPTION(stream_max_age_s, INT, "stream.max_age_s", "3600", 60, 31536000, "s", RELAY, "how long an event can be resumed")
OPTION(stream_max_bytes, INT, "stream.max_bytes", "1073741824", 1048576, 1099511627776, "bytes", RELAY, "size of all streams together; the oldest events go first")
OPTION(stream_max_per_room, INT, "stream.max_per_room", "1000", 1, 1000000, "events", RELAY, "events kept per room")
OPTION(stream_dedup_s, INT, "stream.dedup_s", "300", 1, 3600, "s", RELAY, "how long a repeated event id is recognised; never longer than stream.max_age_s")

OPTION(redis_url, TEXT, "redis.url", "redis://127.0.0.1:6379/0", 1, 1024, "", RELAY, "redis://[user:password@]host:port/db")
OPTION(redis_stream, TEXT, "redis.stream", "roomcast:events", 0, 256, "", RELAY, "stream to read; empty reads none")
OPTION(redis_group, TEXT, "redis.group", "roomcast-relay", 1, 256, "", RELAY, "consumer group on that stream")
OPTION(redis_patterns, LIST, "redis.patterns", "events.*,events:*", 0, 256, "", RELAY, "Pub/Sub patterns to read; empty reads none")
OPTION(redis_dead_stream, TEXT, "redis.dead_stream", "roomcast:dead", 1, 256, "", RELAY, "where events that cannot be used are kept, with the reason")
OPTION(redis_dead_max, INT, "redis.dead_max", "10000", 1, 10000000, "entries", RELAY, "dead letters kept")

OPTION(relay_listen, ADDRESS, "relay.listen", "127.0.0.1:9091", 0, 0, "", RELAY, "address of POST /v1/events, POST /v1/revocations, /livez, /readyz and /metrics")
OPTION(relay_api_key, SECRET, "relay.api_key", "", 0, 1024, "", RELAY, "bearer key of POST /v1/events and POST /v1/revocations; without one they refuse everybody")
OPTION(relay_nats_requests, BOOL, "relay.nats_requests", "false", 0, 0, "", RELAY, "take events and revocations by request on NATS too, <nats.prefix>.in.events and .in.revocations, from whoever may publish there; not with nats.seal")
OPTION(relay_max_event_bytes, INT, "relay.max_event_bytes", "524288", 1024, 8388608, "bytes", RELAY, "largest domain event")
OPTION(relay_max_in_flight, INT, "relay.max_in_flight", "1024", 1, 65536, "events", RELAY, "events of one source (the Redis stream, Pub/Sub, or requests by HTTP and NATS together) taken in and not yet stored; then it is not read, or requests are refused")
OPTION(relay_lease_ms, INT, "relay.lease_ms", "3000", 0, 30000, "ms", RELAY, "how long a relay that fell silent keeps others from taking over, at least 500; 0: this is the only relay, and there must be no other")
OPTION(relay_store_timeout_ms, INT, "relay.store_timeout_ms", "5000", 100, 60000, "ms", RELAY, "wait for NATS to confirm a stored event before asking again")

OPTION(revocations_max_age_s, INT, "revocations.max_age_s", "86400", 60, 31536000, "s", RELAY, "longest life of a token: so long a revocation is kept")

OPTION(auth_hmac_secret, SECRET, "auth.hmac_secret", "", 0, 4096, "", NODE, "secret of HS256/384/512 tokens, at least 32 bytes")
OPTION(auth_hmac_secret_previous, SECRET, "auth.hmac_secret_previous", "", 0, 4096, "", NODE, "another secret whose tokens are good too, while the secret is changed: the old one, or the one to come")
OPTION(auth_public_key_file, PATH, "auth.public_key_file", "", 0, 4096, "", NODE, "PEM public key of RS*, ES* or EdDSA tokens")
OPTION(auth_jwks_url, TEXT, "auth.jwks_url", "", 0, 2048, "", NODE, "https address of the issuer's public keys (a JWK Set, RFC 7517) for RS*, ES* or EdDSA tokens: fetched at the start, again and again, and when a token names a key that is not known")
OPTION(auth_jwks_ca_file, PATH, "auth.jwks_ca_file", "", 0, 4096, "", NODE, "PEM certificates of the authorities that auth.jwks_url is trusted by; empty takes the system's")
OPTION(auth_jwks_refresh_s, INT, "auth.jwks_refresh_s", "300", 1, 86400, "s", NODE, "how often those keys are fetched; a shorter max-age of the answer counts, down to 30 s")
OPTION(auth_issuer, TEXT, "auth.issuer", "", 0, 512, "", NODE, "required `iss`; empty accepts any")
OPTION(auth_audience, TEXT, "auth.audience", "", 0, 512, "", NODE, "required `aud`; empty accepts any")
OPTION(auth_user_claim, TEXT, "auth.user_claim", "sub", 1, 64, "", NODE, "claim that names the user")
OPTION(auth_require_expiry, BOOL, "auth.require_expiry", "true", 0, 0, "", NODE, "refuse tokens without `exp`")
OPTION(auth_one_time, BOOL, "auth.one_time", "false", 0, 0, "", NODE, "a token opens one connection, or refreshes one, and no other; it needs jti and exp; the same on every node")
OPTION(auth_leeway_s, INT, "auth.leeway_s", "30", 0, 600, "s", NODE, "clock difference tolerated in `exp` and `nbf`")
OPTION(auth_expiry_grace_s, INT, "auth.expiry_grace_s", "25", 0, 600, "s", NODE, "time for auth.refresh after a token's expiry before the close with 4201")
OPTION(authorization_mode, CHOICE, "authorization.mode", "claims", 0, 0, "claims|open|request", NODE, "claims: the token lists the chats; request: a domain service is asked over NATS; open: every user may read every chat (development only)")
OPTION(authorization_claim, TEXT, "authorization.claim", "chats", 1, 64, "", NODE, "claim with the list of chat ids, or \"*\"")
OPTION(authorization_cache_s, INT, "authorization.cache_s", "60", 0, 86400, "s", NODE, "mode request: how long an answer holds that does not say so itself; 0: every subscribe asks")
OPTION(authorization_timeout_ms, INT, "authorization.timeout_ms", "2000", 50, 60000, "ms", NODE, "mode request: wait for the service's answer")
OPTION(allowed_origins, LIST, "allowed_origins", "", 0, 512, "", NODE, "browser origins that may connect, as https://app.example.com or https://*.example.com; * allows all; empty allows the node's own origin")

OPTION(proxy_trusted, LIST, "proxy.trusted", "", 0, 64, "", NODE, "networks of your own proxies, as 10.0.0.0/8 or 2001:db8::/32: these are believed when they name the client in X-Forwarded-For; nobody else is")
OPTION(proxy_protocol, CHOICE, "proxy.protocol", "off", 0, 0, "off|v1v2", NODE, "v1v2: connections from proxy.trusted begin with a PROXY protocol header of version 1 or 2, and must; from others they never do")

OPTION(limits_connections, INT, "limits.connections", "0", 0, 10000000, "connections", NODE, "connections on this node; 0 takes what the hard descriptor limit allows, at most 50000")
OPTION(limits_connections_per_user, INT, "limits.connections_per_user", "16", 1, 100000, "connections", NODE, "connections of one user on this node")
OPTION(limits_connections_per_address, INT, "limits.connections_per_address", "0", 0, 10000000, "connections", NODE, "connections of one address on this node, of an IPv6 address's first 64 bits together; 0: any number. Behind a proxy set proxy.trusted first")
OPTION(limits_pending_handshakes, INT, "limits.pending_handshakes", "0", 0, 1000000, "connections", NODE, "connections that have not completed their upgrade; beyond, the one that has waited longest makes way with 503; 0: as many as limits.connections, but 64 to 4096")
OPTION(limits_handshakes_per_s, INT, "limits.handshakes_per_s", "0", 0, 1000000, "handshakes/s", NODE, "upgrades that this node looks at, as many at once; others get 503, or are cut off before TLS begins; 0: any number")
OPTION(limits_handshakes_per_address, INT, "limits.handshakes_per_address", "0", 0, 1000000, "handshakes/s", NODE, "upgrades of one address, twice as many at once; others get 429, or are cut off before TLS begins; 0: any number")
OPTION(limits_rooms, INT, "limits.rooms", "128", 1, 1024, "rooms", NODE, "rooms one connection may be in")
OPTION(limits_message_bytes, INT, "limits.message_bytes", "65536", 256, 1048576, "bytes", NODE, "largest message from a client")
OPTION(limits_message_depth, INT, "limits.message_depth", "16", 2, 512, "levels", NODE, "deepest nesting of a message from a client")
OPTION(limits_messages_per_s, INT, "limits.messages_per_s", "20", 1, 100000, "messages/s", NODE, "messages from one connection, sustained")
OPTION(limits_messages_burst, INT, "limits.messages_burst", "40", 1, 100000, "messages", NODE, "messages from one connection, at once")
OPTION(limits_errors, INT, "limits.errors", "20", 1, 10000, "errors/min", NODE, "wrong messages, and subscribes to forbidden chats, from one connection before it is closed with 4005")
OPTION(limits_queue_messages, INT, "limits.queue_messages", "256", 8, 1000000, "messages", NODE, "outbound queue of one connection")
OPTION(limits_queue_bytes, INT, "limits.queue_bytes", "1048576", 65536, 1073741824, "bytes", NODE, "outbound queue of one connection")
OPTION(limits_slow_grace_s, INT, "limits.slow_grace_s", "10", 1, 3600, "s", NODE, "how long a client whose queue is full may take in nothing before it is closed with 4108; while it takes in anything it catches up")
OPTION(limits_header_bytes, INT, "limits.header_bytes", "16384", 2048, 65000, "bytes", NODE, "HTTP request head at the upgrade, token included")
OPTION(limits_handshake_s, INT, "limits.handshake_s", "10", 1, 120, "s", NODE, "time for a client to complete the upgrade")
OPTION(limits_typing_ms, INT, "limits.typing_ms", "2000", 0, 60000, "ms", NODE, "least time between typing signals of one user in one room")

OPTION(memory_max, INT, "memory.max", "0", 0, 1099511627776, "bytes", NODE, "memory ceiling of the process, at least 33554432: near it the node first drops history, then refuses upgrades, then closes slow clients; 0: the limit of its cgroup (v2), or none")

OPTION(write_io_uring, BOOL, "write.io_uring", "true", 0, 0, "", NODE, "send by io_uring where the kernel allows it, many deliveries in one system call; otherwise, and when false, by one write each")
OPTION(write_delay_ms, INT, "write.delay_ms", "0", 0, 1000, "ms", NODE, "how long an event may wait for others, so that what one client gets leaves in one write; answers do not wait; 0 sends at once")
OPTION(websocket_compression, INT, "websocket.compression", "0", 0, 9, "", NODE, "permessage-deflate with clients that offer it, each event compressed once for all of them: from 1, fast, to 9, small; 0 turns it off")
OPTION(websocket_traceparent, BOOL, "websocket.traceparent", "false", 0, 0, "", NODE, "give clients each event's traceparent, when its publisher set one")
OPTION(websocket_compress_min_bytes, INT, "websocket.compress_min_bytes", "256", 1, 1048576, "bytes", NODE, "smaller events are not compressed")

OPTION(ping_interval_s, INT, "ping.interval_s", "25", 1, 3600, "s", NODE, "time between WebSocket pings")
OPTION(ping_timeout_s, INT, "ping.timeout_s", "10", 1, 600, "s", NODE, "wait for the pong before the close with 4202")
OPTION(rooms_linger_ms, INT, "rooms.linger_ms", "5000", 0, 600000, "ms", NODE, "how long a room without members stays subscribed on NATS")
OPTION(rooms_join_timeout_ms, INT, "rooms.join_timeout_ms", "5000", 100, 60000, "ms", NODE, "wait for NATS to give a room's position before a subscribe fails")
OPTION(rooms_verify_s, INT, "rooms.verify_s", "30", 1, 3600, "s", NODE, "how often a followed room is compared with the stream's leader when nothing else gives reason to; beyond 44 a room whose events have all expired may be reported as lost where nothing was")
OPTION(rooms_repair_s, INT, "rooms.repair_s", "30", 1, 3600, "s", NODE, "how long later events of a room wait for missing ones that the stream cannot be asked for; then clients get POSITION_LOST")
OPTION(resume_max_events, INT, "resume.max_events", "1000", 1, 100000, "events", NODE, "longest stretch of a room that is replayed; a client that missed more reloads")
OPTION(resume_max_bytes, INT, "resume.max_bytes", "8388608", 65536, 1073741824, "bytes", NODE, "the same in bytes; also what one room keeps in memory at most")
OPTION(resume_cache_bytes, INT, "resume.cache_bytes", "67108864", 65536, 1099511627776, "bytes", NODE, "recent events of all rooms kept in memory for replay; the rooms used longest ago go first, each but for its newest event")
OPTION(presence_leave_delay_s, INT, "presence.leave_delay_s", "15", 0, 3600, "s", BOTH, "how long a user stays online in a chat after the last connection on any node left it; the same on all nodes, and on relays that publish presence")
OPTION(presence_max_members, INT, "presence.max_members", "100", 0, 10000, "users", NODE, "a chat with more users online tells nobody who comes and goes, and presence.get gives only their number")
OPTION(presence_publish, BOOL, "presence.publish", "false", 0, 0, "", RELAY, "publish who comes online in a chat and leaves it on the Redis channel events.presence.changed, for domain services; by Pub/Sub, so what nobody hears does not come again")
OPTION(cluster_heartbeat_ms, INT, "cluster.heartbeat_ms", "5000", 100, 60000, "ms", BOTH, "how often this process tells the others that it is there, and how it is; one that is silent three times counts as dead")
OPTION(drain_spread_s, INT, "drain.spread_s", "30", 0, 3600, "s", NODE, "time over which a drain sends the clients away, at an even pace; 0 sends all at once; never longer than drain.timeout_s allows, less 5 s or half of it")
OPTION(drain_timeout_s, INT, "drain.timeout_s", "45", 1, 3600, "s", BOTH, "longest time from SIGTERM, or POST /drain, to the end of the process")
OPTION(rebalance_threshold, DECIMAL, "rebalance.threshold", "1.2", 1050, 10000, "", NODE, "a node with more than this many times the mean of all nodes' connections sends some to the others; the same on all nodes")
OPTION(rebalance_rate, INT, "rebalance.rate", "1200", 0, 1000000, "per minute", NODE, "clients that a node sends to others for that reason at most; 0 turns it off")
OPTION(rebalance_quiet_s, INT, "rebalance.quiet_s", "15", 0, 3600, "s", NODE, "it begins when no node has come, gone, drained or been cut off for so long, and for three heartbeats")
/* clang-format on */
