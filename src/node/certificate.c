#include "certificate.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <roomcast/base/clock.h>
#include <roomcast/base/log.h>
#include <roomcast/base/metrics.h>

#define PROBLEM_SIZE 256
#define LOOK_MS      1000
#define SOON_S       (7 * 24 * 3600)

/* By which a changed file is recognised, also when a link was changed to lead to another. */
struct version {
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec changed;
};

struct certificate {
    const struct config *config; /* borrowed */
    struct tls_identity *identity;
    atomic_bool is_asked;
    /* of the watching thread */
    struct version loaded[2], seen[2]; /* certificate and key; `seen`: at the last look */
    uint64_t looked_ms;
    bool is_expiry_told;
};

static bool is_same(const struct version *a, const struct version *b)
{
    return a->device == b->device && a->inode == b->inode && a->size == b->size &&
           a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec;
}

static bool are_same(const struct version a[2], const struct version b[2])
{
    return is_same(&a[0], &b[0]) && is_same(&a[1], &b[1]);
}

static struct version look_at(const char *file)
{
    struct stat status;
    if (stat(file, &status) != 0)
        return (struct version){0};
    return (struct version){status.st_dev, status.st_ino, status.st_size, status.st_ctim};
}

static void look(const struct certificate *certificate, struct version ret_versions[2])
{
    ret_versions[0] = look_at(certificate->config->tls_cert_file);
    ret_versions[1] = look_at(certificate->config->tls_key_file);
}

/* Once when the day has come, and at every load from a week before. */
static void tell_expiry(struct certificate *certificate, bool is_fresh)
{
    int64_t left_s = tls_identity_expires_at(certificate->identity) - (int64_t)(clock_wall_ms() / 1000);
    if (left_s > 0 && left_s < SOON_S && is_fresh)
        log_warn("certificate_expires_soon", LOG_TEXT("file", certificate->config->tls_cert_file),
                 LOG_I64("left_s", left_s));
    if (left_s <= 0 && !certificate->is_expiry_told)
        log_error("certificate_expired", LOG_TEXT("file", certificate->config->tls_cert_file),
                  LOG_TEXT("consequence", "clients refuse it: replace the files"));
    certificate->is_expiry_told = left_s <= 0;
}

static void note_loaded(struct certificate *certificate)
{
    int64_t expires_at = tls_identity_expires_at(certificate->identity);
    metrics_inc(METRIC_TLS_LOADS_LOADED);
    metrics_set(METRIC_TLS_CERTIFICATE_EXPIRY, expires_at);
    log_info("certificate_loaded", LOG_TEXT("file", certificate->config->tls_cert_file),
             LOG_I64("expires_at", expires_at));
    certificate->is_expiry_told = false;
    tell_expiry(certificate, true);
}

enum err certificate_new(const struct config *config, struct certificate **ret_certificate, char *problem)
{
    if (config->tls_cert_file[0] == '\0')
        return ERR_OK;
    struct certificate *certificate = calloc(1, sizeof *certificate);
    if (!certificate)
        return ERR_NO_MEMORY;
    certificate->config = config;
    look(certificate, certificate->loaded);
    look(certificate, certificate->seen);
    const struct tls_identity_options options = {
        .cert_file = config->tls_cert_file,
        .key_file = config->tls_key_file,
        .needs_tls13 = config->tls_min_version == TLS_MIN_1_3,
    };
    enum err err = tls_identity_new(&options, &certificate->identity, problem);
    if (err != ERR_OK) {
        certificate_free(&certificate);
        return err;
    }
    note_loaded(certificate);
    *ret_certificate = certificate;
    return ERR_OK;
}

struct tls_identity *certificate_identity(const struct certificate *certificate)
{
    return certificate ? certificate->identity : NULL;
}

void certificate_ask(struct certificate *certificate)
{
    if (certificate)
        atomic_store(&certificate->is_asked, true);
}

static void reload(struct certificate *certificate, const struct version versions[2])
{
    char problem[PROBLEM_SIZE];
    certificate->loaded[0] = versions[0];
    certificate->loaded[1] = versions[1];
    if (tls_identity_reload(certificate->identity, problem) == ERR_OK) {
        note_loaded(certificate);
        return;
    }
    metrics_inc(METRIC_TLS_LOADS_FAILED);
    log_error("certificate_not_loaded", LOG_TEXT("problem", problem),
              LOG_TEXT("consequence", "the one before it stays in use"));
}

void certificate_watch(struct certificate *certificate, uint64_t now_ms)
{
    struct version versions[2];
    if (!certificate)
        return;
    bool is_asked = atomic_exchange(&certificate->is_asked, false);
    if (!is_asked && now_ms - certificate->looked_ms < LOOK_MS)
        return;
    certificate->looked_ms = now_ms;
    look(certificate, versions);
    /* Two files are not replaced in one moment: they are left alone until they have stayed as they are. */
    bool is_changed = !are_same(versions, certificate->loaded) && are_same(versions, certificate->seen);
    certificate->seen[0] = versions[0];
    certificate->seen[1] = versions[1];
    if (is_asked || is_changed)
        reload(certificate, versions);
    tell_expiry(certificate, false);
}

void certificate_free(struct certificate **certificate)
{
    if (!*certificate)
        return;
    tls_identity_free(&(*certificate)->identity);
    free(*certificate);
    *certificate = NULL;
}
