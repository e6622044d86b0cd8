#include "options.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <roomcast/bench/bench.h>

#include "marker.h"
#include "scenario.h"

#define RAW_IN_FLIGHT_MAX 64 /* tally.h remembers so many numbers */

enum kind { KIND_TEXT, KIND_COUNT, KIND_REAL, KIND_FLAG, KIND_CHOICE, KIND_PIDS, KIND_ANSWER };

struct row {
    const char *flag, *argument;
    enum kind kind;
    size_t offset;
    double least, most;
    const char *help; /* of a CHOICE: "a|b: ...", its choices first */
};

#define AT(field) offsetof(struct bench_options, field)
static const char target_choices[] = "roomcast|raw-ws", via_choices[] = "nats|redis|typing|target",
                  until_choices[] = "all|one", seal_choices[] = "off|sign|encrypt";

static const struct row rows[] = {
    {"--url", "URL", KIND_TEXT, AT(target.url), 0, 0,
     "where the server listens: ws://host:port/path, or wss:// (its certificate is not checked)"},
    {"--target", target_choices, KIND_CHOICE, AT(target.kind), 0, 0,
     "whose protocol to speak; raw-ws: any server, by the templates below (default roomcast)"},
    {"--jwt-secret", "TEXT", KIND_TEXT, AT(target.jwt_secret), 0, 0,
     "auth.hmac_secret of the node: tokens are made with it"},
    {"--jwt-key", "FILE", KIND_TEXT, AT(target.jwt_key), 0, 0,
     "PEM private key instead: ES256 tokens, for a node with auth.public_key_file"},
    {"--hello", "TEMPLATE", KIND_TEXT, AT(target.hello), 0, 0, "raw-ws: first frame of every connection"},
    {"--hello-answer", "TEXT", KIND_TEXT, AT(target.hello_answer), 0, 0,
     "raw-ws: say nothing after that until a frame has come that begins with TEXT"},
    {"--subscribe", "TEMPLATE", KIND_TEXT, AT(target.subscribe), 0, 0, "raw-ws: frame that joins {room}"},
    {"--publish", "TEMPLATE", KIND_TEXT, AT(target.publish), 0, 0,
     "raw-ws: frame that sends {payload} ({length} bytes) to {room}"},
    {"--subprotocol", "NAME", KIND_TEXT, AT(target.subprotocol), 0, 0,
     "raw-ws: Sec-WebSocket-Protocol to ask for"},
    {"--binary", NULL, KIND_FLAG, AT(target.binary), 0, 0, "raw-ws: send binary frames"},
    {"--answer", "TEXT=REPLY", KIND_ANSWER, AT(target.answer_from), 0, 0,
     "raw-ws: reply to frames that begin with TEXT, as to pings of the server's own"},
    {"--compression", NULL, KIND_FLAG, AT(target.compression), 0, 0,
     "offer permessage-deflate; a server that declines it ends the run"},
    {"--via", via_choices, KIND_CHOICE, AT(via), 0, 0,
     "how events come in; target: by publisher connections (default nats; raw-ws: target)"},
    {"--nats-url", "URL", KIND_TEXT, AT(nats_url), 0, 0, "default nats://127.0.0.1:4222"},
    {"--nats-prefix", "TEXT", KIND_TEXT, AT(nats_prefix), 0, 0, "nats.prefix of the node (default roomcast)"},
    {"--stream-name", "TEXT", KIND_TEXT, AT(stream_name), 0, 0,
     "stream.name of the node (default roomcast_events_1)"},
    {"--stream-shards", "N", KIND_COUNT, AT(stream_shards), 1, BUS_SHARDS_MAX,
     "stream.shards of the node (default 1)"},
    {"--nats-user", "TEXT", KIND_TEXT, AT(nats.user), 0, 0, "as nats.user of a node, and so on"},
    {"--nats-password-file", "FILE", KIND_TEXT, AT(nats_password_file), 0, 0, "of that user"},
    {"--nats-token-file", "FILE", KIND_TEXT, AT(nats_token_file), 0, 0, "instead of a user"},
    {"--nats-credentials-file", "FILE", KIND_TEXT, AT(nats.credentials_file), 0, 0, "instead of a user"},
    {"--nats-nkey-seed-file", "FILE", KIND_TEXT, AT(nats.nkey_seed_file), 0, 0, "instead of a user"},
    {"--nats-ca-file", "FILE", KIND_TEXT, AT(nats.ca_file), 0, 0,
     "PEM of who signs the servers' certificates; with a tls:// --nats-url"},
    {"--nats-cert-file", "FILE", KIND_TEXT, AT(nats.cert_file), 0, 0, "PEM, to show to the servers"},
    {"--nats-key-file", "FILE", KIND_TEXT, AT(nats.key_file), 0, 0, "PEM, its private key"},
    {"--nats-seal", seal_choices, KIND_CHOICE, AT(nats_seal), 0, 0,
     "nats.seal of the node: how events are sealed (default off)"},
    {"--nats-seal-key-file", "FILE", KIND_TEXT, AT(nats_seal_key_file), 0, 0,
     "nats.seal_key_file of the node"},
    {"--redis-url", "URL", KIND_TEXT, AT(redis_url), 0, 0, "default redis://127.0.0.1:6379/0"},
    {"--redis-stream", "NAME", KIND_TEXT, AT(redis_stream), 0, 0,
     "redis.stream of the relay (default roomcast:events)"},
    {"--server-pid", "PID[,PID]", KIND_PIDS, AT(server), 0, 0,
     "processes whose CPU time and memory are the server's"},
    {"--bus-pid", "PID[,PID]", KIND_PIDS, AT(bus), 0, 0,
     "churn: processes of nats-server, whose CPU time is told apart"},
    {"--rooms", "N", KIND_COUNT, AT(rooms), 1, 100000, "rooms (default 1)"},
    {"--members", "N", KIND_COUNT, AT(members), 1, 1000000, "members of each room (default 100)"},
    {"--connections", "N", KIND_COUNT, AT(connections), 1, 1000000,
     "connections that share the memberships (default rooms x members: one room each)"},
    {"--rate", "N", KIND_REAL, AT(rate), 0.001, 1e7,
     "events per second over all rooms, on a schedule (default 100)"},
    {"--burst", "N", KIND_COUNT, AT(burst), 1, 100000,
     "events per tick of that schedule, all into one room (default 1)"},
    {"--in-flight", "N", KIND_COUNT, AT(in_flight), 1, 4096,
     "instead of a schedule: N publishers, each sending its next event when its last has arrived"},
    {"--until", until_choices, KIND_CHOICE, AT(until), 0, 0,
     "when an event has arrived: at all members, or at one (default all)"},
    {"--hops", NULL, KIND_FLAG, AT(hops), 0, 0,
     "fanout --via redis: where the time goes, from XADD over the relay, NATS (--nats-url) and the node to "
     "the "
     "last member"},
    {"--payload", "BYTES", KIND_COUNT, AT(payload), MARKER_LEN + 8, 65536,
     "of an event's data (default 200)"},
    {"--duration", "S", KIND_REAL, AT(duration_s), 0.01, 86400, "measured seconds (default 10)"},
    {"--warmup", "S", KIND_REAL, AT(warmup_s), 0, 3600, "seconds of the same load before (default 2)"},
    {"--settle", "S", KIND_REAL, AT(settle_s), 0, 600,
     "rest between joining and the first event (default 0.5)"},
    {"--drain", "S", KIND_REAL, AT(drain_s), 0, 600,
     "wait for the last deliveries without any progress (default 5)"},
    {"--events", "N", KIND_COUNT, AT(events), 1, 1e9,
     "fanout: exactly N events and no warm-up, instead of --duration"},
    {"--listen-only", NULL, KIND_FLAG, AT(listen_only), 0, 0,
     "fanout: publish nothing, expect the --events of another roomcast-bench with the same --run, and wait "
     "up to "
     "--duration for the first"},
    {"--run", "N", KIND_COUNT, AT(run), 1, UINT32_MAX,
     "names the rooms: who has the same N has the same rooms (default: at random)"},
    {"--threads", "N", KIND_COUNT, AT(threads), 1, 16, "receiving threads of the generator (default 1)"},
    {"--opening", "N", KIND_COUNT, AT(opening), 1, 100000,
     "connections being opened at a time, per thread (default 64)"},
    {"--rounds", "N", KIND_COUNT, AT(rounds), 1, 1000,
     "connect: times that all connections are opened (default 1)"},
    {"--busy", "N", KIND_COUNT, AT(busy), 0, 100000,
     "idle: then send N events to every room, rest, and look at the memory again (default 0)"},
    {"--stalled", "N", KIND_COUNT, AT(stalled), 0, 10000,
     "slow: members of the first room that read nothing (default 1)"},
    {"--hot", "N", KIND_COUNT, AT(hot), 0, 1000000,
     "slow: members of another room, which is loaded without pause (default 0)"},
    {"--hot-in-flight", "N", KIND_COUNT, AT(hot_in_flight), 1, 1024,
     "slow: publishers of that room (default 4)"},
    {"--churners", "N", KIND_COUNT, AT(churners), 1, 100000,
     "churn: connections that join new rooms and leave them again (default 1000)"},
    {"--join-rate", "N", KIND_REAL, AT(join_rate), 0.001, 1e6,
     "churn: joins per second, all of different rooms, and as many leaves (default 1000)"},
    {"--period", "S", KIND_REAL, AT(period_s), 0.1, 86400,
     "jitter: each connection lives about so long (default 15)"},
    {"--offline", "S", KIND_REAL, AT(offline_s), 0, 3600, "jitter: and is away for so long (default 2)"},
    {"--command", "TEXT", KIND_TEXT, AT(command), 0, 0,
     "avalanche: shell command that ends the connections, as one that restarts the node (default: they are "
     "cut here)"},
    {"--json", "FILE|-", KIND_TEXT, AT(json), 0, 0, "append the result as one line of JSON"},
    {"--svg", "FILE", KIND_TEXT, AT(svg), 0, 0, "draw the latency percentiles"},
};
#define ROW_COUNT (sizeof rows / sizeof rows[0])

