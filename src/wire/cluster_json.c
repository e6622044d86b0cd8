#include <roomcast/wire/cluster_json.h>

#include <assert.h>

#include <roomcast/wire/json_text.h>

const char *cluster_json_state(enum heartbeat_state state)
{
    static const char *const names[] = {
        [HEARTBEAT_UNKNOWN] = "unknown", [HEARTBEAT_STARTING] = "starting", [HEARTBEAT_SERVING] = "serving",
        [HEARTBEAT_CUT_OFF] = "cut_off", [HEARTBEAT_ISOLATED] = "isolated", [HEARTBEAT_DRAINING] = "draining",
        [HEARTBEAT_LEAVING] = "leaving",
    };
    assert((unsigned)state < sizeof names / sizeof names[0]);
    return names[state];
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
