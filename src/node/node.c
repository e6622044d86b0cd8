#include <roomcast/node/node.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <roomcast/base/log.h>
#include <roomcast/base/random.h>

#include "admin.h"
#include "control.h"
#include "node_internal.h"

#define CLOSE_TIMEOUT_MS       5000
#define DESCRIPTORS_RESERVED   192 /* admin and relay connections, bus, logs, libraries */
#define DESCRIPTORS_PER_WORKER 8   /* its loop, context and listener */
#define PENDING_MIN            64 /* connections that have not completed their upgrade: as many as clients ... */
#define PENDING_MAX            4096 /* ... within these bounds, and an eighth of all descriptors */
#define CONNECTIONS_MIN        64
#define CONNECTIONS_AUTOMATIC  50000 /* as limits.connections = 0 says in the option table */
#define PROBLEM_SIZE           256

static struct session_rules make_rules(const struct config *config)
{
    return (struct session_rules){
        .messages = {(uint32_t)config->limits_messages_per_s, 1000, (uint32_t)config->limits_messages_burst},
        .excess = {(uint32_t)config->limits_messages_per_s, 1000, (uint32_t)config->limits_messages_burst},
        .errors = {(uint32_t)config->limits_errors, 60000, (uint32_t)config->limits_errors},
        .queue = {(uint32_t)config->limits_queue_messages, config->limits_queue_bytes},
        .max_rooms = (uint32_t)config->limits_rooms,
        .ping_interval_ms = config->ping_interval_s * 1000,
        .ping_timeout_ms = config->ping_timeout_s * 1000,
        .expiry_grace_ms = config->auth_expiry_grace_s * 1000,
        .close_timeout_ms = CLOSE_TIMEOUT_MS,
        .slow_grace_ms = config->limits_slow_grace_s * 1000,
        .open_authorization = config->authorization_mode != AUTHORIZATION_CLAIMS,
    };
}

static uint64_t at_most(uint64_t value, uint64_t most)
{
    return value < most ? value : most;
}

static uint64_t pending_limit(const struct config *config, uint64_t descriptors)
{
    uint64_t connections =
        config->limits_connections > 0 ? config->limits_connections : CONNECTIONS_AUTOMATIC;
    if (config->limits_pending_handshakes > 0)
        return config->limits_pending_handshakes;
    uint64_t pending = at_most(at_most(connections, PENDING_MAX), descriptors / 8);
    return pending < PENDING_MIN ? PENDING_MIN : pending;
}

/* Beside the connections. */
static uint64_t own_descriptors(const struct node *node, uint64_t pending)
{
    return DESCRIPTORS_RESERVED + (uint64_t)node->workers_count * DESCRIPTORS_PER_WORKER + pending;
}

/* The smallest limit that is enough for so many connections. More than they need under a smaller one, because
 * what may be pending grows with it. */
static uint64_t enough_descriptors(const struct node *node, uint64_t connections)
{
    uint64_t enough = connections, needed;
    while ((needed = connections + own_descriptors(node, pending_limit(node->shared.config, enough))) >
           enough)
        enough = needed;
    return enough;
}

/* Sets the descriptor limit to what the connections need. Before the first libwebsockets
 * context: Debian's build sizes a table by it and scans that on every close, so never higher
 * than needed. */
static enum err fit_descriptors(struct node *node, char *problem)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        snprintf(problem, PROBLEM_SIZE, "the limit of file descriptors cannot be read");
        return ERR_IO;
    }
    const struct config *config = node->shared.config;
    uint64_t pending = pending_limit(config, limit.rlim_max);
    uint64_t own = own_descriptors(node, pending);
    uint64_t wanted = config->limits_connections;
    if (wanted == 0)
        wanted = at_most(limit.rlim_max > own + CONNECTIONS_MIN ? limit.rlim_max - own : CONNECTIONS_MIN,
                         CONNECTIONS_AUTOMATIC);
    uint64_t needed = wanted + own;
    if (needed > limit.rlim_max) {
        snprintf(
            problem, PROBLEM_SIZE,
            "limits.connections = %llu needs %llu file descriptors, and the hard limit is %llu: raise it "
            "(ulimit -Hn, LimitNOFILE) or lower the option",
            (unsigned long long)wanted, (unsigned long long)enough_descriptors(node, wanted),
            (unsigned long long)limit.rlim_max);
        return ERR_CONFIG;
    }
    limit.rlim_cur = needed;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
        snprintf(problem, PROBLEM_SIZE, "the limit of file descriptors cannot be set to %llu",
                 (unsigned long long)needed);
        return ERR_IO;
    }
    node->shared.max_connections = (unsigned)wanted;
    node->shared.max_pending = (unsigned)pending;
    node->shared.max_sockets = (unsigned)(wanted + pending);
    return ERR_OK;
}

/* Before there are clients: the others hear that this node is there before they hear of its users. */
static enum err start_control(struct node *node, char *problem)
{
    struct control *control = NULL;
    enum err err = control_start(node, &control);
    atomic_store(&node->control, control);
    if (err != ERR_OK)
        snprintf(problem, PROBLEM_SIZE, "the control thread cannot be started: %s", err_text(err));
    return err;
}