/* What stands behind the options, in --help and in the manual. */
static const char notes[] =
    "Templates know {room}, {payload}, {length}, {id} (no other frame of a connection has it; from 1 on) "
    "and\n"
    "the escapes \\r \\n \\t \\0 \\\\; TEXT and REPLY of a raw-ws target know these escapes.\n"
    "Exit status: 0; 1 when something was lost, came twice or out of order; 2 for wrong use or a server "
    "that\n"
    "cannot be reached. What is measured where: tests/bench/README.md.";

static void print_help(FILE *output)
{
    fputs("roomcast-bench: load for roomcast and for other WebSocket servers, measured at both ends\n\n"
          "usage: roomcast-bench SCENARIO --url ws://host:port/path [options]\n\n",
          output);
    for (size_t i = 0; i < scenario_count; i++)
        fprintf(output, "  %-9s %s\n", scenarios[i].name, scenarios[i].help);
    fputc('\n', output);
    for (size_t i = 0; i < ROW_COUNT; i++)
        fprintf(output, "  %s %s\n        %s\n", rows[i].flag, rows[i].argument ? rows[i].argument : "",
                rows[i].help);
    fprintf(output, "\n%s\n", notes);
}

#define WORDS_SIZE 256
#define NOTES_SIZE 4096

/* The scenarios, and what stands in --help. */
static const char *manual_notes(void)
{
    static char text[NOTES_SIZE];
    size_t len = 0;

    for (size_t i = 0; i < scenario_count && len < sizeof text; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "The scenario %s: %s.\n\n", scenarios[i].name,
                                scenarios[i].help);
    if (len < sizeof text)
        snprintf(text + len, sizeof text - len, "%s", notes);
    return text;
}

