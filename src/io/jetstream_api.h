/* The few messages of JetStream that are spoken here without the client library: the answer to a stored
 * message (PubAck), reading a message from the leader ($JS.API.STREAM.MSG.GET, answered in JSON) and from any
 * server ($JS.API.DIRECT.GET, answered with the message itself and headers).
 *
 * Formats: https://docs.nats.io/reference/reference-protocols/nats_api_reference and
 * github.com/nats-io/jsm.go/schemas; direct get: NATS ADR-31; error codes: nats-server, server/errors.json.
 * Pure: bytes in, structs out. Anything may stand in the bytes; they come from whoever can write to an inbox.
 * Thread: any. */
#ifndef ROOMCAST_IO_JETSTREAM_API_H
#define ROOMCAST_IO_JETSTREAM_API_H

#include <roomcast/base/buffer.h>
#include <roomcast/io/bus.h>

#define JETSTREAM_PROBLEM_SIZE 160 /* bytes, NUL included */

struct jetstream_store_answer {
    enum bus_store_status status;
    uint64_t stream_seq; /* BUS_STORED, BUS_DUPLICATE */
    char problem[JETSTREAM_PROBLEM_SIZE];
};
/* Never fails: what cannot be understood, or names another stream, is BUS_UNKNOWN. */
void jetstream_decode_store(struct slice json, const char *stream, struct jetstream_store_answer *ret_answer);

/* Appends the request's body: {"last_by_subj":"<subject>"}. */
void jetstream_encode_last(const char *subject, struct buffer *out);
/* The same for the first message of the subject at or behind `from`:
 * {"seq":<from>,"next_by_subj":"<subject>"}. */
void jetstream_encode_next(const char *subject, uint64_t from, struct buffer *out);
/* The same for the message at one sequence, whichever its subject, for both ways of reading: {"seq":<seq>}.
 */
void jetstream_encode_at(uint64_t seq, struct buffer *out);

struct jetstream_last_answer {
    enum bus_last_status status;
    uint64_t stream_seq; /* BUS_LAST_FOUND */
    char *data;          /* BUS_LAST_FOUND: owned by the caller, free(); else NULL */
    size_t data_len;
};
/* To jetstream_encode_last() and _next(). Never fails: what cannot be understood, or is another subject's
 * message, is BUS_LAST_UNAVAILABLE. */
void jetstream_decode_last(struct slice json, const char *subject, struct jetstream_last_answer *ret_answer);
/* To jetstream_encode_at(). The same, but another subject's message at `seq` is BUS_LAST_NONE. */
void jetstream_decode_at(struct slice json, const char *subject, uint64_t seq,
                         struct jetstream_last_answer *ret_answer);

/* The headers of a direct answer, as text; NULL: there is none of that name. */
struct jetstream_direct_headers {
    const char *status;                      /* of an answer without a message: "404", "408", "503" */
    const char *stream, *subject, *sequence; /* Nats-Stream, Nats-Subject, Nats-Sequence */
};
/* What an answer to jetstream_encode_at() with these headers is. FOUND: its payload is the message. NONE:
 * that server has none at `seq`, or one of another subject. UNAVAILABLE: all else. */
enum bus_last_status jetstream_judge_direct(const struct jetstream_direct_headers *headers,
                                            const char *stream, const char *subject, uint64_t seq);

/* The answer to $JS.API.STREAM.INFO. False: it cannot be understood, or is an error; `*ret_is_no_stream`
 * tells whether that one says that there is no such stream. */
bool jetstream_decode_extent(struct slice json, struct bus_extent *ret_extent, bool *ret_is_no_stream);

#endif
