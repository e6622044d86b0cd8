/* The streams' shape. Settings that decide whether anything works (what it holds, where it republishes) must
 * be right; limits may be tuned by operators with `nats stream edit`, so another value is only a warning: a
 * relay that stays down at night because somebody doubled max_age helps nobody. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <roomcast/base/log.h>

#include "bus_nats.h"

#define WAIT_MS      3000
#define SUBJECT_SIZE 96
#define NS_PER_S     INT64_C(1000000000)

/* What we want, with the storage for its subjects. */
struct shape {
    char events[SUBJECT_SIZE], live[SUBJECT_SIZE];
    const char *subjects[1];
    jsRePublish republish;
    jsStreamConfig config;
};

/* JetStream's word for "no limit" is -1; of ours, 0. */
static int64_t limit(uint64_t value)
{
    return value == 0 || value > INT64_MAX ? -1 : (int64_t)value;
}

static int64_t nanoseconds(uint64_t seconds)
{
    return seconds > (uint64_t)(INT64_MAX / NS_PER_S) ? 0 : (int64_t)seconds * NS_PER_S;
}

/* No direct get for mirrors. DenyDelete: a deleted last message would make Nats-Last-Sequence wrong. */
static void make_shape(const struct bus_nats *bus, const struct bus_stream_options *options, unsigned shard,
                       struct shape *shape)
{
    jsStreamConfig *config = &shape->config;

    bus_shards_format_all(&bus->shards, shard, shape->events, sizeof shape->events);
    snprintf(shape->live, sizeof shape->live, "%s.live.>", bus->prefix);
    shape->subjects[0] = shape->events;
    jsRePublish_Init(&shape->republish);
    shape->republish.Source = shape->events;
    shape->republish.Destination = shape->live;
    jsStreamConfig_Init(config);
    config->Name = bus->shards.streams[shard];
    config->Description = "roomcast events";
    config->Subjects = shape->subjects;
    config->SubjectsLen = 1;
    config->Retention = js_LimitsPolicy;
    config->Discard = js_DiscardOld;
    config->Storage = options->in_memory ? js_MemoryStorage : js_FileStorage;
    config->Replicas = options->replicas ? options->replicas : 1;
    config->MaxAge = nanoseconds(options->max_age_s);
    config->MaxBytes = limit(options->max_bytes / bus->shards.count);
    config->MaxMsgsPerSubject = limit(options->max_per_subject);
    config->Duplicates = nanoseconds(options->dedup_s);
    config->DenyDelete = true;
    config->AllowDirect = true;
    config->RePublish = &shape->republish;
}

/* --- comparing --- */

static bool same_text(const char *name, const char *found, const char *wanted, char *problem)
{
    if (found && strcmp(found, wanted) == 0)
        return true;
    snprintf(problem, BUS_PROBLEM_SIZE, "stream setting %s is %.80s, wanted is %.80s", name,
             found ? found : "absent", wanted);
    return false;
}

static const char *name_of(const char *const *names, size_t count, int value)
{
    return value >= 0 && (size_t)value < count ? names[value] : "unknown";
}

static bool same_enums(const jsStreamConfig *found, const jsStreamConfig *wanted, char *problem)
{
    static const char *const retentions[] = {"limits", "interest", "workqueue"};
    static const char *const storages[] = {"file", "memory"};
    static const char *const discards[] = {"old", "new"};

    return same_text("storage", name_of(storages, 2, found->Storage), storages[wanted->Storage], problem) &&
           same_text("retention", name_of(retentions, 3, found->Retention), "limits", problem) &&
           same_text("discard", name_of(discards, 2, found->Discard), "old", problem) &&
           same_text("sealed", found->Sealed ? "true" : "false", "false", problem) &&
           same_text("no_ack", found->NoAck ? "true" : "false", "false", problem) &&
           same_text("mirror", found->Mirror ? "set" : "unset", "unset", problem) &&
           same_text("allow_direct", found->AllowDirect ? "true" : "false", "true", problem);
}

static bool same_shape(const jsStreamConfig *found, const struct shape *shape, char *problem)
{
    const jsRePublish *republish = found->RePublish;

    if (found->SubjectsLen > 1) {
        snprintf(problem, BUS_PROBLEM_SIZE, "stream setting subjects has %d entries, wanted is only %s",
                 found->SubjectsLen, shape->events);
        return false;
    }
    return same_text("subjects", found->SubjectsLen ? found->Subjects[0] : NULL, shape->events, problem) &&
           same_text("republish.dest", republish ? republish->Destination : NULL, shape->live, problem) &&
           /* An empty source stands for all of the stream's subjects. */
           same_text("republish.src",
                     republish->Source && *republish->Source ? republish->Source : shape->events,
                     shape->events, problem) &&
           same_text("republish.headers_only", republish->HeadersOnly ? "true" : "false", "false", problem) &&
           same_enums(found, &shape->config, problem);
}

static void warn_limit(const char *stream, const char *name, int64_t found, int64_t wanted)
{
    if (found == wanted || (found <= 0 && wanted <= 0))
        return;
    log_warn("stream_limits_differ", LOG_TEXT("stream", stream), LOG_TEXT("setting", name),
             LOG_I64("found", found), LOG_I64("wanted", wanted),
             LOG_TEXT("advice", "the found value is used; change it with `nats stream edit`"));
}

