#include "completion.h"

/* Writes rows of flags, for the command called `scope`. */
struct writer {
    struct buffer *out;
    const char *scope; /* a pattern: "token", "*" */
};

/* What a flag's value may be, as a branch of `case $command,$prev in`. */
static void write_value(void *context, const struct command_flag *flag)
{
    const struct writer *writer = context;

    if (flag->value == COMMAND_NO_VALUE)
        return;
    buffer_appendf(writer->out, "    %s,%s) ", writer->scope, flag->flag);
    if (completion_is_choice(flag->argument)) {
        buffer_append_text(writer->out, "words='");
        completion_append_choice(writer->out, flag->argument);
        buffer_append_text(writer->out, "' ;;\n");
    } else {
        buffer_append_text(writer->out, flag->value == COMMAND_FILE ? "kind=files ;;\n" : "return ;;\n");
    }
}

static void write_name(void *context, const struct command_flag *flag)
{
    const struct writer *writer = context;
    buffer_appendf(writer->out, " %s", flag->flag);
}

static void write_values(const struct manual_program *program, struct buffer *out)
{
    struct writer writer = {.out = out};

    for (size_t i = 0; program->commands && program->commands[i]; i++) {
        const struct command *command = program->commands[i];
        writer.scope = command->name;
        for (size_t j = 0; j < command->flags_count; j++)
            write_value(&writer, &command->flags[j]);
    }
    writer.scope = "";
    for (size_t j = 0; j < program->self->flags_count; j++)
        write_value(&writer, &program->self->flags[j]);
    writer.scope = "*";
    if (program->options)
        config_each_flag(CONFIG_BOTH, write_value, &writer);
}

/* A branch of `case $command in`: what stands without a dash, and the flags. */
static void write_words(const struct command *command, const char *name, const struct manual_program *program,
                        struct buffer *out)
{
    struct writer writer = {.out = out};

    buffer_appendf(out, "    '%s')\n        words='", name);
    if (command->words)
        completion_append_choice(out, command->words);
    for (size_t i = 0; !name[0] && program->commands && program->commands[i]; i++)
        buffer_appendf(out, " %s", program->commands[i]->name);
    buffer_append_text(out, "'\n        flags='");
    for (size_t i = 0; i < command->flags_count; i++)
        write_name(&writer, &command->flags[i]);
    buffer_appendf(out, "'\n        options=%s ;;\n", command->has_options ? "$all" : "--help");
}

static void write_commands(const struct manual_program *program, struct buffer *out)
{
    buffer_append_text(out, "    case ${COMP_WORDS[1]} in\n    ");
    for (size_t i = 0; program->commands && program->commands[i]; i++)
        buffer_appendf(out, "%s%s", i > 0 ? "|" : "", program->commands[i]->name);
    if (program->commands)
        buffer_append_text(out, ") ((COMP_CWORD == 1)) || command=${COMP_WORDS[1]} ;;\n");
    else
        buffer_append_text(out, "*) ;;\n");
    buffer_append_text(out, "    esac\n");
}

void completion_bash(const struct manual_program *program, struct buffer *out)
{
    struct writer writer = {.out = out};
    const char *name = program->self->name;

    buffer_appendf(out, "# Completion of %s for bash, made from its own tables.\n_", name);
    completion_append_function(out, program);
    buffer_append_text(out, "() {\n"
                            "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}\n"
                            "    local command='' words='' flags='' options='' kind='' all='");
    if (program->options)
        config_each_flag(program->options, write_name, &writer);
    /* `--flag=value` comes as three words. */
    buffer_append_text(
        out, "'\n    COMPREPLY=()\n"
             "    if [[ $cur == '=' ]]; then\n        cur=''\n"
             "    elif [[ $prev == '=' ]]; then\n        prev=${COMP_WORDS[COMP_CWORD - 2]}\n    fi\n");
    write_commands(program, out);
    buffer_append_text(out, "    case $command,$prev in\n");
    write_values(program, out);
    buffer_append_text(out,
                       "    *) kind=any ;;\n    esac\n"
                       "    if [[ $kind == files ]]; then\n"
                       "        compopt -o filenames 2>/dev/null\n"
                       "        mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n        return\n    fi\n"
                       "    [[ $kind == any ]] && case $command in\n");
    for (size_t i = 0; program->commands && program->commands[i]; i++)
        write_words(program->commands[i], program->commands[i]->name, program, out);
    write_words(program->self, "", program, out);
    /* All there are only when a flag was begun: they are many. */
    buffer_append_text(out,
                       "    esac\n"
                       "    if [[ $kind == any && $cur == -* ]]; then\n        words=\"$flags $options\"\n"
                       "    elif [[ $kind == any && -z $words ]]; then\n        words=$flags\n    fi\n"
                       "    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n}\ncomplete -F _");
    completion_append_function(out, program);
    buffer_appendf(out, " %s\n", name);
}