static enum err start_workers(struct node *node, char *problem)
{
    struct hub_outlet *outlets[WORKERS_MAX];
    enum err err;
    for (unsigned i = 0; i < node->workers_count; i++) {
        err = worker_new(&node->shared, i, &node->workers[i]);
        if (err != ERR_OK) {
            snprintf(problem, PROBLEM_SIZE, "worker %u cannot be made: %s", i, err_text(err));
            return err;
        }
        outlets[i] = worker_outlet(node->workers[i]);
    }
    struct hub_options options = {
        .config = node->shared.config,
        .instance = node->shared.instance,
        .bus = node->bus,
        .bus_changes = &node->bus_changes,
        .elected = &node->elected,
        .deflating = &node->shared.deflating,
        .workers = outlets,
        .workers_count = node->workers_count,
    };
    err = hub_start(&options, &node->hub);
    if (err != ERR_OK) {
        snprintf(problem, PROBLEM_SIZE, "the hub cannot be started: %s", err_text(err));
        return err;
    }
    node->shared.hub = node->hub;
    err = console_new(node, &node->console);
    if (err == ERR_OK)
        err = start_control(node, problem);
    else
        snprintf(problem, PROBLEM_SIZE, "questions for /console cannot be heard: %s", err_text(err));
    if (err != ERR_OK)
        return err;

    char host[256];
    if (config_split_address(node->shared.config->listen, host, &node->port) != ERR_OK) {
        snprintf(problem, PROBLEM_SIZE, "listen = \"%.100s\" is not host:port", node->shared.config->listen);
        return ERR_CONFIG;
    }
    for (; node->workers_started < node->workers_count; node->workers_started++) {
        /* The first worker may be given any free port (0); the others share that one. */
        err = worker_start(node->workers[node->workers_started], host, node->port, &node->port, problem);
        if (err != ERR_OK)
            return err;
    }
    return ERR_OK;
}

static unsigned count_workers(const struct config *config)
{
    if (config->workers != 0)
        return (unsigned)config->workers;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return cores < 1 ? 1 : cores > WORKERS_MAX ? WORKERS_MAX : (unsigned)cores;
}

static void name_instance(struct node_shared *shared)
{
    char random[9];
    random_text(random, 8);
    snprintf(shared->instance, sizeof shared->instance, "%s.%s", shared->config->node_name, random);
}

enum err node_new(const struct node_options *options, struct node **ret_node, char *problem)
{
    struct node *node = calloc(1, sizeof *node);
    if (!node)
        return ERR_NO_MEMORY;
    snprintf(problem, PROBLEM_SIZE, "out of memory");
    node->metrics = options->metrics;
    node->workers_count = count_workers(options->config);
    node->shared.config = options->config;
    node->shared.rules = make_rules(options->config);
    pthread_mutex_init(&node->shared.quota_lock, NULL);
    name_instance(&node->shared);

    enum err err = node_keys_init(node, problem);
    if (err == ERR_OK)
        err = fit_descriptors(node, problem);
    if (err == ERR_OK)
        err = user_quota_new((uint32_t)options->config->limits_connections_per_user, &node->shared.quota);
    if (err == ERR_OK)
        err = door_new(options->config, &node->shared.door);
    if (err == ERR_OK)
        err = certificate_new(options->config, &node->shared.certificate, problem);
    if (err != ERR_OK) {
        node_free(&node);
        return err;
    }
    *ret_node = node;
    return ERR_OK;
}

static void warn_of_short_drain(const struct node *node)
{
    const struct config *config = node->shared.config;
    uint64_t spread_ms = node_drain_spread_ms(node);
    if (spread_ms < config->drain_spread_s * 1000)
        log_warn("drain_shortened", LOG_U64("spread_ms", spread_ms),
                 LOG_U64("drain_spread_s", config->drain_spread_s),
                 LOG_U64("drain_timeout_s", config->drain_timeout_s));
}

static void on_revoked(void *context)
{
    struct node *node = context;
    for (unsigned i = 0; i < node->workers_count; i++)
        worker_ask_revoked(node->workers[i]);
}

/* Before the workers let anybody in. */
static enum err make_revoked(struct node *node, struct bus *bus)
{
    const struct revoked_options options = {
        .config = node->shared.config,
        .bus = bus,
        .changes = &node->revocations_changes,
        .on_change = on_revoked,
        .context = node,
    };
    return revoked_new(&options, &node->shared.revoked);
}

/* Likewise: it hears what other nodes say before anybody is here. */
static enum err start_used(struct node *node)
{
    const struct config *config = node->shared.config;
    if (!config->auth_one_time)
        return ERR_OK;
    enum err err = used_new(config, node->bus, USED_LIMIT, &node->shared.used);
    return err == ERR_OK ? used_start(node->shared.used) : err;
}

