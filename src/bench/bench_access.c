#include "bench_access.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <roomcast/base/clock.h>
#include <roomcast/base/random.h>
#include <roomcast/wire/seal.h>

#include "source.h"

#define SECRET_SIZE    256   /* of a file with one */
#define SEAL_WINDOW_MS 60000 /* the generator reads events only, which have no window */

struct bench_access {
    struct bus_nats_access nats;
    struct bus_seal base;
    struct seal *seal;  /* owned; NULL: nothing is sealed */
    const char *prefix; /* borrowed */
    char password[SECRET_SIZE], token[SECRET_SIZE];
};

static const struct bench_access *access_of(const struct bus_seal *base)
{
    return (const struct bench_access *)((const char *)base - offsetof(struct bench_access, base));
}

static bool covers(const struct bus_seal *base, struct slice subject)
{
    return seal_scope(access_of(base)->prefix, subject) != SEAL_FOREIGN;
}

static void put(const struct bus_seal *base, struct slice subject, struct slice data, struct buffer *out)
{
    const struct bench_access *self = access_of(base);

    seal_put(self->seal, self->prefix, subject, clock_wall_ms(), data, out);
}

static bool open_sealed(const struct bus_seal *base, struct slice subject, char *data, size_t len,
                        struct slice *ret_data)
{
    const struct bench_access *self = access_of(base);

    return seal_open(self->seal, self->prefix, subject, clock_wall_ms(), data, len, ret_data) == SEAL_OPENED;
}

static enum err refuse(const char *flag, const char *file, const char *why, char *problem)
{
    snprintf(problem, SOURCE_PROBLEM_SIZE, "%s %.120s: %s", flag, file, why);
    return ERR_CONFIG;
}

/* The first line. `file` NULL: there is none, and `text` is empty. */
static enum err read_secret(const char *flag, const char *file, char text[SECRET_SIZE], char *problem)
{
    text[0] = '\0';
    if (!file)
        return ERR_OK;
    FILE *opened = fopen(file, "re");
    if (!opened)
        return refuse(flag, file, "cannot be read", problem);
    setvbuf(opened, NULL, _IONBF, 0);
    size_t len = fread(text, 1, SECRET_SIZE - 1, opened);
    bool failed = ferror(opened);
    fclose(opened);
    text[len] = '\0';
    text[strcspn(text, "\r\n")] = '\0';
    return failed || text[0] == '\0' ? refuse(flag, file, "holds nothing", problem) : ERR_OK;
}

static enum err make_seal(struct bench_access *access, const struct bench_options *options, char *problem)
{
    static const char flag[] = "--nats-seal-key-file";
    char key[SECRET_SIZE];
    enum err err = read_secret(flag, options->nats_seal_key_file, key, problem);

    if (err != ERR_OK || !options->nats_seal_key_file)
        return err;
    const struct seal_options seal = {
        .mode = (enum seal_mode)options->nats_seal, .key = slice_of(key), .window_ms = SEAL_WINDOW_MS};
    err = seal_new(&seal, &access->seal);
    wipe(key, sizeof key);
    if (err == ERR_CONFIG)
        return refuse(flag, options->nats_seal_key_file, "must hold 32 bytes, as 64 hex digits or base64",
                      problem);
    access->base = (struct bus_seal){.covers = covers, .put = put, .open = open_sealed};
    access->prefix = options->nats_prefix;
    access->nats.seal = &access->base;
    return err;
}

enum err bench_access_new(const struct bench_options *options, struct bench_access **ret_access,
                          char *problem)
{
    struct bench_access *access = calloc(1, sizeof *access);

    if (!access) {
        snprintf(problem, SOURCE_PROBLEM_SIZE, "%s", err_text(ERR_NO_MEMORY));
        return ERR_NO_MEMORY;
    }
    access->nats = options->nats;
    access->nats.password = access->password;
    access->nats.token = access->token;
    enum err err =
        read_secret("--nats-password-file", options->nats_password_file, access->password, problem);
    if (err == ERR_OK)
        err = read_secret("--nats-token-file", options->nats_token_file, access->token, problem);
    if (err == ERR_OK)
        err = make_seal(access, options, problem);
    if (err != ERR_OK)
        bench_access_free(&access);
    else
        *ret_access = access;
    return err;
}

const struct bus_nats_access *bench_access_get(const struct bench_access *access)
{
    return access ? &access->nats : NULL;
}

void bench_access_free(struct bench_access **access)
{
    if (!*access)
        return;
    if ((*access)->seal)
        seal_free(&(*access)->seal);
    wipe(*access, sizeof **access);
    free(*access);
    *access = NULL;
}
