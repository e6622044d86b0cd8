#include "target.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <roomcast/base/clock.h>
#include <roomcast/wire/token.h>

#include "template.h"

#define TOKEN_LIFETIME_S 86400
#define JOIN_FRAME_MAX   32768 /* bytes of one message to the node; its limit is 65536 */
#define KEY_MAX          65536
#define JOIN_CHATS_MAX   128
#define ANSWER_MAX       65536

static enum err resolve(struct target *target, char *port, char *problem)
{
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *found;
    char host[128];

    snprintf(host, sizeof host, "%.*s", (int)(port - target->host), target->host);
    if (getaddrinfo(host, port + 1, &hints, &found)) {
        snprintf(problem, 256, "%s: no IPv4 address found", target->host);
        return ERR_CONFIG;
    }
    memcpy(&target->address, found->ai_addr, sizeof target->address);
    freeaddrinfo(found);
    return ERR_OK;
}

static void expand_answers(struct target *target)
{
    const struct target_options *options = &target->options;
    struct buffer text;

    buffer_init(&target->hello_answer, ANSWER_MAX);
    buffer_init(&target->answer_from, ANSWER_MAX);
    buffer_init(&target->answer, 2 * ANSWER_MAX);
    buffer_init(&text, ANSWER_MAX);
    if (options->hello_answer)
        template_expand(options->hello_answer, NULL, &target->hello_answer);
    if (options->answer_from) {
        template_expand(options->answer_from, NULL, &target->answer_from);
        template_expand(options->answer_to, NULL, &text);
        ws_append_frame(&target->answer, target_opcode(target), buffer_slice(&text));
    }
    buffer_fini(&text);
}

enum err target_init(struct target *target, const struct target_options *options, char *problem)
{
    const char *rest = options->url;

    memset(target, 0, sizeof *target);
    target->options = *options;
    target->is_secured = strncmp(rest, "wss://", 6) == 0;
    if (!target->is_secured && strncmp(rest, "ws://", 5) != 0) {
        snprintf(problem, 256, "--url = \"%s\": must begin with ws:// or wss://", rest);
        return ERR_CONFIG;
    }
    rest += target->is_secured ? 6 : 5;
    size_t len = strcspn(rest, "/");
    if (len >= sizeof target->host) {
        snprintf(problem, 256, "--url: the host is too long");
        return ERR_CONFIG;
    }
    snprintf(target->host, sizeof target->host, "%.*s", (int)len, rest);
    target->path = rest[len] ? rest + len : "/";
    char *port = strrchr(target->host, ':');
    if (!port) {
        snprintf(problem, 256, "--url = \"%s\": the port is missing", options->url);
        return ERR_CONFIG;
    }
    enum err err = resolve(target, port, problem);
    if (!err)
        expand_answers(target);
    return err;
}

static enum err read_key(const char *path, struct buffer *key, char *problem)
{
    FILE *file = fopen(path, "re");
    char bytes[4096];

    if (!file) {
        snprintf(problem, 256, "--jwt-key %s: cannot be read", path);
        return ERR_CONFIG;
    }
    for (size_t got; (got = fread(bytes, 1, sizeof bytes, file)) > 0;)
        buffer_append(key, bytes, got);
    fclose(file);
    return ERR_OK;
}

static enum err mint(const struct target *target, const struct layout *layout, struct slice key,
                     uint32_t index, char **ret_token)
{
    char user[64];
    snprintf(user, sizeof user, "bench-%08x-%u", layout->run, index);
    struct token_mint request = {
        .hmac_secret = slice_of(target->options.jwt_secret),
        .private_key_pem = key,
        .user = user,
        .chats = "*",
        .user_claim = "sub",
        .chats_claim = "chats",
        .issued_at = clock_wall_ms() / 1000,
        .lifetime_s = TOKEN_LIFETIME_S,
    };
    return token_mint(&request, ret_token);
}

enum err target_make_tokens(struct target *target, const struct layout *layout, uint32_t count, char *problem)
{
    struct buffer key;
    enum err err = ERR_OK;

    if (target->options.kind == TARGET_RAW_WS)
        return ERR_OK;
    target->tokens = calloc(count, sizeof *target->tokens);
    if (!target->tokens)
        return ERR_NO_MEMORY;
    target->tokens_count = count;
    buffer_init(&key, KEY_MAX);
    if (target->options.jwt_key)
        err = read_key(target->options.jwt_key, &key, problem);
    for (uint32_t i = 0; i < count && !err; i++) {
        err = mint(target, layout, buffer_slice(&key), i, &target->tokens[i]);
        if (err)
            snprintf(problem, 256,
                     "no token can be made: --jwt-secret has fewer than 32 bytes, or --jwt-key is no P-256 "
                     "private key");
    }
    buffer_fini(&key);
    return err;
}

void target_fini(struct target *target)
{
    for (uint32_t i = 0; i < target->tokens_count; i++)
        free(target->tokens[i]);
    free(target->tokens);
    target->tokens = NULL;
    target->tokens_count = 0;
    buffer_fini(&target->hello_answer);
    buffer_fini(&target->answer_from);
    buffer_fini(&target->answer);
}

void target_append_request(const struct target *target, uint32_t index, struct buffer *out)
{
    const struct ws_request request = {
        .host = slice_of(target->host),
        .path = slice_of(target->path),
        .token = target->tokens ? target->tokens[index] : NULL,
        .subprotocol = target->options.subprotocol,
        .compression = target->options.compression,
    };
    ws_append_request(out, &request);
}

