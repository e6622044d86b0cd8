/* From the request to the client: who may connect is decided here, at once or, when the token's signature
 * takes long, after it was verified on another thread (verifying.h). The same for tokens that clients
 * refresh. */
#include "worker_internal.h"

#include <stdlib.h>

#include <roomcast/base/clock.h>
#include <roomcast/wire/server_message.h>
#include <roomcast/wire/stream_request.h>

#include "handshake.h"
#include "verifying.h"
#include "web_file.h"
#include "worker_echo.h"
#include "worker_stream.h"

static void refuse(struct worker *worker, const struct handshake_refusal *refusal,
                   struct ws_decision *decision)
{
    buffer_clear(&worker->text);
    server_http_error(&worker->text, refusal->code, refusal->message);
    *decision = (struct ws_decision){.status = refusal->status,
                                     .body = buffer_slice(&worker->text),
                                     .headers = buffer_failed(&worker->headers)
                                                    ? (struct slice){NULL, 0} /* no half lines */
                                                    : buffer_slice(&worker->headers),
                                     .retry_after_s = refusal->retry_after_s};
}

/* Takes over `*cursor`, nulling it, when that is not NULL and it succeeds. */
static struct client *make_client(struct worker *worker, const struct handshake_token *token,
                                  struct token_claims *claims, struct stream_cursor **cursor)
{
    if (!*cursor)
        return client_new(worker, claims, &token->from);
    struct client *client = client_new_stream(worker, claims, &token->from, *cursor);
    if (client)
        *cursor = NULL;
    return client;
}

/* `verified`: of `claims`, which are taken over. `cursor`: of a stream, as make_client() takes it. */
static void admit(struct worker *worker, const struct handshake_token *token, struct token_claims *claims,
                  struct stream_cursor **cursor, struct ws_decision *decision)
{
    struct handshake_refusal refusal;
    struct token_use use;
    if (!handshake_admit(worker->shared, token, claims, &use, &refusal)) {
        refuse(worker, &refusal, decision);
        return;
    }
    struct room_key user = token_claims_user(claims);
    struct client *client = make_client(worker, token, claims, cursor);
    if (client) {
        used_tell(worker->shared->used, &use);
        *decision = (struct ws_decision){.accept = true, .subprotocol = token->subprotocol};
        if (token->is_stream)
            stream_accept(worker, decision);
        decision->session = client;
        return;
    }
    used_give_back(worker->shared->used, &use);
    handshake_give_back(worker->shared, &user, &token->from);
    token_claims_release(claims);
    refusal = handshake_overloaded(&token->from);
    refuse(worker, &refusal, decision);
}

/* False: too much waits to be verified, or memory is out. */
static bool verify_later(struct worker *worker, struct ws_connection *connection,
                         const struct handshake_token *token, struct stream_cursor **cursor,
                         struct ws_decision *decision)
{
    struct verify_job *job = verify_job_new(token->text);
    if (!job)
        return false;
    if (token->is_stream && (job->headers = strdup(buffer_text(&worker->headers)))) {
        job->cursor = *cursor;
        *cursor = NULL;
    }
    job->connection = connection;
    job->from = token->from;
    job->subprotocol = token->subprotocol;
    if ((token->is_stream && !job->headers) || verifying_ask(worker->verifying, job) != ERR_OK) {
        verify_job_free(job);
        return false;
    }
    *decision = (struct ws_decision){.pending = true, .session = job};
    return true;
}

#ifdef ROOMCAST_CONFORMANCE
static void admit_echo(struct worker *worker, const struct ws_request *request, struct ws_decision *decision)
{
    struct handshake_token token = {.err = ERR_NO_MEMORY,
                                    .from = door_address(worker->shared->door, request)};
    struct token_claims claims;
    struct stream_cursor *no_stream = NULL;
    if (echo_claims(&claims))
        token.err = ERR_OK;
    admit(worker, &token, &claims, &no_stream, decision);
    if (decision->accept) {
        ((struct client *)decision->session)->is_echo = true;
        decision->takes_binary = true;
    }
}
#endif

/* The request may be worked on, as far as it goes without looking into its token. */
static bool check(struct worker *worker, const struct ws_request *request, struct handshake_token *ret_token,
                  struct stream_cursor **ret_cursor, struct handshake_refusal *ret_refusal)
{
    if (!handshake_check(worker->shared, request, ret_token, ret_refusal))
        return false;
    uint32_t max_rooms = worker->shared->rules.max_rooms;
    const struct stream_request wanted = {
        .query = request->query,
        .query_count = sizeof request->query / sizeof request->query[0],
        .last_event_id = request->last_event_id,
        .max_chats = max_rooms < STREAM_CHATS_MAX ? max_rooms : STREAM_CHATS_MAX,
    };
    enum err err = buffer_failed(&worker->headers) ? ERR_NO_MEMORY : ERR_OK;
    if (err == ERR_OK && ret_token->is_stream)
        err = stream_request_read(&wanted, ret_cursor);
    if (err != ERR_OK)
        *ret_refusal = handshake_bad_stream(&ret_token->from, err);
    return err == ERR_OK;
}

