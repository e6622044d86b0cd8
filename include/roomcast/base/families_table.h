/* Counters whose label has values that are known at run time only, one row each: id, program, name, name of
 * the label, help. Included as metrics_table.h is, with FAMILY_ROW defined. */
/* clang-format off */
FAMILY_ROW(EVENTS_BY_TYPE, NODE, "roomcast_events_by_type_total", "type", "Live events that arrived for rooms in use, by their type as clients read it")
FAMILY_ROW(RELAY_STORED_BY_TYPE, RELAY, "roomcast_relay_stored_by_type_total", "type", "Events stored by the relay, by their type as clients read it")
FAMILY_ROW(RELAY_STORED_BY_STREAM, RELAY, "roomcast_relay_stored_by_stream_total", "stream", "Events stored by the relay, by the stream that holds them: even, or a shard is hot (stream.shards)")
FAMILY_ROW(STREAM_ELECTIONS, BOTH, "roomcast_stream_elections_total", "stream", "Times when a stream of the events was given a new leader")
/* clang-format on */
