/* A client for people and scripts: connects, subscribes, prints what it hears, comes back when the connection
 * is lost, and resumes, so that nothing is missing and nothing twice.
 *
 * Thread: main; blocks. */
#ifndef ROOMCAST_LISTEN_LISTEN_H
#define ROOMCAST_LISTEN_LISTEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LISTEN_PROBLEM_SIZE 320

enum listen_form {
    LISTEN_LINES,   /* the frames as they came, a line each: events once each, and neither acks nor pongs */
    LISTEN_RAW,     /* all frames, byte for byte */
    LISTEN_PLAIN,   /* for people */
    LISTEN_COLOURS, /* the same, in colours */
};

struct listen_options {
    const char *const *urls; /* tried in turn */
    size_t urls_count;
    const char *const *chats; /* none: only the user's notifications are heard */
    size_t chats_count;
    const char *since;   /* "epoch:seq", of the one chat; NULL: from now on */
    const char *ca_file; /* of wss://; "": the system's authorities */
    enum listen_form form;
    uint64_t count;     /* of events, after which it ends; 0: never */
    uint64_t timeout_s; /* after which it ends; 0: never */
    /* Asked before each connection, since tokens expire. The caller of it wipes and frees. False, and
     * `problem` (LISTEN_PROBLEM_SIZE): there is none. */
    bool (*get_token)(void *context, char **ret_token, char *problem);
    void *context;
};

enum listen_status {
    LISTEN_DONE = 0,   /* `count` events were heard, or `timeout_s` is over and none were asked for */
    LISTEN_FAILED = 1, /* standard error says why it could not go on, or how many were missing */
    LISTEN_WRONG = 2,  /* the options are wrong, as standard error says */
};

/* Frames go to standard output, what happens to the connection to standard error. */
enum listen_status listen_run(const struct listen_options *options);

#endif
