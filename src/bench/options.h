/* What `roomcast-bench` was asked for. The rows of options.c are the reference: --help is made from them. */
#ifndef ROOMCAST_BENCH_OPTIONS_H
#define ROOMCAST_BENCH_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <roomcast/io/bus.h>

#include "proc.h"
#include "target.h"

enum via { VIA_NATS, VIA_REDIS, VIA_TYPING, VIA_TARGET };
enum until { UNTIL_ALL, UNTIL_ONE };

struct scenario;
struct bench_access;

struct bench_options {
    const struct scenario *scenario;
    struct target_options target;
    enum via via;
    const char *nats_url, *nats_prefix, *stream_name, *redis_url, *redis_stream;
    struct bus_nats_access nats; /* without password, token and seal */
    const char *nats_password_file, *nats_token_file, *nats_seal_key_file;
    unsigned nats_seal;                /* enum seal_mode */
    const struct bench_access *access; /* borrowed; made of these */
    struct proc_set server, bus;
    uint64_t stream_shards;
    uint64_t rooms, members, connections; /* connections 0: rooms * members */
    double rate;                          /* events/s over all rooms, when in_flight is 0 */
    uint64_t in_flight, burst, payload;
    uint64_t run;    /* names the rooms; 0: at random */
    uint64_t events; /* exactly so many, without a warm-up; 0: for duration_s */
    bool listen_only;
    enum until until;
    bool hops;
    double duration_s, warmup_s, settle_s, drain_s;
    uint64_t threads, opening, rounds, busy, stalled, hot, hot_in_flight;
    uint64_t churners;
    double join_rate; /* per second */
    double period_s, offline_s;
    const char *command;
    const char *json, *svg;
};

enum options_verdict { OPTIONS_RUN, OPTIONS_DONE, OPTIONS_WRONG };
/* Reads the arguments behind the program's name. DONE: --help or --version was answered on `output`. WRONG:
 * `errors` was told what to change. */
enum options_verdict options_parse(int argc, char **argv, FILE *output, FILE *errors,
                                   struct bench_options *ret_options);

#endif
