#include <roomcast/wire/subject.h>

#include <assert.h>
#include <string.h>

#include <roomcast/wire/revocation.h>

static const char *const kind_tokens[] = {
    [SUBJECT_EVENT] = ".ev.", [SUBJECT_LIVE] = ".live.", [SUBJECT_SIGNAL] = ".sig."};
static const char *const route_tokens[] = {[ROUTE_TO_CHAT] = "chat.", [ROUTE_TO_USER] = "user."};

#define KIND_COUNT (sizeof kind_tokens / sizeof kind_tokens[0])

static bool is_safe(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' || c == '-';
}

/* `out` has room for 3 * name.len + 1 bytes. */
static void escape(struct slice name, char *out)
{
    static const char hex[] = "0123456789ABCDEF";

    for (size_t i = 0; i < name.len; i++) {
        unsigned char byte = (unsigned char)name.data[i];
        if (is_safe(name.data[i])) {
            *out++ = name.data[i];
        } else {
            *out++ = '=';
            *out++ = hex[byte >> 4];
            *out++ = hex[byte & 0xf];
        }
    }
    *out = '\0';
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Undoes escape(). `name` has ROOM_NAME_MAX bytes. */
static enum err unescape(struct slice text, char *name, size_t *ret_len)
{
    size_t len = 0;

    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (len == ROOM_NAME_MAX)
            return ERR_SYNTAX;
        if (!is_safe(c)) {
            if (c != '=' || text.len - i < 3)
                return ERR_SYNTAX;
            int high = hex_value(text.data[i + 1]), low = hex_value(text.data[i + 2]);
            if (high < 0 || low < 0)
                return ERR_SYNTAX;
            c = (char)(high << 4 | low);
            i += 2;
        }
        name[len++] = c;
    }
    *ret_len = len;
    return ERR_OK;
}

void subject_format(const char *prefix, enum subject_kind kind, const struct room_key *room, char *text)
{
    char *end;

    assert(strlen(prefix) <= SUBJECT_PREFIX_MAX);
    assert(room->route == ROUTE_TO_CHAT || room->route == ROUTE_TO_USER);
    end = stpcpy(text, prefix);
    end = stpcpy(end, kind_tokens[kind]);
    end = stpcpy(end, route_tokens[room->route]);
    escape(room_key_name(room), end);
}

void subject_format_all(const char *prefix, enum subject_kind kind, char *text)
{
    assert(strlen(prefix) <= SUBJECT_PREFIX_MAX);
    strcpy(stpcpy(stpcpy(text, prefix), kind_tokens[kind]), ">");
}

void subject_format_lease(const char *prefix, char *text)
{
    assert(strlen(prefix) <= SUBJECT_PREFIX_MAX);
    strcpy(stpcpy(stpcpy(text, prefix), kind_tokens[SUBJECT_EVENT]), "relay.lease");
}

void subject_format_nodes(const char *prefix, char *text)
{
    assert(strlen(prefix) <= SUBJECT_PREFIX_MAX);
    strcpy(stpcpy(stpcpy(text, prefix), kind_tokens[SUBJECT_SIGNAL]), "nodes");
}

void subject_format_authorize(const char *prefix, char *text)
{
    assert(strlen(prefix) <= SUBJECT_PREFIX_MAX);
    strcpy(stpcpy(text, prefix), ".authz.subscribe");
}

void subject_format_signals(const char *prefix, char *text)
{
    assert(strlen(prefix) <= SUBJECT_PREFIX_MAX);
    strcpy(stpcpy(stpcpy(text, prefix), kind_tokens[SUBJECT_SIGNAL]), "chat");
}

void subject_format_presence(const char *prefix, char *text)
{
    assert(strlen(prefix) <= SUBJECT_PREFIX_MAX);
    strcpy(stpcpy(stpcpy(text, prefix), kind_tokens[SUBJECT_SIGNAL]), "presence");
}

void subject_format_used(const char *prefix, char *text)
{
    assert(strlen(prefix) <= SUBJECT_PREFIX_MAX);
    strcpy(stpcpy(stpcpy(text, prefix), kind_tokens[SUBJECT_SIGNAL]), "used");
}

void subject_format_in_events(const char *prefix, char *text)
{
    assert(strlen(prefix) <= SUBJECT_PREFIX_MAX);
    strcpy(stpcpy(text, prefix), ".in.events");
}

void subject_format_in_revocations(const char *prefix, char *text)
{
    assert(strlen(prefix) <= SUBJECT_PREFIX_MAX);
    strcpy(stpcpy(text, prefix), ".in.revocations");
}

void subject_format_console(const char *prefix, struct slice instance, char *text)
{
    assert(strlen(prefix) <= SUBJECT_PREFIX_MAX && instance.len <= ROOM_NAME_MAX);
    escape(instance, stpcpy(stpcpy(stpcpy(text, prefix), kind_tokens[SUBJECT_SIGNAL]), "console."));
}

void subject_format_revocations(const char *prefix, char *text)
{
    assert(strlen(prefix) <= SUBJECT_PREFIX_MAX);
    strcpy(stpcpy(text, prefix), ".rev");
}

void subject_format_revocation_shard(const char *prefix, enum subject_kind kind, unsigned shard, char *text)
{
    static const char hex[] = "0123456789abcdef";

    assert(shard < REVOCATION_SHARDS);
    subject_format_revocations(prefix, text);
    char *end = stpcpy(stpcpy(text + strlen(text), kind_tokens[kind]), "s.");
    *end++ = hex[shard >> 4];
    *end++ = hex[shard & 0xf];
    *end = '\0';
}

void subject_format_revocation_notice(const char *prefix, char *text)
{
    subject_format_revocations(prefix, text);
    strcat(text, ".sig");
}

static bool take(struct slice *text, const char *token)
{
    size_t len = strlen(token);

    if (text->len < len || !slice_equal((struct slice){text->data, len}, slice_of(token)))
        return false;
    text->data += len;
    text->len -= len;
    return true;
}

static enum err take_kind(struct slice *text, enum subject_kind *ret_kind)
{
    for (size_t kind = 0; kind < KIND_COUNT; kind++) {
        if (take(text, kind_tokens[kind])) {
            *ret_kind = (enum subject_kind)kind;
            return ERR_OK;
        }
    }
    return ERR_SYNTAX;
}

static enum err take_room(struct slice text, struct room_key *ret_room)
{
    bool is_chat = take(&text, route_tokens[ROUTE_TO_CHAT]);
    char name[ROOM_NAME_MAX];
    size_t len;

    if (!is_chat && !take(&text, route_tokens[ROUTE_TO_USER]))
        return ERR_SYNTAX;
    if (unescape(text, name, &len))
        return ERR_SYNTAX;
    struct slice decoded = {name, len};
    enum err err = is_chat ? room_key_for_chat_text(decoded, ret_room) : room_key_for_user(decoded, ret_room);
    return err ? ERR_SYNTAX : ERR_OK;
}

enum err subject_parse(const char *prefix, struct slice subject, enum subject_kind *ret_kind,
                       struct room_key *ret_room)
{
    struct slice rest = subject;
    enum subject_kind kind;
    struct room_key room;
    char again[SUBJECT_SIZE];

    if (!take(&rest, prefix) || take_kind(&rest, &kind) || take_room(rest, &room))
        return ERR_SYNTAX;
    /* One room has one subject: a needless escape or an upper-case UUID would be a second one. */
    subject_format(prefix, kind, &room, again);
    if (!slice_equal(slice_of(again), subject))
        return ERR_SYNTAX;
    *ret_kind = kind;
    *ret_room = room;
    return ERR_OK;
}