enum err node_start(struct node *node, struct bus *bus, struct bus *revocations_bus, char *problem)
{
    node->bus = bus;
    snprintf(problem, PROBLEM_SIZE, "the revocations cannot be followed");
    enum err err = make_revoked(node, revocations_bus);
    if (err == ERR_OK) {
        snprintf(problem, PROBLEM_SIZE, "the signals about used tokens cannot be followed");
        err = start_used(node);
    }
    if (err == ERR_OK)
        err = start_workers(node, problem);
    if (err == ERR_OK)
        err = revoked_start(node->shared.revoked);
    if (err == ERR_OK)
        err = node_keys_start(node, problem);
    if (err == ERR_OK)
        err = admin_start(node, &node->admin, problem);
    if (err != ERR_OK)
        return err;
    atomic_store(&node->admin_port, http_server_port(node->admin));
    if (node->shared.config->authorization_mode == AUTHORIZATION_OPEN)
        log_warn("authorization_open",
                 LOG_TEXT("meaning",
                          "every user may read every chat: for development only; set authorization.mode "
                          "to claims in production"));
    warn_of_short_drain(node);
    log_info("listening", LOG_TEXT("address", node->shared.config->listen), LOG_U64("port", node->port),
             LOG_TEXT("tls", node->shared.certificate ? "yes" : "no"),
             LOG_U64("admin_port", http_server_port(node->admin)), LOG_U64("workers", node->workers_count),
             LOG_U64("max_connections", node->shared.max_connections));
    return ERR_OK;
}

void node_on_bus_event(struct node *node, enum bus_event event)
{
    (void)event; /* down, up again, dropped messages: each time some may have been missed */
    atomic_fetch_add(&node->bus_changes, 1);
    struct control *control = atomic_load(&node->control);
    if (control)
        control_wake(control);
}

void node_on_elected(struct node *node, bus_shard_set shards)
{
    atomic_fetch_or(&node->elected, shards);
}

void node_on_revocations_elected(struct node *node)
{
    atomic_fetch_add(&node->revocations_changes, 1);
}

void node_on_revocations_bus_event(struct node *node, enum bus_event event)
{
    (void)event; /* as above */
    atomic_fetch_add(&node->revocations_changes, 1);
}

uint16_t node_port(const struct node *node)
{
    return node->port;
}

uint16_t node_admin_port(const struct node *node)
{
    return http_server_port(node->admin);
}

void node_reload(struct node *node)
{
    node_keys_reload(node);
    certificate_ask(node->shared.certificate);
    struct control *control = atomic_load(&node->control);
    if (control)
        control_wake(control);
}

bool node_ready(struct node *node, struct buffer *missing)
{
    if (node_is_draining(node)) {
        buffer_append_text(missing, "draining");
        return false;
    }
    if (!bus_is_up(node->bus)) {
        buffer_append_text(missing, "nats: not connected");
        return false;
    }
    if (!revoked_is_loaded(node->shared.revoked)) {
        buffer_append_text(missing, "revocations: not loaded (is a relay running?)");
        return false;
    }
    if (!hub_streams_ready(node->hub, missing))
        return false;
    if (!node_keys_are_there(node)) {
        buffer_append_text(missing, "jwks: no keys yet (auth.jwks_url could not be fetched; see the log)");
        return false;
    }
    if (atomic_load(&node->shared.memory_stage) >= MEMORY_REFUSING) {
        buffer_append_text(missing, "memory: near the ceiling (memory.max, or the cgroup's limit)");
        return false;
    }
    return true;
}

void node_stop(struct node *node)
{
    issuer_stop(node->shared.issuer);
    if (node->shared.revoked)
        revoked_stop(node->shared.revoked);
    unsigned clients = node_drain_clients(node), cut = node_clients(node);
    for (unsigned i = 0; i < node->workers_started; i++)
        worker_ask_stop(node->workers[i]);
    for (unsigned i = 0; i < node->workers_started; i++)
        worker_join(node->workers[i]);
    used_stop(node->shared.used);
    if (node->hub)
        hub_stop(node->hub);
    struct control *control = atomic_load(&node->control);
    if (control) /* after the hub: the others hear that its users have gone, and then that it has */
        control_stop(control);
    if (node->console)
        console_stop(node->console);
    if (node->admin)
        http_server_free(&node->admin);
    log_info("drained", LOG_U64("clients", clients), LOG_U64("cut", cut));
}

void node_free(struct node **node)
{
    struct node *n = *node;
    if (!n)
        return;
    for (unsigned i = 0; i < n->workers_count; i++)
        worker_free(&n->workers[i]);
    struct control *control = atomic_load(&n->control);
    control_free(&control);
    console_free(&n->console);
    hub_free(&n->hub);
    revoked_free(&n->shared.revoked);
    used_free(&n->shared.used);
    user_quota_free(&n->shared.quota);
    door_free(&n->shared.door);
    certificate_free(&n->shared.certificate);
    issuer_free(&n->shared.issuer);
    token_verifier_free(&n->shared.verifier);
    pthread_mutex_destroy(&n->shared.quota_lock);
    free(n);
    *node = NULL;
}
