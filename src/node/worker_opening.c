/* From the request to the client: who may connect is decided here, at once or, when the token's signature
 * takes long, after it was verified on another thread (verifying.h). The same for tokens that clients
 * refresh. */
#include "worker_internal.h"

#include <roomcast/base/clock.h>
#include <roomcast/wire/server_message.h>

#include "handshake.h"
#include "verifying.h"
#include "worker_echo.h"

static void refuse(struct worker *worker, const struct handshake_refusal *refusal,
                   struct ws_decision *decision)
{
    buffer_clear(&worker->text);
    server_http_error(&worker->text, refusal->code, refusal->message);
    *decision = (struct ws_decision){.status = refusal->status,
                                     .body = buffer_slice(&worker->text),
                                     .retry_after_s = refusal->retry_after_s};
}

/* `verified`: of `claims`, which are taken over. */
static void admit(struct worker *worker, const struct handshake_token *token, struct token_claims *claims,
                  struct ws_decision *decision)
{
    struct handshake_refusal refusal;
    struct token_use use;
    if (!handshake_admit(worker->shared, token, claims, &use, &refusal)) {
        refuse(worker, &refusal, decision);
        return;
    }
    struct room_key user = token_claims_user(claims);
    struct client *client = client_new(worker, claims, &token->from);
    if (client) {
        used_tell(worker->shared->used, &use);
        *decision =
            (struct ws_decision){.accept = true, .session = client, .subprotocol = token->subprotocol};
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
                         const struct handshake_token *token, struct ws_decision *decision)
{
    struct verify_job *job = verify_job_new(token->text);
    if (!job)
        return false;
    job->connection = connection;
    job->from = token->from;
    job->subprotocol = token->subprotocol;
    if (verifying_ask(worker->verifying, job) != ERR_OK) {
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
    if (echo_claims(&claims))
        token.err = ERR_OK;
    admit(worker, &token, &claims, decision);
    if (decision->accept) {
        ((struct client *)decision->session)->is_echo = true;
        decision->takes_binary = true;
    }
}
#endif

void worker_on_request(void *context, struct ws_connection *connection, const struct ws_request *request,
                       struct ws_decision *decision)
{
    struct worker *worker = context;
    struct handshake_token token = {.text = {NULL, 0}};
    struct handshake_refusal refusal;
    worker->now_ms = loop_now_ms(worker->loop);
#ifdef ROOMCAST_CONFORMANCE
    if (echo_is_asked(request)) {
        admit_echo(worker, request, decision);
        return;
    }
#endif
    if (!handshake_check(worker->shared, request, &token, &refusal)) {
        refuse(worker, &refusal, decision);
    } else if (worker->verifying && token_takes_long(worker->shared->verifier, token.text)) {
        if (!verify_later(worker, connection, &token, decision)) {
            refusal = handshake_overloaded(&token.from);
            refuse(worker, &refusal, decision);
        }
    } else {
        struct token_claims claims;
        token.err = token_verify(worker->shared->verifier, token.text, clock_wall_ms() / 1000, &claims,
                                 &token.reason);
        admit(worker, &token, &claims, decision);
    }
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
    struct handshake_token token = {
        .from = job->from, .subprotocol = job->subprotocol, .err = job->err, .reason = job->reason};
    struct ws_decision decision;
    admit(worker, &token, &job->claims, &decision);
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
