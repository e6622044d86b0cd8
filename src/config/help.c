#include "help.h"

#include "options.h"
#include "rule.h"

static void append_variable(const struct option *option, struct buffer *out)
{
    char name[OPTION_NAME_SIZE];

    option_variable(option, false, name);
    buffer_append_text(out, name);
}

static void append_option(const struct option *option, struct buffer *out)
{
    char name[OPTION_NAME_SIZE];

    option_flag(option, false, name);
    buffer_appendf(out, "  --%s", name);
    if (option->type == OPTION_SECRET)
        buffer_appendf(out, ", --%s-file", name);
    buffer_appendf(out, "\n      %s\n      ", option->help);
    if (option->fallback[0])
        buffer_appendf(out, "default %s; ", option->fallback);
    rule_range(option, out);
    buffer_append_text(out, "; ");
    append_variable(option, out);
    buffer_append_char(out, '\n');
}

/* True for the first option of its group among those of the program. */
static bool opens_group(const struct option *option, enum config_program program)
{
    const struct option *first = options;

    while (!(first->programs & program) || !slice_equal(option_group(first), option_group(option)))
        first++;
    return first == option;
}

static void append_group(struct slice group, enum config_program program, struct buffer *out)
{
    buffer_append_char(out, '\n');
    buffer_append_slice(out, group.len > 0 ? group : SLICE_LITERAL("general"));
    buffer_append_text(out, ":\n");
    for (size_t i = 0; i < OPTIONS_COUNT; i++) {
        if ((options[i].programs & program) && slice_equal(option_group(&options[i]), group))
            append_option(&options[i], out);
    }
}

void help_text(const struct config_request *request, struct buffer *out)
{
    buffer_appendf(out, "%s\n\nUsage: %s [--option=value ...]\n\n", request->summary, request->name);
    buffer_append_text(
        out, "  --config FILE    YAML file with options; also ROOMCAST_CONFIG\n"
             "  --check-config   check the configuration and exit\n"
             "  --print-config   show the effective configuration with the source of each value and exit\n"
             "  --version        show the version and exit\n"
             "  --help           show this text and exit\n\n"
             "Flags come before environment variables, those before the file. In the file an option is\n"
             "called by its name with dots: --nats-url is nats.url, or url below nats.\n");
    for (size_t i = 0; i < OPTIONS_COUNT; i++) {
        if ((options[i].programs & request->program) && opens_group(&options[i], request->program))
            append_group(option_group(&options[i]), request->program, out);
    }
}
