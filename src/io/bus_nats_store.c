/* Store and get, requests to JetStream, and ask, to anybody: answered to one inbox subscription,
 * "_INBOX.<random>.<token>". */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus_nats.h"
#include "jetstream_api.h"

#define GET_BODY_MAX 2048

/* --- answers --- */

static void answer_store(struct bus_nats *bus, struct request *request, struct slice data, bool nobody)
{
    struct jetstream_store_answer answer = {.status = BUS_UNAVAILABLE};

    if (nobody)
        strcpy(answer.problem, "no stream takes this subject now");
    else
        jetstream_decode_store(data, bus->shards.streams[request->shard], &answer);
    struct bus_store_result result = {answer.status, answer.stream_seq, answer.problem};
    request->done.store(request->context, &result);
}

/* Sealed for the subject it was stored on, whatever its shard; that is how it is republished too. One that
 * cannot be opened is there all the same: as one that cannot be decoded. */
static void open_stored(const struct bus_nats *bus, const struct request *request, struct slice *data)
{
    if (!bus_nats_open(bus, slice_of(request->get.subject), data))
        *data = (struct slice){"", 0};
}

/* From the leader, in JSON. "No responders" is empty, which is none. */
static void answer_get(struct bus_nats *bus, struct request *request, struct slice data)
{
    struct jetstream_last_answer answer;

    if (request->get.kind == BUS_GET_EXTENT) {
        struct bus_last_result extent = {.status = BUS_LAST_UNAVAILABLE};
        if (jetstream_decode_extent(data, &extent.extent, &extent.is_no_stream))
            extent.status = BUS_LAST_FOUND;
        request->done.get(request->context, &extent);
        return;
    }
    if (request->get.kind == BUS_GET_AT_LEADER)
        jetstream_decode_at(data, request->place, request->get.seq, &answer);
    else
        jetstream_decode_last(data, request->place, &answer);
    struct bus_last_result result = {
        .status = answer.status, .stream_seq = answer.stream_seq, .data = {answer.data, answer.data_len}};
    if (result.status == BUS_LAST_FOUND)
        open_stored(bus, request, &result.data);
    request->done.get(request->context, &result);
    free(answer.data);
}

/* The last one of that name: a server puts its own headers behind those that were stored with the message
 * (server/stream.go, genHeader). Borrowed from the message. */
static const char *last_header(natsMsg *msg, const char *name)
{
    const char **values = NULL, *last = NULL;
    int count = 0;

    if (natsMsgHeader_Values(msg, name, &values, &count) == NATS_OK && count > 0)
        last = values[count - 1];
    free(values);
    return last;
}

/* From any server: the message as it is, or nothing but a status. */
static void answer_direct(struct bus_nats *bus, struct request *request, struct nats_message *message)
{
    const struct jetstream_direct_headers headers = {.status = last_header(message->msg, "Status"),
                                                     .stream = last_header(message->msg, "Nats-Stream"),
                                                     .subject = last_header(message->msg, "Nats-Subject"),
                                                     .sequence = last_header(message->msg, "Nats-Sequence")};
    struct bus_last_result result = {.status =
                                         jetstream_judge_direct(&headers, bus->shards.streams[request->shard],
                                                                request->place, request->get.seq)};

    if (result.status == BUS_LAST_FOUND) {
        result.stream_seq = request->get.seq;
        result.data = message->base.data;
        open_stored(bus, request, &result.data);
    }
    request->done.get(request->context, &result);
}

static void answer_ask(struct request *request, struct slice data, bool nobody)
{
    struct bus_answer answer = {.status = BUS_ANSWER_GIVEN, .data = data};

    if (nobody)
        answer =
            (struct bus_answer){.status = BUS_ANSWER_NOBODY, .problem = "nobody subscribes to the subject"};
    request->done.ask(request->context, &answer);
}

static uint64_t read_token(struct slice subject, size_t prefix_len)
{
    uint64_t token = 0;

    if (subject.len <= prefix_len + 1 || subject.len > prefix_len + 20)
        return 0;
    for (size_t i = prefix_len + 1; i < subject.len; i++) {
        if (subject.data[i] < '0' || subject.data[i] > '9')
            return 0;
        token = token * 10 + (uint64_t)(subject.data[i] - '0');
    }
    return token;
}

