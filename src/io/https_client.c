#include <roomcast/io/https_client.h>

#include <ctype.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <curl/curl.h>

#include <roomcast/base/random.h>
#include <roomcast/base/text.h>

#define POLL_MS       1000
#define CACHE_CONTROL "Cache-Control:"
#define RETRY_AFTER   "Retry-After:"
#define MAX_AGE       "max-age="
#define AGE_MAX_S     UINT64_C(31536000)

struct https_client {
    CURLM *multi;
    CURL *easy;
    atomic_bool stopping; /* any thread */
    char error[CURL_ERROR_SIZE];

    /* of the get under way */
    struct buffer *body;
    struct https_answer *answer;
};

/* --- addresses --- */

static bool is_scheme(CURLU *parts, const char *scheme)
{
    char *text = NULL;
    bool same = curl_url_get(parts, CURLUPART_SCHEME, &text, 0) == CURLUE_OK && strcmp(text, scheme) == 0;

    curl_free(text);
    return same;
}

static bool has_part(CURLU *parts, CURLUPart part)
{
    char *text = NULL;
    bool found = curl_url_get(parts, part, &text, 0) == CURLUE_OK && text[0] != '\0';

    curl_free(text);
    return found;
}

static const char *fault_of(CURLU *parts)
{
    if (!is_scheme(parts, "https") && !is_scheme(parts, "http"))
        return "its scheme is neither https nor http";
    if (!has_part(parts, CURLUPART_HOST))
        return "it names no host";
    if (has_part(parts, CURLUPART_USER) || has_part(parts, CURLUPART_PASSWORD))
        return "it holds a user or a password, which are not sent";
    if (has_part(parts, CURLUPART_FRAGMENT))
        return "it has a fragment (#), which is not sent";
    return NULL;
}

const char *https_client_fault(const char *url)
{
    CURLU *parts = curl_url();
    const char *fault = "it cannot be read as an address (RFC 3986)";

    if (parts && curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK)
        fault = fault_of(parts);
    curl_url_cleanup(parts);
    return fault;
}

static bool is_loopback(const char *host)
{
    unsigned a, b, c, d;
    int end = 0;

    if (strcasecmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0)
        return true;
    return sscanf(host, "%3u.%3u.%3u.%3u%n", &a, &b, &c, &d, &end) == 4 && host[end] == '\0' && a == 127;
}

bool https_client_is_exposed(const char *url)
{
    CURLU *parts = curl_url();
    char *host = NULL;
    bool exposed = true;

    if (parts && curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK &&
        curl_url_get(parts, CURLUPART_HOST, &host, 0) == CURLUE_OK)
        exposed = is_scheme(parts, "http") && !is_loopback(host);
    curl_free(host);
    curl_url_cleanup(parts);
    return exposed;
}

/* --- what comes --- */

static size_t on_body(char *bytes, size_t size, size_t count, void *context)
{
    struct https_client *client = context;

    buffer_append(client->body, bytes, size * count);
    return buffer_failed(client->body) ? 0 : size * count; /* less than all ends the transfer */
}

static bool directive_is(struct slice directive, const char *name)
{
    return directive.len == strlen(name) && strncasecmp(directive.data, name, directive.len) == 0;
}

static uint64_t read_seconds(struct slice digits)
{
    uint64_t seconds = 0;

    for (size_t i = 0; i < digits.len && isdigit((unsigned char)digits.data[i]) && seconds < AGE_MAX_S; i++)
        seconds = seconds * 10 + (uint64_t)(digits.data[i] - '0');
    return seconds < AGE_MAX_S ? seconds : AGE_MAX_S;
}

static void read_directive(struct slice directive, struct https_answer *answer)
{
    size_t len = sizeof MAX_AGE - 1;

    if (directive_is(directive, "no-store") || directive_is(directive, "no-cache")) {
        answer->has_max_age = true;
        answer->max_age_s = 0;
    } else if (!answer->has_max_age && directive.len > len &&
               strncasecmp(directive.data, MAX_AGE, len) == 0 &&
               isdigit((unsigned char)directive.data[len])) {
        answer->has_max_age = true;
        answer->max_age_s = read_seconds((struct slice){directive.data + len, directive.len - len});
    }
}

