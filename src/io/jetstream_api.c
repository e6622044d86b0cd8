#include "jetstream_api.h"

#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include <roomcast/base/guarded_heap.h>
#include <roomcast/base/rfc3339.h>
#include <roomcast/base/text.h>

#define MS_PER_S 1000

/* A message of the server's default max_payload (1 MiB, up to 64 MiB) in base64, and room for its headers. */
#define ANSWER_MAX (96u * 1024 * 1024)

/* A follower that says nothing for so long is not counted on; it answers every second (server/raft.go,
 * hbInterval). */
#define FOLLOWER_SILENT_NS INT64_C(4000000000)

/* nats-server, server/errors.json. */
enum {
    ERR_CODE_BAD_REQUEST = 10003,
    ERR_CODE_CLUSTER_NOT_AVAILABLE = 10008,
    ERR_CODE_NO_MESSAGE = 10037,
    ERR_CODE_STREAM_NOT_FOUND = 10059,
    ERR_CODE_NOT_THIS_STREAM = 10060,
    ERR_CODE_NOT_ENABLED_FOR_ACCOUNT = 10039,
    ERR_CODE_NO_ACCOUNT = 10035,
    ERR_CODE_MESSAGE_TOO_LARGE = 10054,
    ERR_CODE_WRONG_LAST_SEQUENCE = 10071,
    ERR_CODE_NOT_ENABLED = 10076,
    ERR_CODE_HEADER_TOO_LARGE = 10097,
    ERR_CODE_STREAM_SEALED = 10109,
    ERR_CODE_STREAM_OFFLINE = 10118,
    ERR_CODE_NO_LIMITS = 10120,
    ERR_CODE_LAST_SEQUENCE_NOT_READY = 10163,   /* 2.12: another store for the subject is under way */
    ERR_CODE_WRONG_LAST_SEQUENCE_PLAIN = 10164, /* 2.11: the same as 10071, without the number */
    ERR_CODE_TOO_MANY_REQUESTS = 10167,         /* 2.11 */
    ERR_CODE_STREAM_OFFLINE_REASON = 10194,     /* 2.12 */
};

/* Which errors prove that nothing was stored. Everything else stays BUS_UNKNOWN: insufficient resources
 * (10023), a failed write (10077) and a sequence mismatch (10063) are reported by the leader's own store,
 * while replicas may have taken the message (server/stream.go, processJetStreamMsg); 10002 is sent after the
 * message was stored and before it is removed again; 10158 means that the same id is being stored now. */
static const struct {
    long long code;
    enum bus_store_status status;
} store_errors[] = {
    {ERR_CODE_WRONG_LAST_SEQUENCE, BUS_FENCED},
    {ERR_CODE_WRONG_LAST_SEQUENCE_PLAIN, BUS_FENCED},
    {ERR_CODE_MESSAGE_TOO_LARGE, BUS_REFUSED},
    {ERR_CODE_HEADER_TOO_LARGE, BUS_REFUSED},
    {ERR_CODE_BAD_REQUEST, BUS_REFUSED},
    {ERR_CODE_CLUSTER_NOT_AVAILABLE, BUS_UNAVAILABLE},
    {ERR_CODE_STREAM_NOT_FOUND, BUS_UNAVAILABLE},
    {ERR_CODE_NOT_THIS_STREAM, BUS_UNAVAILABLE},
    {ERR_CODE_NOT_ENABLED_FOR_ACCOUNT, BUS_UNAVAILABLE},
    {ERR_CODE_NO_ACCOUNT, BUS_UNAVAILABLE},
    {ERR_CODE_NOT_ENABLED, BUS_UNAVAILABLE},
    {ERR_CODE_STREAM_SEALED, BUS_UNAVAILABLE},
    {ERR_CODE_STREAM_OFFLINE, BUS_UNAVAILABLE},
    {ERR_CODE_STREAM_OFFLINE_REASON, BUS_UNAVAILABLE},
    {ERR_CODE_NO_LIMITS, BUS_UNAVAILABLE},
    {ERR_CODE_LAST_SEQUENCE_NOT_READY, BUS_UNAVAILABLE},
    {ERR_CODE_TOO_MANY_REQUESTS, BUS_UNAVAILABLE},
};

/* A constructor: jansson may not allocate anything before. Why it is guarded: src/wire/json_load.h, which
 * does the same. */
__attribute__((constructor)) static void guard_allocations(void)
{
    json_set_alloc_funcs(guarded_malloc, guarded_free);
}

struct parsing {
    struct slice text;
    json_t *root;
};

static void parse_guarded(void *context)
{
    struct parsing *parsing = context;
    parsing->root = json_loadb(parsing->text.data ? parsing->text.data : "", parsing->text.len,
                               JSON_REJECT_DUPLICATES, NULL);
}