/* "No responders" is an empty message with the status 503: NATS ADR-22 (JetStream publish retries on it). */
void nats_on_answer(void *context, struct bus_message *message)
{
    struct bus_nats *bus = context;
    struct request *request = requests_take(&bus->requests, read_token(message->subject, strlen(bus->inbox)));

    if (request) {
        struct nats_message *answer = (struct nats_message *)message;
        if (request->kind == REQUEST_STORE)
            answer_store(bus, request, message->data, natsMsg_IsNoResponders(answer->msg));
        else if (request->kind == REQUEST_ASK)
            answer_ask(request, message->data, natsMsg_IsNoResponders(answer->msg));
        else if (request->get.kind == BUS_GET_AT_ANY)
            answer_direct(bus, request, answer);
        else
            answer_get(bus, request, message->data);
        request_free(request);
    }
    bus_message_free(&message);
}

/* --- requests --- */

/* What a failed publish tells of the message: NATS_INSUFFICIENT_BUFFER is how nats.c refuses while it
 * reconnects; any error of writing leaves open how much of it went out. */
static void fail(struct bus_nats *bus, uint64_t token, natsStatus status)
{
    enum bus_store_status failure;

    switch (status) {
    case NATS_MAX_PAYLOAD:
        failure = BUS_REFUSED;
        break;
    case NATS_INSUFFICIENT_BUFFER:
    case NATS_CONNECTION_CLOSED:
    case NATS_NO_SERVER_SUPPORT:
        failure = BUS_UNAVAILABLE;
        break;
    default:
        failure = BUS_UNKNOWN;
    }
    requests_fail(&bus->requests, token, failure, natsStatus_GetText(status));
}

#define REPLY_SIZE (sizeof((struct bus_nats *)NULL)->inbox + 22)

static void format_reply(const struct bus_nats *bus, uint64_t token, char *reply)
{
    snprintf(reply, REPLY_SIZE, "%s.%llu", bus->inbox, (unsigned long long)token);
}

/* Headers: https://docs.nats.io/nats-concepts/jetstream/headers. */
static natsStatus publish_store(struct bus_nats *bus, natsConnection *connection,
                                const struct bus_store_request *what, unsigned shard, uint64_t token)
{
    natsMsg *msg = NULL;
    char reply[REPLY_SIZE], expect_last[24];
    natsStatus s = NATS_NO_SERVER_SUPPORT; /* nothing has been sent */

    struct slice data = what->data;
    struct buffer sealed;

    if (data.len > INT32_MAX)
        return NATS_MAX_PAYLOAD;
    if (!bus_nats_seal(bus, what->subject, &data, &sealed)) {
        buffer_fini(&sealed);
        return s;
    }
    format_reply(bus, token, reply);
    snprintf(expect_last, sizeof expect_last, "%llu", (unsigned long long)what->expect_last);
    char *place = bus_shards_place(&bus->shards, shard, what->subject);
    if (place)
        s = natsMsg_Create(&msg, place, reply, data.data, (int)data.len);
    free(place);
    buffer_fini(&sealed);
    if (s == NATS_OK)
        s = natsMsgHeader_Set(msg, "Nats-Msg-Id", what->message_id);
    if (s == NATS_OK)
        s = natsMsgHeader_Set(msg, "Nats-Expected-Stream", bus->shards.streams[shard]);
    if (s == NATS_OK)
        s = natsMsgHeader_Set(msg, "Nats-Expected-Last-Subject-Sequence", expect_last);
    if (s == NATS_OK)
        s = natsConnection_PublishMsg(connection, msg);
    if (msg)
        nats_message_spent(msg);
    return s;
}

