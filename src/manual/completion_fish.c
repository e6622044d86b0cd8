#include "completion.h"

#include <stdio.h>

struct writer {
    struct buffer *out;
    const char *program;
    const char *condition; /* for -n; "": always */
};

static void append_quoted(struct buffer *out, const char *text)
{
    buffer_append_char(out, '\'');
    for (; *text; text++) {
        if (*text == '\'' || *text == '\\')
            buffer_append_char(out, '\\');
        buffer_append_char(out, *text);
    }
    buffer_append_char(out, '\'');
}

static void begin(const struct writer *writer)
{
    buffer_appendf(writer->out, "complete -c %s", writer->program);
    if (writer->condition[0]) {
        buffer_append_text(writer->out, " -n ");
        append_quoted(writer->out, writer->condition);
    }
}

static void write_flag(void *context, const struct command_flag *flag)
{
    const struct writer *writer = context;

    begin(writer);
    buffer_appendf(writer->out, " -l %s", flag->flag + 2);
    if (flag->value != COMMAND_NO_VALUE)
        buffer_append_text(writer->out, flag->value == COMMAND_FILE ? " -r -F" : " -x");
    if (completion_is_choice(flag->argument)) {
        buffer_append_text(writer->out, " -a '");
        completion_append_choice(writer->out, flag->argument);
        buffer_append_char(writer->out, '\'');
    }
    buffer_append_text(writer->out, " -d ");
    append_quoted(writer->out, flag->help);
    buffer_append_char(writer->out, '\n');
}

static void write_own(const struct command *command, struct writer *writer)
{
    if (command->words) {
        begin(writer);
        buffer_append_text(writer->out, " -a '");
        completion_append_choice(writer->out, command->words);
        buffer_append_text(writer->out, "'\n");
    }
    for (size_t i = 0; i < command->flags_count; i++)
        write_flag(writer, &command->flags[i]);
}

static void write_command(const struct command *command, struct writer *writer)
{
    char condition[96];

    writer->condition = "__fish_use_subcommand";
    begin(writer);
    buffer_appendf(writer->out, " -a %s -d ", command->name);
    append_quoted(writer->out, command->title);
    buffer_append_char(writer->out, '\n');
    snprintf(condition, sizeof condition, "__fish_seen_subcommand_from %s", command->name);
    writer->condition = condition;
    write_own(command, writer);
    writer->condition = "";
}

/* The commands that take no options of the table. */
static void append_bare(const struct manual_program *program, struct buffer *out)
{
    for (size_t i = 0; program->commands && program->commands[i]; i++) {
        if (!program->commands[i]->has_options)
            buffer_appendf(out, " %s", program->commands[i]->name);
    }
}

void completion_fish(const struct manual_program *program, struct buffer *out)
{
    struct writer writer = {.out = out, .program = program->self->name, .condition = ""};
    struct buffer unless;

    buffer_appendf(out, "# Completion of %s for fish, made from its own tables.\ncomplete -c %s -f\n",
                   program->self->name, program->self->name);
    for (size_t i = 0; program->commands && program->commands[i]; i++)
        write_command(program->commands[i], &writer);
    writer.condition = program->commands ? "__fish_use_subcommand" : "";
    write_own(program->self, &writer);
    buffer_init(&unless, 4096);
    if (program->commands) {
        buffer_append_text(&unless, "not __fish_seen_subcommand_from");
        append_bare(program, &unless);
    }
    writer.condition = program->commands && !buffer_failed(&unless) ? buffer_text(&unless) : "";
    if (program->options)
        config_each_flag(program->options, write_flag, &writer);
    buffer_fini(&unless);
}
