/* The certificate of the listener (tls.cert_file, tls.key_file): loaded at the start, and again when somebody
 * asks for it or when the files have changed, as Kubernetes and certbot change them. What cannot be loaded
 * changes nothing but a counter and a line in the log; open connections keep what they began with. */
#ifndef ROOMCAST_NODE_CERTIFICATE_H
#define ROOMCAST_NODE_CERTIFICATE_H

#include <stdint.h>

#include <roomcast/config/config.h>
#include <roomcast/io/tls.h>

struct certificate;

/* *ret_certificate stays NULL when none is configured: the listener speaks plain HTTP. ERR_CONFIG with
 * `problem` (256 bytes), ERR_NO_MEMORY. */
enum err certificate_new(const struct config *config, struct certificate **ret_certificate,
                         char *problem) MUST_CHECK;
/* Borrowed; NULL of NULL. */
struct tls_identity *certificate_identity(const struct certificate *certificate);
/* Any thread. The next certificate_watch() loads the files, whether they have changed or not. Accepts NULL.
 */
void certificate_ask(struct certificate *certificate);
/* To be called every second or more often, from one thread. Accepts NULL. */
void certificate_watch(struct certificate *certificate, uint64_t now_ms);
/* After every connection. Accepts NULL, nulls. */
void certificate_free(struct certificate **certificate);

#endif