static void decide(struct worker *worker, struct ws_connection *connection, struct handshake_token *token,
                   struct stream_cursor **cursor, struct ws_decision *decision)
{
    if (worker->verifying && token_takes_long(worker->shared->verifier, token->text)) {
        if (!verify_later(worker, connection, token, cursor, decision)) {
            struct handshake_refusal refusal = handshake_overloaded(&token->from);
            refuse(worker, &refusal, decision);
        }
    } else {
        struct token_claims claims;
        token->err = token_verify(worker->shared->verifier, token->text, clock_wall_ms() / 1000, &claims,
                                  &token->reason);
        admit(worker, token, &claims, cursor, decision);
    }
}

static void serve_file(struct worker *worker, const struct web_asset *asset, const struct ws_request *request,
                       struct ws_decision *decision)
{
    struct handshake_refusal refusal;
    if (!handshake_may_ask(worker->shared, request, &refusal)) {
        refuse(worker, &refusal, decision);
    } else if (!web_file_is_read(request)) {
        buffer_append_text(&worker->headers, "Allow: GET, HEAD\r\n"); /* RFC 9110 section 15.5.6 */
        refusal = (struct handshake_refusal){405, ERROR_CODE_METHOD_NOT_ALLOWED, "files are read by GET", 0};
        metrics_inc(METRIC_HANDSHAKES_BAD_REQUEST);
        refuse(worker, &refusal, decision);
    } else {
        *decision = (struct ws_decision){.file = web_file_answer(asset, request)};
    }
}

void worker_on_request(void *context, struct ws_connection *connection, const struct ws_request *request,
                       struct ws_decision *decision)
{
    struct worker *worker = context;
    struct handshake_token token = {.text = {NULL, 0}};
    struct handshake_refusal refusal;
    worker->now_ms = loop_now_ms(worker->loop);
    buffer_clear(&worker->headers);
#ifdef ROOMCAST_CONFORMANCE
    if (echo_is_asked(request)) {
        admit_echo(worker, request, decision);
        return;
    }
#endif
    const struct web_asset *asset = web_file_find(request);
    if (asset) {
        serve_file(worker, asset, request, decision);
        return;
    }
    if (handshake_is_stream(request->path))
        stream_write_headers(worker, request);
    struct stream_cursor *cursor = NULL;
    if (!check(worker, request, &token, &cursor, &refusal))
        refuse(worker, &refusal, decision);
    else
        decide(worker, connection, &token, &cursor, decision);
    free(cursor);
}

void worker_on_withdrawn(void *context, void *session)
{
    struct verify_job *job = session;
    (void)context;
    job->connection = NULL; /* its answer is awaited all the same */
}

bool worker_refresh_later(struct worker *worker, struct client *client, struct slice token,
                          const struct request_id *id)
{
    struct verify_job *job = verify_job_new(token);
    if (!job)
        return false;
    job->client = client;
    job->id = *id;
    if (verifying_ask(worker->verifying, job) != ERR_OK) {
        verify_job_free(job);
        return false;
    }
    client->session.requests++;
    /* What it says next may need what the new token allows. */
    ws_connection_pause(client->session.connection, true);
    return true;
}

static void open_verified(struct worker *worker, struct verify_job *job)
{
    struct handshake_token token = {.from = job->from,
                                    .subprotocol = job->subprotocol,
                                    .is_stream = job->headers != NULL,
                                    .err = job->err,
                                    .reason = job->reason};
    struct ws_decision decision;
    buffer_clear(&worker->headers);
    if (job->headers)
        buffer_append_text(&worker->headers, job->headers);
    admit(worker, &token, &job->claims, &job->cursor, &decision);
    ws_connection_decide(job->connection, &decision);
}

/* The client may be closing or gone. */
static void refresh_verified(struct worker *worker, struct verify_job *job)
{
    struct client *client = job->client;
    client->session.requests--;
    if (client->session.state == SESSION_OPEN) {
        client_refresh(worker, client, job->err, job->reason, &job->claims, &job->id);
        ws_connection_pause(client->session.connection, false);
    } else if (job->err == ERR_OK) {
        token_claims_release(&job->claims);
    }
}

void worker_take_verified(struct worker *worker)
{
    struct inbox_item *item = inbox_take(&worker->verified);
    while (item) {
        struct inbox_item *next = item->next;
        struct verify_job *job = (struct verify_job *)item;
        if (job->client)
            refresh_verified(worker, job);
        else if (job->connection)
            open_verified(worker, job);
        else if (job->err == ERR_OK)
            token_claims_release(&job->claims);
        verify_job_free(job);
        item = next;
    }
}

void worker_drop_verified(struct worker *worker)
{
    inbox_close(&worker->verified);
    struct inbox_item *item = inbox_take(&worker->verified);
    while (item) {
        struct inbox_item *next = item->next;
        struct verify_job *job = (struct verify_job *)item;
        if (job->client)
            job->client->session.requests--;
        if (job->err == ERR_OK)
            token_claims_release(&job->claims);
        verify_job_free(job);
        item = next;
    }
}
