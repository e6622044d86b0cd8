#include <roomcast/io/http_server.h>

#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <microhttpd.h>

#include <roomcast/base/buffer.h>
#include <roomcast/base/random.h>

#define PROBLEM_SIZE 256
#define BACKLOG      64
#define FAREWELL_S   2 /* for the last answers to leave when the server ends */
#define JSON         "application/json"
#define TOO_LARGE                                                                                            \
    "{\"success\":false,\"error\":{\"code\":\"PAYLOAD_TOO_LARGE\",\"message\":\"the request is larger than " \
    "the limit\"}}"
#define GOING_AWAY                                                                                           \
    "{\"success\":false,\"error\":{\"code\":\"DRAINING\",\"message\":\"this process is ending\"}}"
#define OUT_OF_MEMORY "{\"success\":false,\"error\":{\"code\":\"OVERLOADED\",\"message\":\"out of memory\"}}"

/*   [reading] --- body complete, handler called ---> [asked] --- http_answer ---> [answered]
 *
 * The library owns one reference until the connection has finished with the request, the handler one until it
 * has answered: either may be the last, because the server answers for a slow handler when it ends. */
enum exchange_state { EXCHANGE_READING, EXCHANGE_ASKED, EXCHANGE_ANSWERED };

struct http_exchange {
    struct http_server *server;
    struct http_exchange *previous, *next; /* under the server's lock: all that the library still holds */
    struct MHD_Connection *connection;     /* valid while the library holds its reference */
    const char *method, *path;
    struct buffer body;
    bool too_large;

    /* under the server's lock */
    enum exchange_state state;
    unsigned refs;
    bool suspended;
    unsigned status;
    struct MHD_Response *response; /* owned; NULL when there was no memory for it */
};

struct http_server {
    struct MHD_Daemon *daemon;
    http_handler handler;
    void *context;
    size_t max_body_bytes;
    uint16_t port;
    pthread_mutex_t lock;
    pthread_cond_t ended;            /* an exchange ended */
    struct http_exchange *exchanges; /* under lock: those that the library holds */
    size_t alive;                    /* under lock: those and the ones that only a handler holds */
    bool ended_for_good;             /* under lock: freed by its owner, kept for the last exchange */
};

static void destroy(struct http_server *server)
{
    pthread_mutex_destroy(&server->lock);
    pthread_cond_destroy(&server->ended);
    free(server);
}

/* --- exchanges --- */

/* A handler may answer after the server has ended: the last of server and exchanges takes the memory along.
 */
static void unref(struct http_exchange *exchange)
{
    struct http_server *server = exchange->server;
    bool server_is_over = false;
    pthread_mutex_lock(&server->lock);
    if (--exchange->refs == 0) {
        if (exchange->response)
            MHD_destroy_response(exchange->response);
        buffer_fini(&exchange->body);
        free(exchange);
        server_is_over = --server->alive == 0 && server->ended_for_good;
    }
    pthread_mutex_unlock(&server->lock);
    if (server_is_over)
        destroy(server);
}

static struct http_exchange *exchange_new(struct http_server *server, struct MHD_Connection *connection,
                                          const char *method, const char *path)
{
    struct http_exchange *exchange = calloc(1, sizeof *exchange);
    if (!exchange)
        return NULL;
    exchange->server = server;
    exchange->connection = connection;
    exchange->method = method;
    exchange->path = path;
    exchange->refs = 1;
    buffer_init(&exchange->body, server->max_body_bytes);
    pthread_mutex_lock(&server->lock);
    exchange->next = server->exchanges;
    if (server->exchanges)
        server->exchanges->previous = exchange;
    server->exchanges = exchange;
    server->alive++;
    pthread_mutex_unlock(&server->lock);
    return exchange;
}

/* The library has finished with the request: answered, or the client went away. */
static void on_completed(void *context, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode code)
{
    struct http_server *server = context;
    struct http_exchange *exchange = *state;
    (void)connection;
    (void)code;
    if (!exchange)
        return;
    *state = NULL;
    pthread_mutex_lock(&server->lock);
    if (exchange->previous)
        exchange->previous->next = exchange->next;
    else
        server->exchanges = exchange->next;
    if (exchange->next)
        exchange->next->previous = exchange->previous;
    exchange->connection = NULL;
    exchange->suspended = false;
    pthread_cond_signal(&server->ended);
    pthread_mutex_unlock(&server->lock);
    unref(exchange);
}

