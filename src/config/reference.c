#include "options.h"
#include "rule.h"

static const char *program_name(enum config_program programs)
{
    return programs == CONFIG_NODE ? "node" : programs == CONFIG_RELAY ? "relay" : "both";
}

/* Text in a cell of a Markdown table, where a bar would end the cell and `*` would set off italics. */
static void append_cell(const char *text, struct buffer *out)
{
    for (; *text; text++) {
        if (*text == '|' || *text == '*' || *text == '<')
            buffer_append_char(out, '\\');
        buffer_append_char(out, *text);
    }
}

static void append_row(const struct option *option, struct buffer *out)
{
    char name[OPTION_NAME_SIZE];

    buffer_appendf(out, "| `%s`", option->key);
    if (option->type == OPTION_SECRET)
        buffer_appendf(out, ", `%s_file`", option->key);
    if (option->fallback[0])
        buffer_appendf(out, " | `%s` | ", option->fallback);
    else
        buffer_append_text(out, " | empty | ");
    rule_range(option, out);
    option_variable(option, false, name);
    buffer_appendf(out, " | `%s` | %s | ", name, program_name(option->programs));
    append_cell(option->help, out);
    buffer_append_text(out, " |\n");
}

void config_reference(struct buffer *out)
{
    buffer_append_text(out, "| Key | Default | Allowed | Environment | Program | Meaning |\n"
                            "|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < OPTIONS_COUNT; i++)
        append_row(&options[i], out);
    buffer_append_text(
        out, "| `" OPTION_EVENTS_KEY "` | empty | list of `{event: NAME, type: NAME, to: chat}`, `to` "
             "being chat or user | file only | both | rows added to the built-in event table; a row "
             "with the same event replaces the built-in one |\n");
}
