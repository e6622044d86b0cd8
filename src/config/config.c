#include <roomcast/config/config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "help.h"
#include "rule.h"
#include "sources.h"
#include "value.h"
#include "yaml_file.h"
#include "yaml_text.h"

#define OUTPUT_MAX (4 * 1024 * 1024) /* bytes of --help or --print-config */

static void read_sources(struct draft *draft, struct command *command)
{
    defaults_read(draft);
    environment_read(draft, command);
    if (command->file)
        yaml_file_read(draft, command->file);
    secret_files_read(draft);
    host_name_read(draft);
}

static void fill_field(struct draft *draft, const struct option *option, struct config *config)
{
    const struct setting *setting = &draft->values[option - options];
    struct buffer rule;

    errno = 0;
    /* Without a text memory ran out, which was reported as a fault. */
    if (!setting->text || value_parse(option, setting->text, config))
        return;
    if (errno == ENOMEM) {
        draft_value_fault(draft, option, "out of memory");
        return;
    }
    buffer_init(&rule, 1024);
    rule_text(option, &rule);
    const char *text = buffer_text(&rule);
    draft_value_fault(draft, option, text ? text : "is not allowed");
    buffer_fini(&rule);
}

/* The finished configuration; NULL when there were faults. */
static struct config *build(struct draft *draft)
{
    struct config *config = calloc(1, sizeof *config);

    if (!config) {
        draft_fault(draft, "out of memory");
        return NULL;
    }
    for (size_t i = 0; i < OPTIONS_COUNT; i++)
        fill_field(draft, &options[i], config);
    if (draft->faults > 0)
        config_free(&config);
    return config;
}

static void take_events(struct draft *draft, struct config *config)
{
    config->events = draft->events;
    config->events_count = draft->events_count;
    draft->events = NULL;
    draft->events_count = 0;
}

/* Fewer than there are when memory is out: those are then not read again. */
static void note_secret_files(const struct draft *draft, struct config *config)
{
    config->secret_files = calloc(OPTIONS_COUNT, sizeof *config->secret_files);
    for (size_t i = 0; i < OPTIONS_COUNT && config->secret_files; i++) {
        const struct setting *file = &draft->secret_files[i];
        char *path = file->text && file->text[0] ? strdup(file->text) : NULL;
        if (path)
            config->secret_files[config->secret_files_count++] =
                (struct config_secret_file){options[i].key, path};
    }
}

static enum config_verdict answer(const struct config_request *request, struct buffer *text)
{
    fwrite(text->data, 1, text->len, request->output);
    enum config_verdict verdict = buffer_failed(text) ? CONFIG_WRONG : CONFIG_DONE;
    buffer_fini(text);
    return verdict;
}

static enum config_verdict answer_help(const struct config_request *request)
{
    struct buffer text;

    buffer_init(&text, OUTPUT_MAX);
    help_text(request, &text);
    return answer(request, &text);
}

/* Before the check of what spans several options: to see an incomplete configuration is what it is for. */
static enum config_verdict answer_effective(const struct draft *draft)
{
    struct buffer text;

    buffer_init(&text, OUTPUT_MAX);
    yaml_text_effective(draft, &text);
    return answer(draft->request, &text);
}

/* Everything after the sources were read: the checks, and what the command line asked for. */
static enum config_verdict conclude(struct draft *draft, const struct command *command, struct config *config)
{
    const struct config_request *request = draft->request;

    if (command->print_config)
        return answer_effective(draft);
    take_events(draft, config);
    note_secret_files(draft, config);
    const char *why = request->check ? request->check(config) : NULL;
    if (why) {
        draft_fault(draft, "%s", why);
        return CONFIG_WRONG;
    }
    if (!command->check_config)
        return CONFIG_RUN;
    char problem[CONFIG_PROBLEM_SIZE];
    if (request->try_out && !request->try_out(config, problem)) {
        draft_fault(draft, "%s", problem);
        return CONFIG_WRONG;
    }
    fputs("configuration is valid\n", request->output);
    return CONFIG_DONE;
}

static enum config_verdict load(struct draft *draft, struct command *command, struct config **ret_config)
{
    read_sources(draft, command);
    struct config *config = build(draft);
    if (!config)
        return CONFIG_WRONG;
    enum config_verdict verdict = conclude(draft, command, config);
    if (verdict == CONFIG_RUN)
        *ret_config = config;
    else
        config_free(&config);
    return verdict;
}

enum config_verdict config_load(const struct config_request *request, struct config **ret_config)
{
    struct draft draft;
    struct command command;
    enum config_verdict verdict;

    draft_init(&draft, request);
    command_line_read(&draft, &command);
    if (command.help) {
        verdict = answer_help(request);
    } else if (command.version) {
        fprintf(request->output, "%s %s\n", request->name, request->version);
        verdict = CONFIG_DONE;
    } else {
        verdict = load(&draft, &command, ret_config);
    }
    draft_fini(&draft);
    return verdict;
}

void config_free(struct config **config)
{
    struct config *gone = *config;

    *config = NULL;
    if (!gone)
        return;
    for (size_t i = 0; i < OPTIONS_COUNT; i++)
        value_free(&options[i], gone);
    for (size_t i = 0; i < gone->events_count; i++) {
        free(gone->events[i].event);
        free(gone->events[i].type);
    }
    free(gone->events);
    for (size_t i = 0; i < gone->secret_files_count; i++)
        free(gone->secret_files[i].path);
    free(gone->secret_files);
    free(gone);
}