static struct MHD_Response *make_response(const char *content_type, struct slice body,
                                          const struct http_field *fields, size_t count)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(body.len, (void *)body.data, MHD_RESPMEM_MUST_COPY);
    if (!response)
        return NULL;
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, content_type);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    for (size_t i = 0; i < count; i++)
        MHD_add_response_header(response, fields[i].name, fields[i].value);
    return response;
}

/* The first answer stands. */
static void answer_locked(struct http_exchange *exchange, unsigned status, struct MHD_Response *response)
{
    if (exchange->state == EXCHANGE_ANSWERED) {
        if (response)
            MHD_destroy_response(response);
        return;
    }
    exchange->state = EXCHANGE_ANSWERED;
    exchange->status = status;
    exchange->response = response;
    if (exchange->suspended) {
        exchange->suspended = false;
        MHD_resume_connection(exchange->connection);
    }
}

void http_answer(struct http_exchange *exchange, unsigned status, const char *content_type, struct slice body,
                 const char *extra_name, const char *extra_value)
{
    const struct http_field field = {extra_name, extra_value};
    http_answer_with(exchange, status, content_type, body, &field, extra_name ? 1 : 0);
}

void http_answer_with(struct http_exchange *exchange, unsigned status, const char *content_type,
                      struct slice body, const struct http_field *fields, size_t count)
{
    struct http_server *server = exchange->server;
    struct MHD_Response *response = make_response(content_type, body, fields, count);
    pthread_mutex_lock(&server->lock);
    answer_locked(exchange, status, response);
    pthread_mutex_unlock(&server->lock);
    unref(exchange);
}

struct slice http_method(const struct http_exchange *exchange)
{
    return slice_of(exchange->method);
}

struct slice http_path(const struct http_exchange *exchange)
{
    return slice_of(exchange->path);
}

struct slice http_body(const struct http_exchange *exchange)
{
    return buffer_slice(&exchange->body);
}

struct slice http_header(const struct http_exchange *exchange, const char *name)
{
    return slice_of(MHD_lookup_connection_value(exchange->connection, MHD_HEADER_KIND, name));
}

bool http_bears(const struct http_exchange *exchange, const char *key)
{
    static const char scheme[] = "Bearer ";
    struct slice value = http_header(exchange, "Authorization");
    size_t skip = sizeof scheme - 1;

    return value.len >= skip && strncasecmp(value.data, scheme, skip) == 0 &&
           secret_equal(value.data + skip, value.len - skip, key, strlen(key));
}

void http_peer(const struct http_exchange *exchange, char *text)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(exchange->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *address = info ? info->client_addr : NULL;
    socklen_t len =
        address && address->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
    if (!address || getnameinfo(address, len, text, HTTP_PEER_SIZE, NULL, 0, NI_NUMERICHOST) != 0)
        strcpy(text, "unknown");
}

/* --- from the library --- */

static enum MHD_Result queue_text(struct MHD_Connection *connection, unsigned status, const char *json)
{
    struct MHD_Response *response = make_response(JSON, slice_of(json), NULL, 0);
    if (!response)
        return MHD_NO;
    enum MHD_Result result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static bool announces_too_much(struct MHD_Connection *connection, size_t max)
{
    const char *length =
        MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);
    return length && strtoull(length, NULL, 10) > max;
}

/* The body is complete: asks the handler, and waits for an answer that has not come at once. */
static enum MHD_Result ask_handler(struct http_exchange *exchange)
{
    struct http_server *server = exchange->server;
    pthread_mutex_lock(&server->lock);
    exchange->state = EXCHANGE_ASKED;
    exchange->refs++; /* the handler's */
    pthread_mutex_unlock(&server->lock);
    server->handler(server->context, exchange);
    pthread_mutex_lock(&server->lock);
    bool answered = exchange->state == EXCHANGE_ANSWERED;
    if (!answered) {
        exchange->suspended = true;
        MHD_suspend_connection(exchange->connection);
    }
    pthread_mutex_unlock(&server->lock);
    if (!answered)
        return MHD_YES;
    return exchange->response ? MHD_queue_response(exchange->connection, exchange->status, exchange->response)
                              : queue_text(exchange->connection, 503, OUT_OF_MEMORY);
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *path,
                                  const char *method, const char *version, const char *data, size_t *data_len,
                                  void **state)
{
    struct http_server *server = context;
    struct http_exchange *exchange = *state;
    (void)version;
    if (!exchange) {
        if (announces_too_much(connection, server->max_body_bytes))
            return queue_text(connection, 413, TOO_LARGE);
        *state = exchange_new(server, connection, method, path);
        return *state ? MHD_YES : MHD_NO;
    }
    if (*data_len > 0) {
        buffer_append(&exchange->body, data, *data_len);
        exchange->too_large = exchange->too_large || buffer_failed(&exchange->body);
        *data_len = 0;
        return MHD_YES;
    }
    if (exchange->too_large)
        return queue_text(connection, 413, TOO_LARGE);
    if (exchange->state == EXCHANGE_READING)
        return ask_handler(exchange);
    return exchange->response ? MHD_queue_response(connection, exchange->status, exchange->response)
                              : queue_text(connection, 503, OUT_OF_MEMORY);
}