static void append_template(const struct target *target, const char *template,
                            const struct template_values *values, struct buffer *out)
{
    struct buffer text;
    buffer_init(&text, out->max);
    template_expand(template, values, &text);
    ws_append_frame(out, target_opcode(target), buffer_slice(&text));
    buffer_fini(&text);
}

void target_append_hello(const struct target *target, struct buffer *out)
{
    if (target->options.hello)
        append_template(target, target->options.hello, &(struct template_values){.id = TARGET_HELLO_ID}, out);
}

static uint32_t join_raw(const struct target *target, const struct layout *layout, uint32_t room, uint32_t id,
                         struct buffer *out)
{
    char name[UUID_TEXT_SIZE];

    layout_room_name(layout, room, name);
    struct template_values values = {.room = slice_of(name), .id = id};
    if (target->options.subscribe)
        append_template(target, target->options.subscribe, &values, out);
    return 0;
}

uint32_t target_append_join_room(const struct target *target, const struct layout *layout, uint32_t room,
                                 uint32_t id, struct buffer *out)
{
    char name[UUID_TEXT_SIZE], text[128];

    if (target->options.kind == TARGET_RAW_WS)
        return join_raw(target, layout, room, id, out);
    layout_room_name(layout, room, name);
    int len = snprintf(text, sizeof text, "{\"type\":\"subscribe.chat\",\"chat_id\":\"%s\"}", name);
    ws_append_frame(out, WS_TEXT, (struct slice){text, (size_t)len});
    return 1;
}

void target_append_leave_room(const struct layout *layout, uint32_t room, struct buffer *out)
{
    char name[UUID_TEXT_SIZE], text[128];

    layout_room_name(layout, room, name);
    int len = snprintf(text, sizeof text, "{\"type\":\"unsubscribe.chat\",\"chat_id\":\"%s\"}", name);
    ws_append_frame(out, WS_TEXT, (struct slice){text, (size_t)len});
}

/* One message for all rooms of the connection, from membership `from` on. Returns how many it names. */
static uint32_t append_batch(const struct layout *layout, uint32_t from, const struct place *places,
                             struct buffer *out)
{
    struct buffer text;
    uint32_t count = 0;

    buffer_init(&text, JOIN_FRAME_MAX);
    buffer_append_text(&text, "{\"type\":\"subscribe.chat\",\"chats\":[");
    for (uint32_t m = from; m < layout_memberships(layout) && count < JOIN_CHATS_MAX;
         m += layout->connections) {
        char name[UUID_TEXT_SIZE];
        layout_room_name(layout, m / layout->members, name);
        buffer_appendf(&text, "%s{\"chat_id\":\"%s\"", count ? "," : "", name);
        if (places && places[m].epoch[0] != '\0')
            buffer_appendf(&text, ",\"since\":{\"epoch\":\"%s\",\"seq\":%" PRIu64 "}", places[m].epoch,
                           places[m].seq);
        buffer_append_char(&text, '}');
        count++;
    }
    buffer_append_text(&text, "]}");
    ws_append_frame(out, WS_TEXT, buffer_slice(&text));
    buffer_fini(&text);
    return count;
}

uint32_t target_append_join(const struct target *target, const struct layout *layout, uint32_t connection,
                            const struct place *places, struct buffer *out)
{
    uint32_t replies = 0, all = layout_memberships(layout);

    if (target->options.kind == TARGET_RAW_WS) {
        uint32_t id = TARGET_HELLO_ID + 1;
        for (uint32_t m = connection; m < all; m += layout->connections)
            join_raw(target, layout, m / layout->members, id++, out);
        return 0;
    }
    for (uint32_t m = connection; m < all; m += JOIN_CHATS_MAX * layout->connections)
        replies += append_batch(layout, m, places, out);
    return replies;
}

void target_append_publish(const struct target *target, const struct layout *layout, uint32_t room,
                           struct slice payload, uint64_t id, struct buffer *out)
{
    char name[UUID_TEXT_SIZE];

    layout_room_name(layout, room, name);
    struct template_values values = {.room = slice_of(name), .payload = payload, .id = id};
    append_template(target, target->options.publish, &values, out);
}

static bool begins_with_bytes(struct slice text, struct slice prefix)
{
    return prefix.len > 0 && text.len >= prefix.len && memcmp(text.data, prefix.data, prefix.len) == 0;
}

bool target_is_hello_answer(const struct target *target, struct slice text)
{
    return begins_with_bytes(text, buffer_slice(&target->hello_answer));
}

struct slice target_answer(const struct target *target, struct slice text)
{
    bool is_asked = begins_with_bytes(text, buffer_slice(&target->answer_from));
    return is_asked ? buffer_slice(&target->answer) : (struct slice){NULL, 0};
}

static bool begins_with(struct slice text, const char *prefix)
{
    return begins_with_bytes(text, slice_of(prefix));
}

enum target_reply target_read_reply(const struct target *target, struct slice text)
{
    if (target->options.kind == TARGET_RAW_WS)
        return TARGET_REPLY_NONE;
    if (begins_with(text, "{\"type\":\"connected\""))
        return TARGET_REPLY_CONNECTED;
    if (begins_with(text, "{\"type\":\"ack\",\"action\":\"subscribed\""))
        return TARGET_REPLY_JOINED;
    if (begins_with(text, "{\"type\":\"ack\",\"action\":\"unsubscribed\""))
        return TARGET_REPLY_LEFT;
    if (begins_with(text, "{\"type\":\"error\"") || begins_with(text, "{\"type\":\"disconnect\""))
        return TARGET_REPLY_REFUSED;
    return TARGET_REPLY_NONE;
}