static void warn_limits(const jsStreamConfig *found, const jsStreamConfig *wanted)
{
    warn_limit(wanted->Name, "max_age_s", found->MaxAge / NS_PER_S, wanted->MaxAge / NS_PER_S);
    warn_limit(wanted->Name, "max_bytes", found->MaxBytes, wanted->MaxBytes);
    warn_limit(wanted->Name, "max_msgs_per_subject", found->MaxMsgsPerSubject, wanted->MaxMsgsPerSubject);
    warn_limit(wanted->Name, "max_msgs", found->MaxMsgs, wanted->MaxMsgs);
    warn_limit(wanted->Name, "max_msg_size", found->MaxMsgSize, wanted->MaxMsgSize);
    warn_limit(wanted->Name, "duplicate_window_s", found->Duplicates / NS_PER_S,
               wanted->Duplicates / NS_PER_S);
    warn_limit(wanted->Name, "num_replicas", found->Replicas, wanted->Replicas);
}

/* --- asking the server --- */

static enum err fail(natsStatus status, jsErrCode code, char *problem)
{
    snprintf(problem, BUS_PROBLEM_SIZE, "JetStream: %.200s (%d)", nats_status_text(status), (int)code);
    switch (code) {
    case JSStreamSubjectOverlapErr:
        snprintf(problem, BUS_PROBLEM_SIZE,
                 "its subjects are another stream's (10065), made with another stream.shards or stream.name");
        return ERR_CONFLICT;
    case JSStreamNameExistErr:
        return ERR_CONFLICT;
    case JSStreamInvalidConfig:
    case JSStreamMaxBytesRequiredErr:
    case JSStreamMaxStreamBytesExceededErr:
    case JSStreamReplicasNotSupportedErr:
    case JSNotEnabledForAccountErr:
    case JSMaximumStreamsLimitErr:
        return ERR_CONFIG;
    default:
        return status == NATS_TIMEOUT ? ERR_TIMEOUT : ERR_UNAVAILABLE;
    }
}

/* ERR_MISSING: there is no such stream. */
static enum err check_existing(jsCtx *js, const struct shape *shape, char *problem)
{
    jsStreamInfo *info = NULL;
    jsErrCode code = 0;
    enum err err = ERR_OK;
    natsStatus s = js_GetStreamInfo(&info, js, shape->config.Name, NULL, &code);

    if (s == NATS_NOT_FOUND || code == JSStreamNotFoundErr)
        return ERR_MISSING;
    if (s != NATS_OK)
        return fail(s, code, problem);
    if (same_shape(info->Config, shape, problem))
        warn_limits(info->Config, &shape->config);
    else
        err = ERR_CONFLICT;
    jsStreamInfo_Destroy(info);
    return err;
}

/* Two relays may do this at the same time: whoever comes second finds the stream, whatever its own attempt to
 * make it was answered. */
static enum err ensure(jsCtx *js, struct shape *shape, char *problem)
{
    jsErrCode code = 0;
    enum err err = check_existing(js, shape, problem);

    if (err != ERR_MISSING)
        return err;
    natsStatus s = js_AddStream(NULL, js, &shape->config, NULL, &code);
    if (s == NATS_OK)
        return ERR_OK;
    char first[BUS_PROBLEM_SIZE];
    enum err failed = fail(s, code, first);
    err = check_existing(js, shape, problem);
    if (err != ERR_MISSING)
        return err;
    memcpy(problem, first, sizeof first);
    return failed;
}

/* Says of which of several streams the problem is. */
static void name_problem(const struct bus_nats *bus, unsigned shard, char *problem)
{
    char what[BUS_PROBLEM_SIZE];

    if (bus->shards.count == 1)
        return;
    memcpy(what, problem, sizeof what);
    snprintf(problem, BUS_PROBLEM_SIZE, "%.75s: %.170s", bus->shards.streams[shard], what);
}

static enum err ensure_all(const struct bus_nats *bus, jsCtx *js, const struct bus_stream_options *options,
                           char *problem)
{
    struct shape shape;
    enum err err = ERR_OK;

    for (unsigned shard = 0; shard < bus->shards.count && err == ERR_OK; shard++) {
        make_shape(bus, options, shard, &shape);
        err = ensure(js, &shape, problem);
        if (err != ERR_OK)
            name_problem(bus, shard, problem);
    }
    return err;
}

enum err nats_ensure_stream(struct bus *base, const struct bus_stream_options *options, char *problem)
{
    struct bus_nats *bus = (struct bus_nats *)base;
    jsOptions js_options;
    jsCtx *js = NULL;
    natsConnection *connection = link_get(bus);
    enum err err;

    if (!connection) {
        snprintf(problem, BUS_PROBLEM_SIZE, "not connected to NATS");
        return ERR_UNAVAILABLE;
    }
    jsOptions_Init(&js_options);
    js_options.Wait = WAIT_MS;
    natsStatus s = natsConnection_JetStream(&js, connection, &js_options);
    err = s == NATS_OK ? ensure_all(bus, js, options, problem) : fail(s, 0, problem);
    jsCtx_Destroy(js);
    link_put(bus);
    return err;
}