/* NULL: it is no JSON, or memory is out. */
static json_t *parse(struct slice json)
{
    struct parsing parsing = {.text = json};
    return json.len <= ANSWER_MAX && guarded_run(parse_guarded, &parsing) ? parsing.root : NULL;
}

/* A stream sequence: 1 and up. jansson's integers end at 2^63 - 1, which no stream reaches. */
static bool read_seq(const json_t *object, const char *name, uint64_t *ret_seq)
{
    const json_t *value = json_object_get(object, name);

    if (!json_is_integer(value) || json_integer_value(value) <= 0)
        return false;
    *ret_seq = (uint64_t)json_integer_value(value);
    return true;
}

static enum bus_store_status store_error_status(long long err_code, long long code)
{
    for (size_t i = 0; i < sizeof store_errors / sizeof store_errors[0]; i++)
        if (store_errors[i].code == err_code)
            return store_errors[i].status;
    /* A proposal that the RAFT layer refused has a code and no err_code (server/jetstream_cluster.go,
     * processClusteredInboundMsg). */
    if (err_code == 0 && code == 503)
        return BUS_UNAVAILABLE;
    return BUS_UNKNOWN;
}

static void decode_store_error(const json_t *error, struct jetstream_store_answer *answer)
{
    long long err_code = json_integer_value(json_object_get(error, "err_code"));
    long long code = json_integer_value(json_object_get(error, "code"));
    const char *description = json_string_value(json_object_get(error, "description"));

    answer->status = store_error_status(err_code, code);
    snprintf(answer->problem, sizeof answer->problem, "%.120s (%lld)", description ? description : "error",
             err_code ? err_code : code);
}

void jetstream_decode_store(struct slice json, const char *stream, struct jetstream_store_answer *ret_answer)
{
    struct jetstream_store_answer answer = {.status = BUS_UNKNOWN};
    json_t *root = parse(json);
    const json_t *error = json_object_get(root, "error");
    const char *name = json_string_value(json_object_get(root, "stream"));
    uint64_t seq;

    if (error) {
        decode_store_error(error, &answer);
    } else if (!name || strcmp(name, stream) != 0) {
        snprintf(answer.problem, sizeof answer.problem, "the answer is not one of stream %.64s", stream);
    } else if (!read_seq(root, "seq", &seq)) {
        snprintf(answer.problem, sizeof answer.problem, "the answer has no sequence");
    } else {
        answer.status = json_is_true(json_object_get(root, "duplicate")) ? BUS_DUPLICATE : BUS_STORED;
        answer.stream_seq = seq;
    }
    json_decref(root);
    *ret_answer = answer;
}

/* Requests are not made by jansson, whose integers are signed. */
static void append_subject(const char *name, const char *subject, struct buffer *out)
{
    struct slice rest = slice_of(subject);
    char unit[TEXT_UNIT_SIZE];

    buffer_appendf(out, "\"%s\":\"", name);
    while (rest.len > 0) {
        size_t used = text_escape(rest, unit);
        buffer_append_text(out, unit);
        rest = (struct slice){rest.data + used, rest.len - used};
    }
    buffer_append_text(out, "\"}");
}

void jetstream_encode_last(const char *subject, struct buffer *out)
{
    buffer_append_char(out, '{');
    append_subject("last_by_subj", subject, out);
}

void jetstream_encode_next(const char *subject, uint64_t from, struct buffer *out)
{
    buffer_appendf(out, "{\"seq\":%llu,", (unsigned long long)from);
    append_subject("next_by_subj", subject, out);
}

void jetstream_encode_at(uint64_t seq, struct buffer *out)
{
    buffer_appendf(out, "{\"seq\":%llu}", (unsigned long long)seq);
}

/* Go encodes []byte as padded standard base64, and leaves an empty one out (encoding/json; "omitempty"). */
static bool decode_data(const json_t *message, struct jetstream_last_answer *answer)
{
    const json_t *value = json_object_get(message, "data");
    size_t len = json_string_length(value);

    if (value && !json_is_string(value))
        return false;
    char *data = malloc(len / 4 * 3 + 1);
    if (!data)
        return false;
    if (sodium_base642bin((unsigned char *)data, len / 4 * 3, value ? json_string_value(value) : "", len,
                          NULL, &answer->data_len, NULL, sodium_base64_VARIANT_ORIGINAL) != 0) {
        free(data);
        return false;
    }
    answer->data = data;
    return true;
}

/* `seq` 0: the server chose among the messages of `subject`. */
static enum bus_last_status decode_message(const json_t *message, const char *subject, uint64_t seq,
                                           struct jetstream_last_answer *answer)
{
    const char *name = json_string_value(json_object_get(message, "subject"));

