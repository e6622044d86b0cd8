#include "help.h"

#include <string.h>

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

/* Is the key, or its group with the dot, among these words? */
static bool is_named(const char *key, const char *words)
{
    for (size_t len; *words; words += len + (words[len] == ' ')) {
        len = strcspn(words, " ");
        if (strncmp(key, words, len) == 0 && (key[len] == '\0' || words[len - 1] == '.'))
            return true;
    }
    return false;
}

static bool is_listed(const struct option *option, const struct config_request *request)
{
    return (option->programs & request->program) &&
           (!request->listed || is_named(option->key, request->listed));
}

/* True for the first option of its group among those that are listed. */
static bool opens_group(const struct option *option, const struct config_request *request)
{
    const struct option *first = options;

    while (!is_listed(first, request) || !slice_equal(option_group(first), option_group(option)))
        first++;
    return first == option;
}

static void append_group(struct slice group, const struct config_request *request, struct buffer *out)
{
    buffer_append_char(out, '\n');
    buffer_append_slice(out, group.len > 0 ? group : SLICE_LITERAL("general"));
    buffer_append_text(out, ":\n");
    for (size_t i = 0; i < OPTIONS_COUNT; i++) {
        if (is_listed(&options[i], request) && slice_equal(option_group(&options[i]), group))
            append_option(&options[i], out);
    }
}

void help_text(const struct config_request *request, struct buffer *out)
{
    buffer_append_text(out, request->summary);
    buffer_append_text(
        out, "\nOptions, as --name=value or --name value:\n\n"
             "  --config FILE    YAML file with options; also ROOMCAST_CONFIG\n"
             "  --check-config   check the configuration and exit\n"
             "  --print-config   show the effective configuration with the source of each value and exit\n"
             "  --version        show the version and exit\n"
             "  --help           show this text and exit\n\n"
             "A flag wins over an environment variable, and that over the file. In the file an option is\n"
             "called by its name with dots: --nats-url is nats.url, or url below nats.\n");
    if (request->listed)
        buffer_append_text(
            out,
            "Only the options that matter here are listed. All others of roomcast and roomcast-relay are\n"
            "accepted too, so that one file serves everything: see the --help of those.\n");
    for (size_t i = 0; i < OPTIONS_COUNT; i++) {
        if (is_listed(&options[i], request) && opens_group(&options[i], request))
            append_group(option_group(&options[i]), request, out);
    }
}