/* The scenarios, "fanout|idle". */
static const char *scenario_words(void)
{
    static char words[WORDS_SIZE];
    size_t len = 0;

    for (size_t i = 0; i < scenario_count && len < sizeof words; i++)
        len += (size_t)snprintf(words + len, sizeof words - len, "%s%s", i > 0 ? "|" : "", scenarios[i].name);
    return words;
}

static struct command_flag describe(const struct row *row)
{
    bool is_file = row->argument && strcmp(row->argument, "FILE") == 0;
    return (struct command_flag){
        .flag = row->flag,
        .value = row->kind == KIND_FLAG ? COMMAND_NO_VALUE
                 : is_file              ? COMMAND_FILE
                                        : COMMAND_TEXT,
        .argument = row->argument,
        .help = row->help,
    };
}

const struct command *bench_command(void)
{
    static struct command_flag flags[ROW_COUNT];
    static struct command command;

    for (size_t i = 0; i < ROW_COUNT; i++)
        flags[i] = describe(&rows[i]);
    command = (struct command){
        .name = "roomcast-bench",
        .title = "load for roomcast and for other WebSocket servers, measured at both ends",
        .usage = "SCENARIO --url ws://host:port/path [options]",
        .flags = flags,
        .flags_count = ROW_COUNT,
        .words = scenario_words(),
        .notes = manual_notes(),
    };
    return &command;
}

