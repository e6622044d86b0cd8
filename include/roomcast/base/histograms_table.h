/* The histograms, one row each: id, program, name, label (or ""), bounds (of metrics.c), help. Included as
 * metrics_table.h is, with HISTOGRAM_ROW defined. */
/* clang-format off */
HISTOGRAM_ROW(EVENT_RELAYED, NODE, "roomcast_event_latency_seconds", "since=\"relayed\"", latency, "Age of live events when they go to the workers: since the relay sealed them, and since they occurred, as the service says (occurred_at); by the wall clocks of the hosts")
HISTOGRAM_ROW(EVENT_OCCURRED, NODE, "roomcast_event_latency_seconds", "since=\"occurred\"", latency, "")
HISTOGRAM_ROW(LOOP_TURN, NODE, "roomcast_loop_turn_seconds", "", turn, "Turns of the workers' loops: how long each worked before it waited again; as long, everybody on that worker waits")
/* clang-format on */
