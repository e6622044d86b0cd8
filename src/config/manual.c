#include <roomcast/base/roff.h>

#include "options.h"
#include "rule.h"

static const char *programs_of(const struct option *option)
{
    return option->programs == CONFIG_NODE    ? "roomcast"
           : option->programs == CONFIG_RELAY ? "roomcast-relay"
                                              : "both";
}

static void append_option(const struct option *option, struct buffer *out)
{
    char name[OPTION_NAME_SIZE];

    buffer_append_text(out, ".TP\n.B ");
    roff_append(out, option->key);
    if (option->type == OPTION_SECRET) {
        buffer_append_text(out, "\\fR, \\fB");
        roff_append(out, option->key);
        buffer_append_text(out, "_file");
    }
    buffer_append_char(out, '\n');
    roff_append(out, option->help);
    buffer_append_text(out, ".\n.br\nDefault: ");
    roff_append(out, option->fallback[0] ? option->fallback : "empty");
    buffer_append_text(out, ". Allowed: ");
    struct buffer range;
    buffer_init(&range, 1024);
    rule_range(option, &range);
    roff_append(out, buffer_failed(&range) ? "" : buffer_text(&range));
    buffer_fini(&range);
    buffer_append_text(out, ".\n.br\n");
    option_variable(option, false, name);
    buffer_appendf(out, "Environment: \\fB%s\\fR. Flag: \\fB\\-\\-", name);
    option_flag(option, false, name);
    roff_append(out, name);
    buffer_append_text(out, "\\fR. Read by: ");
    roff_append(out, programs_of(option));
    buffer_append_text(out, ".\n");
}

void config_manual(struct buffer *out)
{
    for (size_t i = 0; i < OPTIONS_COUNT; i++) {
        struct slice group = option_group(&options[i]);
        if (i == 0 || !slice_equal(group, option_group(&options[i - 1])))
            buffer_appendf(out, ".SS %.*s\n", SLICE_FMT(group.len > 0 ? group : SLICE_LITERAL("general")));
        append_option(&options[i], out);
    }
}