/* --- the listener --- */

static int open_address(const struct addrinfo *address)
{
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    int on = 1, off = 0;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (address->ai_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off); /* [::] takes IPv4 too */
    if (bind(fd, address->ai_addr, address->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

static enum err open_listener(const char *host, uint16_t port, int *ret_fd, char *problem)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *addresses;
    char service[8];
    snprintf(service, sizeof service, "%u", port);
    int failed = getaddrinfo(host, service, &hints, &addresses);
    if (failed != 0) {
        snprintf(problem, PROBLEM_SIZE, "cannot listen on %.100s port %u: %s", host, port,
                 gai_strerror(failed));
        return ERR_IO;
    }
    int fd = open_address(addresses);
    if (fd < 0)
        snprintf(problem, PROBLEM_SIZE, "cannot listen on %.100s port %u: %s", host, port, strerror(errno));
    freeaddrinfo(addresses);
    *ret_fd = fd;
    return fd < 0 ? ERR_IO : ERR_OK;
}

static uint16_t port_of(int fd)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof address;
    char service[8];
    if (getsockname(fd, (struct sockaddr *)&address, &len) != 0 ||
        getnameinfo((struct sockaddr *)&address, len, NULL, 0, service, sizeof service, NI_NUMERICSERV) != 0)
        return 0;
    return (uint16_t)atoi(service);
}

enum err http_server_new(const struct http_server_options *options, http_handler handler, void *context,
                         struct http_server **ret_server, char *problem)
{
    int fd;
    enum err err = open_listener(options->host, options->port, &fd, problem);
    if (err != ERR_OK)
        return err;
    struct http_server *server = calloc(1, sizeof *server);
    if (!server) {
        close(fd);
        snprintf(problem, PROBLEM_SIZE, "out of memory");
        return ERR_NO_MEMORY;
    }
    server->handler = handler;
    server->context = context;
    server->max_body_bytes = options->max_body_bytes;
    server->port = port_of(fd);
    pthread_mutex_init(&server->lock, NULL);
    pthread_cond_init(&server->ended, NULL);
    server->daemon = MHD_start_daemon(
        MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_AUTO | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_request,
        server, MHD_OPTION_LISTEN_SOCKET, (MHD_socket)fd, MHD_OPTION_CONNECTION_LIMIT,
        options->max_connections, MHD_OPTION_CONNECTION_TIMEOUT, options->timeout_s,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, server, MHD_OPTION_END);
    if (!server->daemon) {
        close(fd);
        destroy(server);
        snprintf(problem, PROBLEM_SIZE, "the HTTP server on %.100s port %u cannot be started", options->host,
                 options->port);
        return ERR_IO;
    }
    *ret_server = server;
    return ERR_OK;
}

uint16_t http_server_port(const struct http_server *server)
{
    return server->port;
}

/* Answers for handlers that have not, and lets the answers leave. */
static void say_farewell(struct http_server *server)
{
    struct timespec deadline;
    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += FAREWELL_S;
    pthread_mutex_lock(&server->lock);
    bool waiting = false;
    for (struct http_exchange *exchange = server->exchanges; exchange; exchange = exchange->next) {
        if (exchange->state == EXCHANGE_READING)
            continue;
        waiting = true;
        if (exchange->state == EXCHANGE_ASKED)
            answer_locked(exchange, 503, make_response(JSON, slice_of(GOING_AWAY), NULL, 0));
    }
    while (waiting && server->exchanges &&
           pthread_cond_timedwait(&server->ended, &server->lock, &deadline) == 0)
        ;
    pthread_mutex_unlock(&server->lock);
}

void http_server_free(struct http_server **server)
{
    struct http_server *s = *server;
    if (!s)
        return;
    MHD_socket listener = MHD_quiesce_daemon(s->daemon);
    say_farewell(s);
    MHD_stop_daemon(s->daemon);
    if (listener != MHD_INVALID_SOCKET)
        close(listener);
    pthread_mutex_lock(&s->lock);
    assert(!s->exchanges);
    s->ended_for_good = true;
    bool is_over = s->alive == 0;
    pthread_mutex_unlock(&s->lock);
    if (is_over)
        destroy(s);
    *server = NULL;
}