static void read_cache_control(struct slice list, struct https_answer *answer)
{
    for (size_t at = 0, end; at < list.len; at = end + 1) {
        while (at < list.len && strchr(" \t", list.data[at]))
            at++;
        for (end = at; end < list.len && !strchr(", \t\r\n", list.data[end]); end++)
            ;
        read_directive((struct slice){list.data + at, end - at}, answer);
    }
}

/* A date is not understood, and counts as not said. */
static uint64_t read_retry_after(struct slice value)
{
    while (value.len > 0 && strchr(" \t", value.data[0]))
        value = (struct slice){value.data + 1, value.len - 1};
    return read_seconds(value);
}

static size_t on_header(char *bytes, size_t size, size_t count, void *context)
{
    struct https_client *client = context;
    struct slice line = {bytes, size * count};
    size_t name = sizeof CACHE_CONTROL - 1;

    if (line.len > name && strncasecmp(line.data, CACHE_CONTROL, name) == 0)
        read_cache_control((struct slice){line.data + name, line.len - name}, client->answer);
    name = sizeof RETRY_AFTER - 1;
    if (line.len > name && strncasecmp(line.data, RETRY_AFTER, name) == 0)
        client->answer->retry_after_s = read_retry_after((struct slice){line.data + name, line.len - name});
    return line.len;
}

/* --- the transfer --- */

static pthread_once_t library_once = PTHREAD_ONCE_INIT;
static CURLcode library = CURLE_FAILED_INIT; /* written once, under library_once */

static void start_library(void)
{
    library = curl_global_init(CURL_GLOBAL_DEFAULT);
}

static bool set_limits(CURL *easy, const struct https_client_options *options)
{
    return curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)options->connect_timeout_ms) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)options->timeout_ms) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           /* A name server that does not answer keeps nobody waiting for longer than that either. */
           curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "https,http") == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PROXY, "") == CURLE_OK;
}

static bool set_trust(CURL *easy, const struct https_client_options *options)
{
    if (options->ca_file[0] && curl_easy_setopt(easy, CURLOPT_CAINFO, options->ca_file) != CURLE_OK)
        return false;
    /* Of CAPATH nothing is taken when a file says whom to trust. */
    if (options->ca_file[0] && curl_easy_setopt(easy, CURLOPT_CAPATH, NULL) != CURLE_OK)
        return false;
    return curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) == CURLE_OK;
}

static bool set_up(struct https_client *client, const struct https_client_options *options)
{
    CURL *easy = client->easy;

    return set_limits(easy, options) && set_trust(easy, options) &&
           curl_easy_setopt(easy, CURLOPT_URL, options->url) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_USERAGENT, "roomcast/" ROOMCAST_VERSION) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, client->error) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEDATA, client) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HEADERDATA, client) == CURLE_OK;
}

enum err https_client_new(const struct https_client_options *options, struct https_client **ret_client)
{
    struct https_client *client = calloc(1, sizeof *client);

    if (!client)
        return ERR_NO_MEMORY;
    pthread_once(&library_once, start_library);
    if (library == CURLE_OK) {
        client->multi = curl_multi_init();
        client->easy = curl_easy_init();
    }
    if (!client->multi || !client->easy) {
        https_client_free(&client);
        return ERR_NO_MEMORY;
    }
    if (!set_up(client, options)) {
        https_client_free(&client);
        return ERR_CONFIG;
    }
    *ret_client = client;
    return ERR_OK;
}

/* Until it is over, or stopped. CURLE_ABORTED_BY_CALLBACK: stopped. */
static CURLcode transfer(struct https_client *client)
{
    int running = 1, left;

    while (running && !atomic_load(&client->stopping)) {
        if (curl_multi_perform(client->multi, &running) != CURLM_OK)
            return CURLE_OUT_OF_MEMORY;
        if (running && curl_multi_poll(client->multi, NULL, 0, POLL_MS, NULL) != CURLM_OK)
            return CURLE_OUT_OF_MEMORY;
    }
    for (CURLMsg *message; (message = curl_multi_info_read(client->multi, &left));) {
        if (message->msg == CURLMSG_DONE)
            return message->data.result;
    }
    return CURLE_ABORTED_BY_CALLBACK;
}