void nats_store(struct bus *base, const struct bus_store_request *what, bus_store_done done, void *context)
{
    struct bus_nats *bus = (struct bus_nats *)base;
    unsigned shard = bus_shards_find(&bus->shards, what->subject);
    struct request *request = request_new_store(shard, what->timeout_ms, done, context);

    if (!request) {
        struct bus_store_result result = {.status = BUS_UNAVAILABLE, .problem = "out of memory"};
        done(context, &result);
        return;
    }
    natsConnection *connection = link_get(bus);
    if (!connection) {
        requests_fail_new(&bus->requests, request, BUS_UNAVAILABLE, "not connected");
        return;
    }
    uint64_t token = requests_open(&bus->requests, request); /* from here on others may free it */
    natsStatus s = publish_store(bus, connection, what, shard, token);
    link_put(bus);
    if (s != NATS_OK)
        fail(bus, token, s);
}

static void encode_get(const struct bus_get_request *what, const char *place, struct buffer *body)
{
    switch (what->kind) {
    case BUS_GET_LAST:
        jetstream_encode_last(place, body);
        break;
    case BUS_GET_NEXT:
        jetstream_encode_next(place, what->seq + 1, body);
        break;
    case BUS_GET_AT_ANY:
    case BUS_GET_AT_LEADER:
        jetstream_encode_at(what->seq, body);
        break;
    case BUS_GET_EXTENT:
        break;
    }
}

static natsStatus publish_get(struct bus_nats *bus, natsConnection *connection,
                              const struct bus_get_request *what, uint64_t token)
{
    static const char *const apis[] = {
        [BUS_GET_LAST] = "STREAM.MSG.GET", [BUS_GET_NEXT] = "STREAM.MSG.GET",
        [BUS_GET_AT_ANY] = "DIRECT.GET",   [BUS_GET_AT_LEADER] = "STREAM.MSG.GET",
        [BUS_GET_EXTENT] = "STREAM.INFO",
    };
    char api[160], reply[REPLY_SIZE];
    char *place = bus_shards_place(&bus->shards, what->shard, what->subject);
    struct buffer body;
    natsStatus s = NATS_NO_MEMORY;

    snprintf(api, sizeof api, "$JS.API.%s.%s", apis[what->kind], bus->shards.streams[what->shard]);
    format_reply(bus, token, reply);
    buffer_init(&body, GET_BODY_MAX);
    if (place)
        encode_get(what, place, &body);
    if (place && !buffer_failed(&body))
        s = natsConnection_PublishRequest(connection, api, reply, body.data, (int)body.len);
    buffer_fini(&body);
    free(place);
    return s;
}

void nats_get(struct bus *base, const struct bus_get_request *what, bus_last_done done, void *context)
{
    struct bus_nats *bus = (struct bus_nats *)base;
    char *place = bus_shards_place(&bus->shards, what->shard, what->subject);
    struct request *request = request_new_get(what, place, done, context);

    if (!request) {
        struct bus_last_result result = {.status = BUS_LAST_UNAVAILABLE};
        done(context, &result);
        return;
    }
    natsConnection *connection = link_get(bus);
    if (!connection) {
        requests_fail_new(&bus->requests, request, BUS_UNAVAILABLE, "not connected");
        return;
    }
    uint64_t token = requests_open(&bus->requests, request);
    natsStatus s = publish_get(bus, connection, what, token);
    link_put(bus);
    if (s != NATS_OK)
        fail(bus, token, s);
}

void nats_ask(struct bus *base, const char *subject, struct slice data, uint64_t timeout_ms,
              bus_ask_done done, void *context)
{
    struct bus_nats *bus = (struct bus_nats *)base;
    struct request *request = request_new_ask(timeout_ms, done, context);

    if (!request) {
        struct bus_answer none = {.status = BUS_ANSWER_NONE, .problem = "out of memory"};
        done(context, &none);
        return;
    }
    natsConnection *connection = link_get(bus);
    if (!connection) {
        requests_fail_new(&bus->requests, request, BUS_UNAVAILABLE, "not connected");
        return;
    }
    char reply[REPLY_SIZE];
    uint64_t token = requests_open(&bus->requests, request);
    natsStatus s = NATS_MAX_PAYLOAD;
    format_reply(bus, token, reply);
    if (data.len <= INT32_MAX)
        s = natsConnection_PublishRequest(connection, subject, reply, data.data, (int)data.len);
    link_put(bus);
    if (s != NATS_OK)
        fail(bus, token, s);
}
