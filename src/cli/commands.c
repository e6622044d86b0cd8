#include "commands.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "completion_command.h"
#include "listen_command.h"
#include "probe_command.h"
#include "process.h"
#include "publish_command.h"
#include "token_command.h"
#include "top_command.h"

#define SUMMARY_MAX 65536

const struct command *const commands[] = {
    &publish_command, &listen_command,     &token_command, &top_command,
    &probe_command,   &completion_command, NULL,
};

const struct command *command_find(const char *name)
{
    for (size_t i = 0; commands[i]; i++) {
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    }
    return NULL;
}

static const struct command_flag *find_flag(const struct command *command, const char *word)
{
    for (size_t i = 0; i < command->flags_count; i++) {
        size_t len = strlen(command->flags[i].flag);
        if (strncmp(word, command->flags[i].flag, len) == 0 && (word[len] == '\0' || word[len] == '='))
            return &command->flags[i];
    }
    return NULL;
}

static bool complain(const struct command *command, const struct command_flag *flag, const char *what)
{
    fprintf(stderr, "roomcast %s: %s %s (roomcast %s --help)\n", command->name, flag->flag, what,
            command->name);
    return false;
}

static bool set_value(const struct command *command, const struct command_flag *flag, void *field,
                      const char *value)
{
    if (flag->value != COMMAND_LIST) {
        *(const char **)field = value;
        return true;
    }
    struct command_list *list = field;
    if (list->count == COMMAND_LIST_MAX)
        return complain(command, flag, "is given too often: 128 times at most");
    list->items[list->count++] = value;
    return true;
}

/* `argv[*index]` is the flag; its value may be the next one, which is then used up. */
static bool take_flag(const struct command *command, const struct command_flag *flag, void *arguments,
                      char **argv, int argc, int *index)
{
    void *field = (char *)arguments + flag->offset;
    const char *equals = argv[*index][strlen(flag->flag)] == '=' ? argv[*index] + strlen(flag->flag) : NULL;

    if (flag->value == COMMAND_NO_VALUE) {
        *(bool *)field = true;
        return equals ? complain(command, flag, "takes no value") : true;
    }
    if (equals)
        return set_value(command, flag, field, equals + 1);
    /* A value that begins with dashes must be given behind '=': more often it was forgotten. */
    if (*index + 1 == argc || strncmp(argv[*index + 1], "--", 2) == 0)
        return complain(command, flag, "needs a value");
    return set_value(command, flag, field, argv[++*index]);
}

bool command_take_flags(const struct command *command, void *arguments, int *argc, char **argv)
{
    int kept = 0;

    for (int i = 0; i < *argc; i++) {
        const struct command_flag *flag = find_flag(command, argv[i]);
        if (!flag)
            argv[kept++] = argv[i];
        else if (!take_flag(command, flag, arguments, argv, *argc, &i))
            return false;
    }
    *argc = kept;
    argv[kept] = NULL;
    return true;
}

static void append_flags(const struct command *command, struct buffer *out)
{
    for (size_t i = 0; i < command->flags_count; i++) {
        const struct command_flag *flag = &command->flags[i];
        int len = snprintf(NULL, 0, "  %s %s", flag->flag, flag->argument ? flag->argument : "");
        buffer_appendf(out, "  %s %s", flag->flag, flag->argument ? flag->argument : "");
        if (len < 24)
            buffer_appendf(out, "%*s%s\n", 24 - len, "", flag->help);
        else
            buffer_appendf(out, "\n%24s%s\n", "", flag->help);
    }
}

/* The lines of `usage` stand below each other. */
static void append_usage(const struct command *command, struct buffer *out)
{
    const char *rest = command->usage;
    buffer_appendf(out, "usage: roomcast %s", command->name);
    for (int indent = 1; *rest; indent = (int)(strlen("usage: roomcast ") + strlen(command->name) + 1)) {
        size_t len = strcspn(rest, "\n");
        buffer_appendf(out, "%*s%.*s\n", indent, "", (int)len, rest);
        rest += len + (rest[len] == '\n');
    }
    if (!command->usage[0])
        buffer_append_char(out, '\n');
}

void command_append_summary(const struct command *command, struct buffer *out)
{
    buffer_appendf(out, "roomcast %s: %s\n\n", command->name, command->title);
    append_usage(command, out);
    buffer_append_char(out, '\n');
    append_flags(command, out);
    if (command->notes[0])
        buffer_appendf(out, "%s%s\n", command->flags_count > 0 ? "\n" : "", command->notes);
}

bool command_parse_number(const struct command *command, const char *flag, const char *text, uint64_t max,
                          uint64_t *ret_number)
{
    char *end;

    if (!text)
        return true;
    unsigned long long value = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || value == 0 || value > max) {
        fprintf(stderr, "roomcast %s: %s = \"%s\": must be a whole number from 1 to %llu\n", command->name,
                flag, text, (unsigned long long)max);
        return false;
    }
    *ret_number = value;
    return true;
}

bool command_configure(const struct command *command, struct config_request request, int argc, char **argv,
                       struct config **ret_config, int *ret_status)
{
    struct buffer summary;
    char name[32];

    buffer_init(&summary, SUMMARY_MAX);
    command_append_summary(command, &summary);
    snprintf(name, sizeof name, "roomcast %s", command->name);
    request.name = name;
    request.summary = buffer_text(&summary);
    request.listed = command->options;
    request.argc = argc;
    request.argv = argv;
    bool is_ready = process_configure(&request, ret_config, ret_status);
    buffer_fini(&summary);
    return is_ready;
}

bool command_answer_help(const struct command *command, int argc, char **argv)
{
    struct buffer summary;

    if (argc == 0 || (strcmp(argv[0], "--help") != 0 && strcmp(argv[0], "-h") != 0))
        return false;
    buffer_init(&summary, SUMMARY_MAX);
    command_append_summary(command, &summary);
    fputs(buffer_text(&summary), stdout);
    buffer_fini(&summary);
    return true;
}