static int choice_of(const char *choices, const char *value)
{
    size_t len = strlen(value);
    for (int index = 0;; index++, choices++) {
        size_t choice_len = strcspn(choices, "|");
        if (choice_len == len && memcmp(choices, value, len) == 0)
            return index;
        choices += choice_len;
        if (*choices == '\0')
            return -1;
    }
}

static bool parse_number(const struct row *row, const char *value, double *ret_number, FILE *errors)
{
    char *end;
    double number = strtod(value, &end);

    if (end == value || *end != '\0' || !(number >= row->least && number <= row->most) ||
        (row->kind == KIND_COUNT && floor(number) != number)) {
        fprintf(errors, "roomcast-bench: %s %s: must be a %snumber from %.10g to %.10g\n", row->flag, value,
                row->kind == KIND_COUNT ? "whole " : "", row->least, row->most);
        return false;
    }
    *ret_number = number;
    return true;
}

static bool set_pids(const char *flag, const char *value, struct proc_set *set, FILE *errors)
{
    enum err err = proc_set_parse(value, set);
    if (err)
        fprintf(errors, "roomcast-bench: %s %s: %s\n", flag, value,
                err == ERR_MISSING ? "there is no such process"
                                   : "must be up to 16 process ids, comma-separated");
    return err == ERR_OK;
}

/* Splits the argument where it stands: it is ours to write to. */
static bool set_answer(char *value, struct target_options *target, FILE *errors)
{
    char *equals = strchr(value, '=');
    if (!equals || equals == value) {
        fputs("roomcast-bench: --answer: must be TEXT=REPLY\n", errors);
        return false;
    }
    *equals = '\0';
    target->answer_from = value;
    target->answer_to = equals + 1;
    return true;
}

static bool set(const struct row *row, char *value, struct bench_options *options, FILE *errors)
{
    void *field = (char *)options + row->offset;
    double number = 0;
    int choice;

    switch (row->kind) {
    case KIND_TEXT:
        *(const char **)field = value;
        return true;
    case KIND_FLAG:
        *(bool *)field = true;
        return true;
    case KIND_PIDS:
        return set_pids(row->flag, value, field, errors);
    case KIND_ANSWER:
        return set_answer(value, &options->target, errors);
    case KIND_CHOICE:
        choice = choice_of(row->argument, value);
        if (choice < 0)
            fprintf(errors, "roomcast-bench: %s %s: must be one of %s\n", row->flag, value, row->argument);
        else
            *(unsigned *)field = (unsigned)choice;
        return choice >= 0;
    case KIND_COUNT:
    case KIND_REAL:
        if (!parse_number(row, value, &number, errors))
            return false;
        if (row->kind == KIND_COUNT)
            *(uint64_t *)field = (uint64_t)number;
        else
            *(double *)field = number;
        return true;
    }
    return false;
}

static const struct row *find(const char *argument, size_t *ret_len)
{
    for (size_t i = 0; i < ROW_COUNT; i++) {
        size_t len = strlen(rows[i].flag);
        if (strncmp(argument, rows[i].flag, len) == 0 && (argument[len] == '\0' || argument[len] == '=')) {
            *ret_len = len;
            return &rows[i];
        }
    }
    return NULL;
}

static bool parse_all(int argc, char **argv, struct bench_options *options, FILE *errors)
{
    for (int i = 0; i < argc; i++) {
        size_t len = 0;
        const struct row *row = find(argv[i], &len);
        char *value = NULL;
        if (!row) {
            fprintf(errors, "roomcast-bench: %s is no option (roomcast-bench --help)\n", argv[i]);
            return false;
        }
        if (argv[i][len] == '=') {
            value = argv[i] + len + 1;
        } else if (row->kind != KIND_FLAG) {
            if (++i == argc) {
                fprintf(errors, "roomcast-bench: %s needs %s\n", row->flag, row->argument);
                return false;
            }
            value = argv[i];
        }
        if (!set(row, value, options, errors))
            return false;
    }
    return true;
}