    if (!name || !read_seq(message, "seq", &answer->stream_seq) || (seq && answer->stream_seq != seq))
        return BUS_LAST_UNAVAILABLE;
    if (strcmp(name, subject) != 0)
        return seq ? BUS_LAST_NONE : BUS_LAST_UNAVAILABLE;
    return decode_data(message, answer) ? BUS_LAST_FOUND : BUS_LAST_UNAVAILABLE;
}

static void decode_get(struct slice json, const char *subject, uint64_t seq,
                       struct jetstream_last_answer *ret_answer)
{
    struct jetstream_last_answer answer = {.status = BUS_LAST_UNAVAILABLE};
    json_t *root = parse(json);
    const json_t *error = json_object_get(root, "error");

    if (json_integer_value(json_object_get(error, "err_code")) == ERR_CODE_NO_MESSAGE)
        answer.status = BUS_LAST_NONE;
    else if (!error)
        answer.status = decode_message(json_object_get(root, "message"), subject, seq, &answer);
    if (answer.status != BUS_LAST_FOUND)
        answer = (struct jetstream_last_answer){.status = answer.status};
    json_decref(root);
    *ret_answer = answer;
}

void jetstream_decode_last(struct slice json, const char *subject, struct jetstream_last_answer *ret_answer)
{
    decode_get(json, subject, 0, ret_answer);
}

void jetstream_decode_at(struct slice json, const char *subject, uint64_t seq,
                         struct jetstream_last_answer *ret_answer)
{
    decode_get(json, subject, seq, ret_answer);
}

/* A status alone does not tell: publishers may store a header of that name. Every message has all three of
 * the others, and an answer without a message has none (server/stream.go, getDirectRequest). */
enum bus_last_status jetstream_judge_direct(const struct jetstream_direct_headers *headers,
                                            const char *stream, const char *subject, uint64_t seq)
{
    char wanted[24];

    if (!headers->stream && !headers->subject && !headers->sequence)
        return headers->status && strcmp(headers->status, "404") == 0 ? BUS_LAST_NONE : BUS_LAST_UNAVAILABLE;
    if (!headers->stream || !headers->subject || !headers->sequence)
        return BUS_LAST_UNAVAILABLE;
    snprintf(wanted, sizeof wanted, "%llu", (unsigned long long)seq);
    if (strcmp(headers->stream, stream) != 0 || strcmp(headers->sequence, wanted) != 0)
        return BUS_LAST_UNAVAILABLE;
    return strcmp(headers->subject, subject) == 0 ? BUS_LAST_FOUND : BUS_LAST_NONE;
}

/* Go writes times as RFC 3339: "2026-11-25T14:00:00.123456789Z". */
static bool read_second(const char *text, uint64_t *ret_second)
{
    uint64_t ms;

    if (!text || rfc3339_read(slice_of(text), &ms) != ERR_OK || ms < MS_PER_S)
        return false;
    *ret_second = ms / MS_PER_S;
    return true;
}

/* The leader tells when it last heard of each follower ("active", nanoseconds; server/monitor.go, PeerInfo).
 * A stream with one replica has none. */
static bool has_quorum(const json_t *replicas)
{
    size_t heard = 0, i;
    const json_t *replica;

    json_array_foreach(replicas, i, replica)
    {
        const json_t *active = json_object_get(replica, "active");
        heard += !json_is_true(json_object_get(replica, "offline")) && json_is_integer(active) &&
                 json_integer_value(active) < FOLLOWER_SILENT_NS;
    }
    return 2 * (heard + 1) > json_array_size(replicas) + 1;
}

bool jetstream_decode_extent(struct slice json, struct bus_extent *ret_extent, bool *ret_is_no_stream)
{
    json_t *root = parse(json);
    const json_t *state = json_object_get(root, "state"), *error = json_object_get(root, "error");
    const json_t *first = json_object_get(state, "first_seq"), *last = json_object_get(state, "last_seq");
    struct bus_extent extent;
    bool good = !error && json_is_integer(first) && json_is_integer(last) && json_integer_value(first) >= 0 &&
                json_integer_value(last) >= 0 &&
                read_second(json_string_value(json_object_get(root, "created")), &extent.created_s);

    if (good) {
        extent.first_seq = (uint64_t)json_integer_value(first);
        extent.last_seq = (uint64_t)json_integer_value(last);
        extent.has_quorum = has_quorum(json_object_get(json_object_get(root, "cluster"), "replicas"));
        *ret_extent = extent;
    }
    *ret_is_no_stream = json_integer_value(json_object_get(error, "err_code")) == ERR_CODE_STREAM_NOT_FOUND;
    json_decref(root);
    return good;
}
