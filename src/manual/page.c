#include <roomcast/manual/manual.h>

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include <roomcast/base/roff.h>

/* The release's; pages do not change between two of them. */
#define DATE "2026-11-26"

static void append_title(struct buffer *out, const char *name, unsigned section)
{
    buffer_append_text(out, ".\\\" Made from the tables of the program; not to be edited.\n.TH ");
    for (const char *c = name; *c; c++) {
        if (*c == '-')
            buffer_append_text(out, "\\-");
        else
            buffer_append_char(out, (char)toupper((unsigned char)*c));
    }
    buffer_appendf(out, " %u " DATE " \"roomcast " ROOMCAST_VERSION "\"\n", section);
}

/* An empty line separates paragraphs. */
static void append_paragraphs(struct buffer *out, const char *text)
{
    char line[1024];

    while (*text) {
        size_t len = 0;
        while (text[len] && text[len] != '\n')
            len++;
        snprintf(line, sizeof line, "%.*s", (int)len, text);
        if (len == 0)
            buffer_append_text(out, ".PP");
        else
            roff_append(out, line);
        buffer_append_char(out, '\n');
        text += len + (text[len] == '\n');
    }
}

static void append_flag(void *context, const struct command_flag *flag)
{
    struct buffer *out = context;

    buffer_append_text(out, ".TP\n.B ");
    roff_append(out, flag->flag);
    if (flag->argument) {
        buffer_append_text(out, " \\fI");
        roff_append(out, flag->argument);
        buffer_append_text(out, "\\fR");
    }
    buffer_append_char(out, '\n');
    roff_append(out, flag->help);
    buffer_append_text(out, ".\n");
}

static void append_flags(const struct command *command, struct buffer *out)
{
    for (size_t i = 0; i < command->flags_count; i++)
        append_flag(out, &command->flags[i]);
}

/* Each way to call it on a line of its own; `*begun`: there is one above. */
static void append_usage(struct buffer *out, const char *program, const struct command *command, bool *begun)
{
    const char *usage = command->usage;

    do {
        char line[512];
        size_t len = strcspn(usage, "\n");
        snprintf(line, sizeof line, "%.*s", (int)len, usage);
        buffer_append_text(out, *begun ? ".br\n.B " : ".B ");
        roff_append(out, program);
        if (command->run)
            buffer_appendf(out, " %s", command->name);
        buffer_append_text(out, "\\fR ");
        roff_append(out, line);
        buffer_append_char(out, '\n');
        usage += len + (usage[len] == '\n');
        *begun = true;
    } while (*usage);
}

static void append_synopsis(const struct manual_program *program, struct buffer *out)
{
    bool begun = false;

    buffer_append_text(out, ".SH SYNOPSIS\n.nh\n.ad l\n");
    append_usage(out, program->self->name, program->self, &begun);
    for (size_t i = 0; program->commands && program->commands[i]; i++)
        append_usage(out, program->self->name, program->commands[i], &begun);
    buffer_append_text(out, ".ad b\n.hy\n");
}

static void append_commands(const struct manual_program *program, struct buffer *out)
{
    buffer_append_text(out, ".SH COMMANDS\n");
    for (size_t i = 0; program->commands[i]; i++) {
        const struct command *command = program->commands[i];
        bool begun = false;
        buffer_appendf(out, ".SS %s\n", command->name);
        append_usage(out, program->self->name, command, &begun);
        buffer_appendf(out, ".PP\n%c", toupper((unsigned char)command->title[0]));
        roff_append(out, command->title + 1);
        buffer_append_text(out, ".\n");
        append_flags(command, out);
        if (command->notes[0]) {
            buffer_append_text(out, ".PP\n");
            append_paragraphs(out, command->notes);
        }
    }
}

static void append_options(const struct manual_program *program, struct buffer *out)
{
    buffer_append_text(out, ".SH OPTIONS\n");
    append_flags(program->self, out);
    if (!program->options)
        return;
    if (program->self->flags_count > 0)
        buffer_append_text(out, ".PP\n");
    buffer_append_text(
        out, "What follows can also be said in the configuration file and by the environment; the\n"
             "default of each, what it allows and its other names are in\n.BR roomcast.yaml (5).\n");
    config_each_flag(program->options, append_flag, out);
}

void manual_page(const struct manual_program *program, struct buffer *out)
{
    append_title(out, program->self->name, 1);
    buffer_append_text(out, ".SH NAME\n");
    roff_append(out, program->self->name);
    buffer_append_text(out, " \\- ");
    roff_append(out, program->self->title);
    buffer_append_char(out, '\n');
    append_synopsis(program, out);
    buffer_append_text(out, ".SH DESCRIPTION\n");
    append_paragraphs(out, program->description);
    if (program->commands)
        append_commands(program, out);
    append_options(program, out);
    if (program->self->notes[0]) {
        buffer_append_text(out, ".SH NOTES\n");
        append_paragraphs(out, program->self->notes);
    }
    buffer_append_text(out, ".SH SEE ALSO\n");
    roff_append(out, program->see_also);
    buffer_append_char(out, '\n');
}

void manual_config_page(struct buffer *out)
{
    append_title(out, "roomcast.yaml", 5);
    buffer_append_text(
        out, ".SH NAME\nroomcast.yaml \\- configuration of roomcast and roomcast\\-relay\n.SH DESCRIPTION\n");
    append_paragraphs(
        out,
        "One file serves both programs; it is named by --config or ROOMCAST_CONFIG, and none is read "
        "without. It is\n"
        "YAML: an option is called by its name with dots, nats.url, or stands as url below nats. Flags come "
        "before\n"
        "environment variables, those before the file. Unknown keys are faults, and all faults are told at "
        "once.\n"
        "\n"
        "A secret may be given by the name of a file that holds it, its key with _file behind; then it "
        "stands\n"
        "neither in the configuration nor in the environment. --check-config checks everything and ends,\n"
        "--print-config shows what is in effect, and where each value comes from.\n");
    buffer_append_text(out, ".SH OPTIONS\n");
    config_manual(out);
    buffer_append_text(
        out, ".SS events\n.TP\n.B events\nA list of rows added to the built\\-in table that says what a "
             "domain event "
             "becomes:\n.BR \"{event: NAME, type: NAME, to: chat}\" ,\nor\n.BR \"to: user\" .\nA row with "
             "the same event "
             "replaces the built\\-in one.\n.SH EXAMPLES\n.nf\nnats:\n  url: [nats://nats\\-0:4222, "
             "nats://nats\\-1:4222]\n"
             "  user: node\n  password_file: /etc/roomcast/nats\\-password\nauth:\n  hmac_secret_file: "
             "/etc/roomcast/hmac\\-secret\nevents:\n  \\- {event: invoice.paid, type: invoice.paid, to: "
             "user}\n.fi\n"
             ".SH SEE ALSO\n.BR roomcast (1),\n.BR roomcast\\-relay (1)\n");
}