/* What spans several options: NULL or what to change. */
static const char *check(const struct bench_options *options)
{
    const struct scenario *scenario = options->scenario;
    const struct target_options *target = &options->target;
    const bool is_raw = target->kind == TARGET_RAW_WS, publishes = scenario->has_events || options->busy > 0,
               has_words = target->hello || target->hello_answer || target->subscribe || target->publish ||
                           target->subprotocol || target->binary || target->answer_from;
    const struct {
        bool is_wrong;
        const char *advice;
    } rules[] = {
        {!target->url, "--url is missing: where does the server listen?"},
        {!is_raw && !target->jwt_secret && !target->jwt_key,
         "--jwt-secret is missing: the node's auth.hmac_secret, to make tokens with"},
        {!is_raw && has_words,
         "--hello, --subscribe, --publish and what else is a server's own words is for --target raw-ws"},
        {is_raw && scenario->is_roomcast_only,
         "this scenario speaks roomcast's own protocol: it is not for --target raw-ws"},
        {is_raw && publishes && (!target->subscribe || !target->publish),
         "--target raw-ws needs --subscribe and --publish: the server's own words"},
        {is_raw && options->via != VIA_TARGET,
         "--target raw-ws takes its events by --publish: leave out --via"},
        {!is_raw && options->via == VIA_TARGET,
         "--via target is for --target raw-ws: choose nats, redis or typing"},
        {scenario->has_rooms && options->connections > 0 && options->connections < options->members,
         "--connections is below --members: a connection would be in the same room twice"},
        {scenario->run == idle_run && options->server.count == 0,
         "--server-pid is missing: idle tells the memory of that process"},
        {options->hops && (options->via != VIA_REDIS || scenario->run != fanout_run),
         "--hops is for fanout --via redis: only there an event takes all of them"},
        {is_raw && options->in_flight > RAW_IN_FLIGHT_MAX,
         "--in-flight beyond 64 is not for --target raw-ws: a repetition could not be told from a late "
         "event"},
        {options->events > 0 && options->in_flight > 0, "--events is for a schedule: leave out --in-flight"},
        {options->listen_only && (options->events == 0 || options->run == 0),
         "--listen-only needs --events and --run: what to expect, and in which rooms"},
        {options->listen_only && options->via == VIA_TYPING,
         "--listen-only cannot tell whose typing it hears: choose --via nats or redis"},
        {options->nats_seal != 0 && !options->nats_seal_key_file,
         "--nats-seal needs --nats-seal-key-file: the key of the node"},
        {options->rooms * options->members > INT32_MAX, "--rooms x --members is too much"},
    };
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
        if (rules[i].is_wrong)
            return rules[i].advice;
    return NULL;
}

enum options_verdict options_parse(int argc, char **argv, FILE *output, FILE *errors,
                                   struct bench_options *ret_options)
{
    struct bench_options options = {
        .nats_url = "nats://127.0.0.1:4222",
        .nats_prefix = "roomcast",
        .stream_name = "roomcast_events_1",
        .stream_shards = 1,
        .redis_url = "redis://127.0.0.1:6379/0",
        .redis_stream = "roomcast:events",
        .rooms = 1,
        .members = 100,
        .rate = 100,
        .burst = 1,
        .payload = 200,
        .duration_s = 10,
        .warmup_s = 2,
        .settle_s = 0.5,
        .drain_s = 5,
        .threads = 1,
        .opening = 64,
        .rounds = 1,
        .stalled = 1,
        .hot_in_flight = 4,
        .churners = 1000,
        .join_rate = 1000,
        .period_s = 15,
        .offline_s = 2,
    };
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            print_help(output);
            return OPTIONS_DONE;
        }
        if (strcmp(argv[i], "--version") == 0) {
            fprintf(output, "roomcast-bench %s\n", ROOMCAST_VERSION);
            return OPTIONS_DONE;
        }
    }
    if (argc < 1 || argv[0][0] == '-') {
        fputs("roomcast-bench: which scenario? (roomcast-bench --help)\n", errors);
        return OPTIONS_WRONG;
    }
    options.scenario = scenario_find(argv[0]);
    if (!options.scenario) {
        fprintf(errors, "roomcast-bench: %s is no scenario (roomcast-bench --help)\n", argv[0]);
        return OPTIONS_WRONG;
    }
    if (!parse_all(argc - 1, argv + 1, &options, errors))
        return OPTIONS_WRONG;
    if (options.target.kind == TARGET_RAW_WS && options.via == VIA_NATS)
        options.via = VIA_TARGET;
    const char *wrong = check(&options);
    if (wrong) {
        fprintf(errors, "roomcast-bench: %s\n", wrong);
        return OPTIONS_WRONG;
    }
    if (options.connections == 0)
        options.connections = options.rooms * options.members;
    *ret_options = options;
    return OPTIONS_RUN;
}
