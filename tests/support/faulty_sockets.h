/* Sockets that fail: send(), recv(), sendmsg() and accept4() of the whole program, its shared libraries
 * included, behave as a kernel may that is short of something. Link faulty_sockets.c into the test's
 * executable: its definitions come before the C library's. What io_uring is asked to send is cut and refused
 * likewise, where the executable is linked with --wrap=ws_uring_send.
 *
 * Only threads that are not the one that called faulty_sockets_begin() meet faults, so that the client of a
 * test can be trusted. */
#ifndef ROOMCAST_TESTS_FAULTY_SOCKETS_H
#define ROOMCAST_TESTS_FAULTY_SOCKETS_H

#include <stdbool.h>
#include <stdint.h>

struct faulty_sockets {
    unsigned
        per_thousand; /* calls that meet a fault; half of those that transfer bytes are cut short besides */
    bool breaks;      /* also errors that end a connection: ECONNRESET, EPIPE */
};

/* The same seed gives the same decisions in the same order of calls. */
void faulty_sockets_begin(uint64_t seed, const struct faulty_sockets *how);
void faulty_sockets_end(void);
enum faulty_call {
    FAULTY_SEND,         /* with MSG_DONTWAIT: our own */
    FAULTY_LIBRARY_SEND, /* without: a library's; sendmsg() too */
    FAULTY_RECEIVE,
    FAULTY_ACCEPT,
    FAULTY_URING,
    FAULTY_CALLS
};
/* Faults that calls of that kind have met since the start of the program. */
uint64_t faulty_sockets_met(enum faulty_call call);

#endif
