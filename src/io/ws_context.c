#include "ws_context.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libwebsockets.h>
#include <uv.h>

#include <roomcast/base/log.h>

#include "ws_connection.h"

#define PROTOCOL        "roomcast"
#define TX_PACKET_BYTES 1000000 /* smaller: long writes leave in pieces, one per turn of the loop */
#define READ_BYTES      16384   /* one read, into one buffer of the context */
#define PROBLEM_SIZE    256

struct ws_context {
    struct ws_server *server; /* borrowed; NULL once it is freed */
    struct lws_context *lws;
    struct lws_vhost *vhost;
    int event_fd; /* of libwebsockets' own wake-up; see release_event_fd() */
};

/* Sockets are closed all together at the end of a turn, which is the longer part of it. */
static void on_destroyed(struct lws *wsi)
{
    struct ws_context *context = lws_context_user(lws_get_context(wsi));
    if (context->server)
        ws_server_note_events(context->server, 1);
}

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len)
{
    (void)user;
    switch (reason) {
    case LWS_CALLBACK_RAW_RX:
    case LWS_CALLBACK_RAW_WRITEABLE:
    case LWS_CALLBACK_RAW_CLOSE:
        break;
    case LWS_CALLBACK_WSI_DESTROY:
        on_destroyed(wsi);
        return 0;
    default:
        return 0;
    }
    struct ws_connection *connection = lws_get_opaque_user_data(wsi);
    if (!connection)
        return 0;
    struct ws_server *server = connection->server;
    if (reason == LWS_CALLBACK_RAW_RX)
        ws_connection_received(connection, in, len);
    else if (reason == LWS_CALLBACK_RAW_WRITEABLE)
        ws_connection_drained(connection);
    else
        ws_connection_lost(connection);
    ws_server_note_events(server, 1);
    return 0;
}

/* Both must outlive every context. */
static const struct lws_protocols protocols[] = {
    {.name = PROTOCOL, .callback = on_event, .rx_buffer_size = 1024, .tx_packet_size = TX_PACKET_BYTES},
    {.name = NULL},
};
static const lws_retry_bo_t no_validity_checks = {0};

static void log_line(int level, const char *line)
{
    size_t len = strlen(line);
    while (len > 0 && line[len - 1] == '\n')
        len--;
    log_debug("libwebsockets", LOG_U64("level", (uint64_t)level),
              LOG_SLICE("line", ((struct slice){line, len})));
}

static void set_log(void)
{
    lws_set_log_level(LLL_ERR | LLL_WARN, log_line);
}

static void note_event_fd(uv_handle_t *handle, void *known)
{
    uv_os_fd_t fd;
    struct ws_context *context = known;
    if (handle->type == UV_POLL && uv_fileno(handle, &fd) == 0)
        context->event_fd = fd; /* libuv walks in the order of making: the last one is the one just made */
}

/* At the end of the loop's life: libuv has reported the closing of every handle, now the memory goes. */
static void finish(void *context)
{
    struct ws_context *ctx = context;
    if (ctx->lws)
        lws_context_destroy(ctx->lws);
    free(ctx);
}

enum err ws_context_new(struct loop *loop, struct ws_server *server, struct ws_context **ret_context,
                        char *problem)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, set_log);

    struct ws_context *context = calloc(1, sizeof *context);
    if (!context)
        return ERR_NO_MEMORY;
    context->server = server;
    context->event_fd = -1;
    if (loop_at_free(loop, finish, context) != ERR_OK) {
        free(context);
        return ERR_NO_MEMORY;
    }
    void *native = loop_native(loop);
    const struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN_SERVER,
        .protocols = protocols,
        .vhost_name = PROTOCOL,
        .options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS | LWS_SERVER_OPTION_LIBUV,
        .foreign_loops = &native,
        .user = context,
        .pt_serv_buf_size = READ_BYTES + LWS_PRE,
        .retry_and_idle_policy = &no_validity_checks,
        .gid = (gid_t)-1,
        .uid = (uid_t)-1,
    };
    context->lws = lws_create_context(&info);
    if (context->lws)
        context->vhost = lws_create_vhost(context->lws, &info);
    if (!context->vhost) {
        if (context->lws)
            lws_context_destroy(context->lws);
        snprintf(problem, PROBLEM_SIZE, "libwebsockets does not start; is its libuv plugin installed?");
        return ERR_IO;
    }
    uv_walk(native, note_event_fd, context);
    *ret_context = context;
    return ERR_OK;
}

/* libwebsockets 4.1.6 closes the descriptor of its wake-up twice: at once, and again when libuv reports the
 * handle closed. In between another thread may have been given the number for a socket of its own, which
 * would be closed under it. So the number is taken at once by something that may be closed. */
static void plug_event_fd(const struct ws_context *context)
{
    int plug = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (plug < 0 || plug == context->event_fd)
        return;
    int fd = fcntl(plug, F_DUPFD_CLOEXEC, context->event_fd);
    if (fd >= 0 && fd != context->event_fd)
        close(fd);
    close(plug);
}

void ws_context_free(struct ws_context **context)
{
    if (!*context)
        return;
    (*context)->server = NULL;
    lws_context_destroy((*context)->lws);
    if ((*context)->event_fd >= 0)
        plug_event_fd(*context);
    *context = NULL;
}

struct lws *ws_context_adopt(struct ws_context *context, int fd, struct ws_connection *connection)
{
    lws_adopt_desc_t info = {.vh = context->vhost,
                             .type = LWS_ADOPT_SOCKET, /* and not LWS_ADOPT_HTTP: bytes, see ws_head.h */
                             .fd = {.sockfd = fd},
                             .vh_prot_name = PROTOCOL,
                             .opaque = connection};
    return lws_adopt_descriptor_vhost_via_info(&info);
}

void ws_context_kill(struct lws *wsi)
{
    lws_set_opaque_user_data(wsi, NULL);
    lws_set_timeout(wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_SYNC);
}
