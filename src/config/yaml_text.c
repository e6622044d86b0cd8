#include "yaml_text.h"

#include "rule.h"
#include "show.h"

/* Which mapping the writer stands in. */
struct writer {
    struct buffer *out;
    struct slice group; /* empty: the top level */
};

static void indent(const struct writer *writer)
{
    if (writer->group.len > 0)
        buffer_append_text(writer->out, "    ");
}

/* Rows of one group stand together in the table, so each group is opened once. */
static void enter_group(struct writer *writer, const struct option *option)
{
    struct slice group = option_group(option);

    if (group.len > 0 && !slice_equal(group, writer->group)) {
        buffer_append_slice(writer->out, group);
        buffer_append_text(writer->out, ":\n");
    }
    writer->group = group;
}

/* The option's line up to its value. */
static void write_key(struct writer *writer, const struct option *option, bool commented, bool file)
{
    char key[OPTION_NAME_SIZE];

    option_key(option, file, key);
    indent(writer);
    buffer_append_text(writer->out, commented ? "# " : "");
    buffer_append_text(writer->out, key + (writer->group.len > 0 ? writer->group.len + 1 : 0));
    buffer_append_text(writer->out, ": ");
}

static void write_value(struct writer *writer, const struct option *option, const char *text)
{
    bool plain = option->type == OPTION_INT || option->type == OPTION_DECIMAL ||
                 option->type == OPTION_BOOL || option->type == OPTION_CHOICE;

    if (plain)
        buffer_append_text(writer->out, text);
    else
        show_value(option, text, SIZE_MAX, writer->out);
}

static void write_effective(struct writer *writer, const struct draft *draft, const struct option *option)
{
    const struct setting *value = &draft->values[option - options];
    const struct setting *file = &draft->secret_files[option - options];
    bool secret = option->type == OPTION_SECRET;
    bool from_file = secret && file->text && file->text[0];

    enter_group(writer, option);
    if (from_file) {
        write_key(writer, option, false, true);
        show_quoted(slice_of(file->text), writer->out);
    } else if (secret && !value->text[0]) {
        write_key(writer, option, false, false);
        buffer_append_text(writer->out, "\"\"");
    } else {
        write_key(writer, option, secret, false);
        write_value(writer, option, value->text);
    }
    buffer_appendf(writer->out, "  # %s\n", from_file ? file->where : value->where);
}

static void write_events(const struct draft *draft, struct buffer *out)
{
    if (draft->events_count == 0)
        return;
    buffer_append_text(out, OPTION_EVENTS_KEY ":  # configuration file\n");
    for (size_t i = 0; i < draft->events_count; i++) {
        const struct config_event *row = &draft->events[i];
        buffer_append_text(out, "    - {event: ");
        show_quoted(slice_of(row->event), out);
        buffer_append_text(out, ", type: ");
        show_quoted(slice_of(row->type), out);
        buffer_appendf(out, ", to: %s}\n", row->to_user ? "user" : "chat");
    }
}

void yaml_text_effective(const struct draft *draft, struct buffer *out)
{
    struct writer writer = {.out = out};

    buffer_append_text(out, "# The effective configuration; behind each value its source.\n");
    for (size_t i = 0; i < OPTIONS_COUNT; i++) {
        if (options[i].programs & draft->request->program)
            write_effective(&writer, draft, &options[i]);
    }
    write_events(draft, out);
}

static void write_sample(struct writer *writer, const struct option *option)
{
    bool secret = option->type == OPTION_SECRET;

    enter_group(writer, option);
    indent(writer);
    buffer_appendf(writer->out, "# %s (", option->help);
    rule_range(option, writer->out);
    buffer_append_text(writer->out, ")\n");
    write_key(writer, option, secret, secret);
    buffer_append_text(writer->out, secret ? "\"/path/of/a/file/with/the/secret\"" : "");
    if (!secret)
        write_value(writer, option, option->fallback);
    buffer_append_char(writer->out, '\n');
}

void config_sample(struct buffer *out)
{
    struct writer writer = {.out = out};

    buffer_append_text(out, "# Every option of roomcast and roomcast-relay at its default.\n"
                            "# Environment variables and flags of the same names come before this file.\n");
    for (size_t i = 0; i < OPTIONS_COUNT; i++)
        write_sample(&writer, &options[i]);
    buffer_append_text(out, "# rows added to the built-in event table; `to` is chat or user\n"
                            "# events:\n"
                            "#     - {event: order.shipped, type: order.shipped, to: user}\n");
}
