/* Secrets that have changed in their files since the start. */
#include <roomcast/config/config.h>

#include <roomcast/base/random.h>

#include "file.h"
#include "options.h"
#include "show.h"

#define PROBLEM_SIZE 256
#define PATH_SHOWN   160 /* bytes of a path in a problem */

static const struct config_secret_file *find_file(const struct config *config, const char *key)
{
    for (size_t i = 0; i < config->secret_files_count; i++) {
        if (strcmp(config->secret_files[i].key, key) == 0)
            return &config->secret_files[i];
    }
    return NULL;
}

static enum err say(const struct config_secret_file *file, const char *why, char *problem)
{
    struct buffer path;

    buffer_init(&path, PATH_SHOWN);
    show_text(slice_of(file->path), &path);
    const char *shown = buffer_text(&path);
    snprintf(problem, PROBLEM_SIZE, "%s_file = \"%s\": %s", file->key, shown ? shown : "...", why);
    buffer_fini(&path);
    return ERR_CONFIG;
}

static const char *check_length(const char *key, size_t len)
{
    bool is_file;
    const struct option *option = option_find(key, option_key, &is_file);

    return len > option->max ? "the file is too large" : NULL;
}

enum err config_reread_secret(const struct config *config, const char *key, char **ret_secret, char *problem)
{
    const struct config_secret_file *file = find_file(config, key);
    char bytes[FILE_SECRET_SIZE];
    size_t len = 0;

    if (!file)
        return ERR_MISSING;
    const char *why = file_read_secret(file->path, bytes, &len);
    if (!why)
        why = check_length(key, len);
    char *secret = why ? NULL : secret_copy(bytes, len);
    wipe(bytes, sizeof bytes);
    if (!secret)
        return say(file, why ? why : "out of memory", problem);
    *ret_secret = secret;
    return ERR_OK;
}
