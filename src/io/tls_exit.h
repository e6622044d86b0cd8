/* What OpenSSL needs before the process exits, when nats.c was closed in it. */
#ifndef ROOMCAST_SRC_IO_TLS_EXIT_H
#define ROOMCAST_SRC_IO_TLS_EXIT_H

/* nats.c 3.4.1, when it is closed at exit(), frees OpenSSL's list of compression methods (_finalCleanup in
 * nats.c), which is OpenSSL's to free: where OpenSSL was used first, its own cleanup comes later and frees it
 * again. After this neither finds one. Nobody needs it: TLS is not compressed unless OpenSSL is told to.
 *
 * Thread: any, while no other one uses TLS. */
void tls_forget_compression_methods(void);

#endif
