#include "sources.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include <roomcast/base/random.h>

#include "file.h"
#include "show.h"

#define CONFIG_VARIABLE "ROOMCAST_CONFIG"

static void read_override(struct draft *draft, const char *pair)
{
    char key[OPTION_NAME_SIZE];
    const char *equals = strchr(pair, '=');
    bool file = false;

    assert(equals);
    snprintf(key, sizeof key, "%.*s", (int)(equals - pair), pair);
    const struct option *option = option_find(key, option_key, &file);
    assert(option && !file);
    draft_set(draft, option, false, SOURCE_PRESET, slice_of(equals + 1), "preset");
}

void defaults_read(struct draft *draft)
{
    for (size_t i = 0; i < OPTIONS_COUNT; i++)
        draft_set(draft, &options[i], false, SOURCE_DEFAULT, slice_of(options[i].fallback), "default");
    for (const char *const *pair = draft->request->overrides; pair && *pair; pair++)
        read_override(draft, *pair);
}

/* The value of the variable `name`; NULL when it is not set. */
static const char *variable(const struct draft *draft, const char *name)
{
    size_t len = strlen(name);

    for (char **entry = draft->request->environment; entry && *entry; entry++) {
        if (strncmp(*entry, name, len) == 0 && (*entry)[len] == '=')
            return *entry + len + 1;
    }
    return NULL;
}

static void read_variable(struct draft *draft, const struct option *option, bool file)
{
    char name[OPTION_NAME_SIZE], where[OPTION_NAME_SIZE + 16];

    option_variable(option, file, name);
    const char *value = variable(draft, name);
    if (!value)
        return;
    snprintf(where, sizeof where, "environment %s", name);
    draft_set(draft, option, file, SOURCE_ENVIRONMENT, slice_of(value), where);
}

void environment_read(struct draft *draft, struct command *command)
{
    const char *file = variable(draft, CONFIG_VARIABLE);

    if (!command->file && file && file[0])
        command->file = file;
    for (size_t i = 0; i < OPTIONS_COUNT; i++) {
        read_variable(draft, &options[i], false);
        if (options[i].type == OPTION_SECRET)
            read_variable(draft, &options[i], true);
    }
}

static void read_secret_file(struct draft *draft, const struct option *option, const struct setting *file)
{
    char bytes[FILE_SECRET_SIZE], where[PATH_MAX + 16];
    size_t len = 0;
    struct buffer path;

    buffer_init(&path, PATH_MAX);
    show_text(slice_of(file->text), &path);
    const char *shown = buffer_text(&path);
    const char *why = file_read_secret(file->text, bytes, &len);
    snprintf(where, sizeof where, "file %s", shown ? shown : "");
    if (why)
        draft_fault(draft, "%s_file = \"%s\" (from %s): %s", option->key, shown ? shown : "...", file->where,
                    why);
    else
        /* Not by the source that named the file: an empty value from a higher one counts as not given. */
        draft_set(draft, option, false, SOURCE_FLAG, (struct slice){bytes, len}, where);
    wipe(bytes, sizeof bytes);
    buffer_fini(&path);
}

void secret_files_read(struct draft *draft)
{
    for (size_t i = 0; i < OPTIONS_COUNT; i++) {
        const struct setting *file = &draft->secret_files[i], *value = &draft->values[i];
        if (!file->text || !file->text[0] || !(options[i].programs & draft->request->program))
            continue;
        if (value->source > SOURCE_PRESET && value->text[0])
            draft_fault(draft, "%s (from %s) and %s_file (from %s): give only one of them", options[i].key,
                        value->where, options[i].key, file->where);
        else
            read_secret_file(draft, &options[i], file);
    }
}

void host_name_read(struct draft *draft)
{
    struct setting *name = &draft->values[OPTION_node_name];
    char host[HOST_NAME_MAX + 1] = "";

    if (!name->text || name->text[0] || gethostname(host, sizeof host - 1) < 0)
        return;
    draft_set(draft, &options[OPTION_node_name], false, name->source, slice_of(host), "the host name");
}
