#include <roomcast/wire/cluster_json.h>

#include <assert.h>

#include <string.h>

#include <jansson.h>

#include <roomcast/wire/json_text.h>

#include "json_load.h"

#define DEPTH_MAX 4 /* the document's own is 3 */

static const char *const state_names[] = {
    [HEARTBEAT_UNKNOWN] = "unknown", [HEARTBEAT_STARTING] = "starting", [HEARTBEAT_SERVING] = "serving",
    [HEARTBEAT_CUT_OFF] = "cut_off", [HEARTBEAT_ISOLATED] = "isolated", [HEARTBEAT_DRAINING] = "draining",
    [HEARTBEAT_LEAVING] = "leaving",
};
#define STATES (sizeof state_names / sizeof state_names[0])

const char *cluster_json_state(enum heartbeat_state state)
{
    assert((unsigned)state < STATES);
    return state_names[state];
}

static void member_name(struct buffer *out, const char *name)
{
    buffer_append_text(out, ",\"");
    buffer_append_text(out, name);
    buffer_append_text(out, "\":");
}

static void member_text(struct buffer *out, const char *name, const char *value)
{
    member_name(out, name);
    json_append_string(out, slice_of(value));
}

static void member_u64(struct buffer *out, const char *name, uint64_t value)
{
    member_name(out, name);
    buffer_append_u64(out, value);
}

/* Without the closing brace. */
static void begin_beat(struct buffer *out, const struct heartbeat *beat)
{
    buffer_append_text(out, "{\"instance\":");
    json_append_string(out, slice_of(beat->instance));
    member_text(out, "name", beat->name);
    member_text(out, "kind", beat->kind == HEARTBEAT_OF_RELAY ? "relay" : "node");
    member_text(out, "state", cluster_json_state(beat->state));
    member_text(out, "admin", beat->admin);
    member_text(out, "release", beat->release);
    member_name(out, "active");
    buffer_append_text(out, beat->active ? "true" : "false");
#define WRITE_NUMBER(name) member_u64(out, #name, beat->name);
    CLUSTER_JSON_NUMBERS(WRITE_NUMBER)
#undef WRITE_NUMBER
}

void cluster_json_write(struct buffer *out, const struct heartbeat *self,
                        const struct cluster_member *members, size_t count)
{
    buffer_append_text(out, "{\"self\":");
    begin_beat(out, self);
    buffer_append_text(out, "},\"members\":[");
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buffer_append_char(out, ',');
        begin_beat(out, &members[i].beat);
        member_u64(out, "age_ms", members[i].age_ms);
        buffer_append_char(out, '}');
    }
    buffer_append_text(out, "]}");
}

/* --- reading --- */

/* False: there is none, or it is longer. */
static bool read_text(json_t *object, const char *name, char *text, size_t size)
{
    const char *value = json_string_value(json_object_get(object, name));
    if (!value || strlen(value) >= size)
        return false;
    strcpy(text, value);
    return true;
}

/* Absent is 0, as in the encoding of a beat. */
static uint64_t read_number(json_t *object, const char *name)
{
    json_int_t value = json_integer_value(json_object_get(object, name));
    return value > 0 ? (uint64_t)value : 0;
}

static enum heartbeat_state read_state(json_t *object)
{
    const char *name = json_string_value(json_object_get(object, "state"));
    for (size_t i = 0; name && i < STATES; i++)
        if (strcmp(name, state_names[i]) == 0)
            return (enum heartbeat_state)i;
    return HEARTBEAT_UNKNOWN;
}

static bool read_beat(json_t *object, struct heartbeat *beat)
{
    char kind[8];
    *beat = (struct heartbeat){.state = read_state(object),
                               .active = json_is_true(json_object_get(object, "active"))};
    if (!read_text(object, "kind", kind, sizeof kind) ||
        !read_text(object, "instance", beat->instance, sizeof beat->instance) ||
        !read_text(object, "name", beat->name, sizeof beat->name) ||
        !read_text(object, "admin", beat->admin, sizeof beat->admin) ||
        !read_text(object, "release", beat->release, sizeof beat->release))
        return false;
    if (strcmp(kind, "node") == 0)
        beat->kind = HEARTBEAT_OF_NODE;
    else if (strcmp(kind, "relay") == 0)
        beat->kind = HEARTBEAT_OF_RELAY;
#define READ_NUMBER(field) beat->field = read_number(object, #field);
    CLUSTER_JSON_NUMBERS(READ_NUMBER)
#undef READ_NUMBER
    return heartbeat_is_valid(beat);
}

static void visit_entry(json_t *object, bool is_self, cluster_json_visit *visit, void *context)
{
    struct cluster_member member = {.age_ms = is_self ? 0 : read_number(object, "age_ms")};
    if (read_beat(object, &member.beat))
        visit(context, &member, is_self);
}

enum err cluster_json_read(struct slice text, cluster_json_visit *visit, void *context)
{
    if (json_depth(text, DEPTH_MAX) > DEPTH_MAX)
        return ERR_SYNTAX;
    json_t *document;
    enum err err = json_load(text, JSON_REJECT_DUPLICATES, &document, NULL);
    if (err != ERR_OK)
        return err;
    json_t *self = json_object_get(document, "self"), *members = json_object_get(document, "members");
    if (!json_is_object(self) || !json_is_array(members)) {
        json_decref(document);
        return ERR_SYNTAX;
    }
    visit_entry(self, true, visit, context);
    for (size_t i = 0; i < json_array_size(members); i++)
        visit_entry(json_array_get(members, i), false, visit, context);
    json_decref(document);
    return ERR_OK;
}