/* ERR_OK: there is an answer, with its status. */
static enum err judge(struct https_client *client, CURLcode code)
{
    struct https_answer *answer = client->answer;
    long status = 0;

    curl_easy_getinfo(client->easy, CURLINFO_RESPONSE_CODE, &status);
    answer->status = (unsigned)status;
    snprintf(answer->problem, sizeof answer->problem, "%s",
             client->error[0] ? client->error : curl_easy_strerror(code));
    if (code == CURLE_ABORTED_BY_CALLBACK)
        return ERR_BUSY;
    if (code == CURLE_OUT_OF_MEMORY)
        return ERR_NO_MEMORY;
    if (buffer_failed(client->body)) {
        snprintf(answer->problem, sizeof answer->problem, "the answer has more than %zu bytes",
                 client->body->max);
        return ERR_TOO_BIG;
    }
    if (code != CURLE_OK)
        return code == CURLE_OPERATION_TIMEDOUT ? ERR_TIMEOUT : ERR_UNAVAILABLE;
    return ERR_OK;
}

static enum err perform(struct https_client *client, struct buffer *body, struct https_answer *ret_answer)
{
    *ret_answer = (struct https_answer){.status = 0};
    client->body = body;
    client->answer = ret_answer;
    client->error[0] = '\0';
    if (curl_multi_add_handle(client->multi, client->easy) != CURLM_OK)
        return ERR_NO_MEMORY;
    CURLcode code = transfer(client);
    curl_multi_remove_handle(client->multi, client->easy);
    return judge(client, code);
}

enum err https_client_get(struct https_client *client, struct buffer *body, struct https_answer *ret_answer)
{
    enum err err = perform(client, body, ret_answer);

    if (err != ERR_OK || ret_answer->status == 200)
        return err;
    snprintf(ret_answer->problem, sizeof ret_answer->problem, "the answer has status %u%s",
             ret_answer->status,
             ret_answer->status >= 300 && ret_answer->status < 400 ? " (redirects are not followed)" : "");
    return ERR_MISMATCH;
}

/* The caller frees by curl_slist_free_all(); NULL: out of memory. */
static struct curl_slist *make_headers(const char *key)
{
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    size_t size = strlen(key) + sizeof "Authorization: Bearer ";
    char *line = key[0] ? malloc(size) : NULL;
    struct curl_slist *with_key = NULL;

    if (!headers || !key[0])
        return headers;
    if (line) {
        snprintf(line, size, "Authorization: Bearer %s", key);
        with_key = curl_slist_append(headers, line);
        wipe(line, size);
        free(line);
    }
    if (!with_key)
        curl_slist_free_all(headers);
    return with_key;
}

static void free_headers(struct curl_slist *headers)
{
    for (struct curl_slist *line = headers; line; line = line->next)
        wipe(line->data, strlen(line->data));
    curl_slist_free_all(headers);
}

enum err https_client_post(struct https_client *client, const char *key, struct slice content,
                           struct buffer *body, struct https_answer *ret_answer)
{
    if (!text_is_plain(slice_of(key)))
        return ERR_CONFIG;
    struct curl_slist *headers = make_headers(key);
    enum err err = ERR_NO_MEMORY;

    if (headers && curl_easy_setopt(client->easy, CURLOPT_HTTPHEADER, headers) == CURLE_OK &&
        curl_easy_setopt(client->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)content.len) == CURLE_OK &&
        curl_easy_setopt(client->easy, CURLOPT_POSTFIELDS, content.data) == CURLE_OK)
        err = perform(client, body, ret_answer);
    curl_easy_setopt(client->easy, CURLOPT_HTTPHEADER, NULL);
    curl_easy_setopt(client->easy, CURLOPT_POSTFIELDS, NULL);
    free_headers(headers);
    return err;
}

void https_client_stop(struct https_client *client)
{
    atomic_store(&client->stopping, true);
    curl_multi_wakeup(client->multi);
}

void https_client_free(struct https_client **pointer)
{
    struct https_client *client = *pointer;

    if (!client)
        return;
    curl_easy_cleanup(client->easy);
    curl_multi_cleanup(client->multi);
    free(client);
    *pointer = NULL;
}
