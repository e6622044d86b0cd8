#include "completion.h"

#include <string.h>

/* Help between single quotes, in a specification of _arguments: brackets and colons end a part of it. */
static void append_help(struct buffer *out, const char *help)
{
    for (; *help; help++) {
        if (*help == '\'')
            buffer_append_text(out, "'\\''");
        else if (strchr("[]:\\", *help))
            buffer_appendf(out, "\\%c", *help);
        else
            buffer_append_char(out, *help);
    }
}

static void write_spec(void *context, const struct command_flag *flag)
{
    struct buffer *out = context;

    buffer_appendf(out, "        '%s%s%s[", flag->value == COMMAND_LIST ? "*" : "", flag->flag,
                   flag->value == COMMAND_NO_VALUE ? "" : "=");
    append_help(out, flag->help);
    buffer_append_char(out, ']');
    if (completion_is_choice(flag->argument)) {
        buffer_append_text(out, ":value:(");
        completion_append_choice(out, flag->argument);
        buffer_append_char(out, ')');
    } else if (flag->value != COMMAND_NO_VALUE) {
        buffer_append_text(out, flag->value == COMMAND_FILE ? ":file:_files" : ":value: ");
    }
    buffer_append_text(out, "'\n");
}

static void write_specs(const struct command *command, struct buffer *out)
{
    if (command->words) {
        buffer_append_text(out, "        '1:word:(");
        completion_append_choice(out, command->words);
        buffer_append_text(out, ")'\n");
    }
    for (size_t i = 0; i < command->flags_count; i++)
        write_spec(out, &command->flags[i]);
}

static void write_command(const struct command *command, struct buffer *out)
{
    buffer_appendf(out, "    %s)\n        shift words\n        ((CURRENT--))\n        specs=(\n",
                   command->name);
    write_specs(command, out);
    buffer_appendf(out, "        )\n        _arguments -S : $specs %s\n        return ;;\n",
                   command->has_options ? "$options" : "'--help[show this text and exit]'");
}

static void write_command_names(const struct manual_program *program, struct buffer *out)
{
    buffer_append_text(out, "    specs+=('1:command:((");
    for (size_t i = 0; program->commands[i]; i++) {
        buffer_appendf(out, "%s%s\\:\"", i > 0 ? " " : "", program->commands[i]->name);
        append_help(out, program->commands[i]->title);
        buffer_append_char(out, '"');
    }
    buffer_append_text(out, "))')\n");
}

void completion_zsh(const struct manual_program *program, struct buffer *out)
{
    buffer_appendf(out, "#compdef %s\n# Completion of %s for zsh, made from its own tables.\n_",
                   program->self->name, program->self->name);
    completion_append_function(out, program);
    buffer_append_text(out, "() {\n    local -a options specs\n    options=(\n");
    if (program->options)
        config_each_flag(program->options, write_spec, out);
    buffer_append_text(out, "    )\n");
    if (program->commands) {
        buffer_append_text(out, "    ((CURRENT > 2)) && case ${words[2]} in\n");
        for (size_t i = 0; program->commands[i]; i++)
            write_command(program->commands[i], out);
        buffer_append_text(out, "    esac\n");
    }
    buffer_append_text(out, "    specs=(\n");
    write_specs(program->self, out);
    buffer_append_text(out, "    )\n");
    if (program->commands)
        write_command_names(program, out);
    buffer_append_text(out, "    _arguments -S : $specs $options\n}\n"
                            "if [[ $funcstack[1] == _");
    completion_append_function(out, program);
    buffer_append_text(out, " ]]; then\n    _");
    completion_append_function(out, program);
    buffer_append_text(out, " \"$@\"\nelse\n    compdef _");
    completion_append_function(out, program);
    buffer_appendf(out, " %s\nfi\n", program->self->name);
}
