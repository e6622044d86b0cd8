/* GET of one address by HTTPS, or POST to it, again and again (libcurl).
 *
 * TLS 1.2 at least; certificate and host name are checked, always. Redirects are not followed: an address
 * that moves is the operator's to change. Proxies and .netrc of the environment are not used. Limits: `max`
 * bytes of the caller's buffer, and the two times below.
 *
 * Thread: one at a time; blocks. But https_client_stop() from any. */
#ifndef ROOMCAST_IO_HTTPS_CLIENT_H
#define ROOMCAST_IO_HTTPS_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include <roomcast/base/buffer.h>
#include <roomcast/base/err.h>

#define HTTPS_PROBLEM_SIZE 256

struct https_client;

struct https_client_options {
    const char *url;
    const char *ca_file;         /* PEM, of the authorities that are trusted; "": the system's */
    uint64_t connect_timeout_ms; /* name, connection and TLS */
    uint64_t timeout_ms;         /* all of it */
};

struct https_answer {
    unsigned status;        /* HTTP; 0: none came */
    uint64_t retry_after_s; /* Retry-After (RFC 9110 section 10.2.3) in seconds; 0: it does not say */
    bool has_max_age;       /* Cache-Control says how long it is fresh (RFC 9111 section 5.2.2) ... */
    uint64_t max_age_s;     /* ... so long; 0: no-store and no-cache too */
    char problem[HTTPS_PROBLEM_SIZE]; /* on errors: what happened, for the operator */
};

/* NULL: `url` can be fetched. Otherwise a static sentence part that says what is wrong with it: it must be
 * https or http, with a host, without user, password and fragment. */
const char *https_client_fault(const char *url);
/* Is it fetched without TLS from another machine? */
bool https_client_is_exposed(const char *url);

/* On the main thread, before others start. The strings are copied. ERR_NO_MEMORY, ERR_CONFIG. */
enum err https_client_new(const struct https_client_options *options,
                          struct https_client **ret_client) MUST_CHECK;
/* Appends the body of an answer with status 200 to `body`. `ret_answer` is written in any case.
 * ERR_UNAVAILABLE: not reached, or not trusted; ERR_MISMATCH: another status; ERR_TOO_BIG; ERR_TIMEOUT;
 * ERR_BUSY: stopped; ERR_NO_MEMORY. */
enum err https_client_get(struct https_client *client, struct buffer *body,
                          struct https_answer *ret_answer) MUST_CHECK;
/* Sends `content`, which is JSON, with the bearer key `key` (RFC 6750 section 2.1; "": with none). Appends
 * the body of the answer, whatever its status is, to `body`. ERR_CONFIG: the key cannot stand in a header.
 * Other errors as of https_client_get(), but for ERR_MISMATCH. One client either gets or posts. */
enum err https_client_post(struct https_client *client, const char *key, struct slice content,
                           struct buffer *body, struct https_answer *ret_answer) MUST_CHECK;
/* The transfer that is under way ends soon, and every later one at once. */
void https_client_stop(struct https_client *client);
/* Accepts NULL, nulls. */
void https_client_free(struct https_client **client);

#endif
