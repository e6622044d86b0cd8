/* The opening handshake of ws_server.h, over TCP. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "raw_client.h"
#include "ws_harness_test.h"

/* Sends `request`, expects `status` and the end of the connection; the answer in `answer`. */
static void ask(const char *request, unsigned status, char answer[4096])
{
    struct raw_client client;
    raw_open(&client, harness_port(harness));
    raw_send_text(&client, request);
    assert_int_equal(raw_read_answer(&client, answer, 4096), status);
    raw_expect_end(&client, false);
    raw_close(&client);
}

/* Opens with these headers beside the required ones; the answer in `answer`. */
static void open_with(const char *path, const char *headers, char answer[4096])
{
    struct raw_client client;
    char request[4096];
    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\n" RAW_UPGRADE "%s\r\n", path, headers);
    raw_open(&client, harness_port(harness));
    raw_send_text(&client, request);
    assert_int_equal(raw_read_answer(&client, answer, 4096), 101);
    harness_wait(harness, NOTED_OPEN);
    raw_close(&client);
    harness_expect_closed(harness, WS_END_LOST, 1006);
}

static void expect_request(const char *text)
{
    assert_string_equal(harness_wait(harness, NOTED_REQUEST).text, text);
}

static void an_upgrade_without_subprotocol_is_answered_101(void **state)
{
    (void)state;
    char answer[4096];
    open_with("/ws", "", answer);
    expect_request("GET /ws  [] -");
    assert_non_null(strstr(answer, "HTTP/1.1 101 Switching Protocols\r\n"));
    /* The example of RFC 6455 section 1.3. */
    assert_non_null(strstr(answer, "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
    assert_null(strstr(answer, "Sec-WebSocket-Protocol"));
    assert_null(strstr(answer, "Sec-WebSocket-Extensions"));
}

static void the_chosen_subprotocol_is_answered_beside_a_long_token(void **state)
{
    (void)state;
    char answer[4096], header[1600] = "Sec-WebSocket-Protocol: roomcast.v1, bearer.";
    size_t len = strlen(header);
    memset(header + len, 'x', 1500);
    memcpy(header + len + 1500, "\r\n", 3);
    open_with("/ws", header, answer);
    assert_non_null(strstr(answer, "Sec-WebSocket-Protocol: roomcast.v1\r\n"));
}

static void subprotocols_on_several_lines_are_one_list(void **state)
{
    (void)state;
    char answer[4096];
    open_with("/ws",
              "Sec-WebSocket-Protocol: foo\r\nOrigin: x\r\nsec-websocket-protocol: roomcast.v1\r\n"
              "Sec-WebSocket-Protocol: bearer.t\r\n",
              answer);
    expect_request("GET /ws  [foo, roomcast.v1, bearer.t] -");
    assert_non_null(strstr(answer, "Sec-WebSocket-Protocol: roomcast.v1\r\n"));
}

static void unknown_subprotocols_are_upgraded_without_one(void **state)
{
    (void)state;
    char answer[4096];
    open_with("/ws", "Sec-WebSocket-Protocol: foo\r\n", answer);
    assert_null(strstr(answer, "Sec-WebSocket-Protocol"));
}

static void extensions_are_not_agreed_on_while_they_are_off(void **state)
{
    (void)state;
    char answer[4096], header[700] = "Sec-WebSocket-Extensions: permessage-deflate; ";
    size_t len = strlen(header);
    memset(header + len, 'p', 600);
    memcpy(header + len + 600, "\r\n", 3);
    open_with("/ws", header, answer);
    assert_null(strstr(answer, "Extensions"));
}

static void the_query_token_is_decoded_and_the_path_is_not(void **state)
{
    (void)state;
    char answer[4096];
    ask("GET /w%73?a=1&token=x%2Ey%2e%zz&token=no HTTP/1.1\r\nHost: h\r\n\r\n", 426, answer);
    expect_request("GET /w%73 x.y.%zz [] -");
    ask("GET http://h:80/p?token= HTTP/1.1\r\nHost: h\r\n\r\n", 426, answer);
    expect_request("GET /p  [] -");
}

static void a_refusal_is_a_complete_http_answer(void **state)
{
    (void)state;
    char answer[4096];
    ask("GET /refuse HTTP/1.1\r\n" RAW_UPGRADE "\r\n", 401, answer);
    assert_non_null(strstr(answer, "HTTP/1.1 401 Unauthorized\r\n"));
    assert_non_null(strstr(answer, "Content-Type: application/json\r\n"));
    assert_non_null(strstr(answer, "Content-Length: 23\r\n"));
    assert_non_null(strstr(answer, "Retry-After: 7\r\n"));
    assert_non_null(strstr(answer, "Connection: close\r\n"));
    assert_non_null(strstr(answer, "\r\n\r\n{\"code\":\"UNAUTHORIZED\"}"));
    assert_int_equal(harness_count(harness, NOTED_OPEN), 0);
}

static void a_plain_request_is_no_upgrade_and_no_fault(void **state)
{
    (void)state;
    char answer[4096];
    ask("GET /ws HTTP/1.1\r\nHost: h\r\n\r\n", 426, answer);
    expect_request("GET /ws  [] -");
    assert_non_null(strstr(answer, "Upgrade: websocket\r\n"));
    assert_non_null(strstr(answer, "Sec-WebSocket-Version: 13\r\n"));
    ask("POST /other HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}", 426, answer);
    expect_request("POST /other  [] -");
    ask("GET /ws HTTP/1.0\r\n\r\n", 426, answer);
    expect_request("GET /ws  [] -");
}

static void a_malformed_upgrade_names_its_fault(void **state)
{
    (void)state;
#define HOST    "Host: h\r\n"
#define UPGRADE "Upgrade: websocket\r\n"
#define CONNECT "Connection: keep-alive, Upgrade\r\n"
#define VERSION "Sec-WebSocket-Version: 13\r\n"
    static const struct {
        const char *request, *fault;
    } rows[] = {
        {"POST /ws HTTP/1.1\r\n" RAW_UPGRADE "\r\n", "the method of an upgrade is GET"},
        {"GET /ws HTTP/1.0\r\n" RAW_UPGRADE "\r\n", "an upgrade needs HTTP/1.1"},
        {"GET /ws HTTP/1.1\r\n" UPGRADE CONNECT VERSION RAW_KEY "\r\n", "Host is missing"},
        {"GET /ws HTTP/1.1\r\n" HOST CONNECT VERSION RAW_KEY "\r\n", "Upgrade does not name websocket"},
        {"GET /ws HTTP/1.1\r\nUpgrade: h2c\r\n" HOST CONNECT VERSION RAW_KEY "\r\n",
         "Upgrade does not name websocket"},
        {"GET /ws HTTP/1.1\r\n" HOST UPGRADE VERSION RAW_KEY "\r\n", "Connection does not name Upgrade"},
        {"GET /ws HTTP/1.1\r\nConnection: upgraded\r\n" HOST UPGRADE VERSION RAW_KEY "\r\n",
         "Connection does not name Upgrade"},
        {"GET /ws HTTP/1.1\r\n" HOST UPGRADE CONNECT RAW_KEY "\r\n", "Sec-WebSocket-Version is not 13"},
        {"GET /ws HTTP/1.1\r\nSec-WebSocket-Version: 8\r\n" HOST UPGRADE CONNECT RAW_KEY "\r\n",
         "Sec-WebSocket-Version is not 13"},
        {"GET /ws HTTP/1.1\r\n" HOST UPGRADE CONNECT VERSION "\r\n",
         "Sec-WebSocket-Key is not 16 bytes in base64"},
        {"GET /ws HTTP/1.1\r\n" HOST UPGRADE CONNECT VERSION "Sec-WebSocket-Key: c2hvcnQ=\r\n\r\n",
         "Sec-WebSocket-Key is not 16 bytes in base64"},
        {"GET /ws HTTP/1.1\r\n" HOST UPGRADE CONNECT VERSION
         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j!!==\r\n\r\n",
         "Sec-WebSocket-Key is not 16 bytes in base64"},
        {"GET /ws HTTP/1.1\r\n" RAW_UPGRADE RAW_KEY "\r\n", "Sec-WebSocket-Key came more than once"},
        {"GET /ws HTTP/1.1\r\nHost: other\r\n" RAW_UPGRADE "\r\n", "Host came more than once"},
        {"GET /ws HTTP/1.1\r\nContent-Length: 5\r\n" RAW_UPGRADE "\r\nhello",
         "an upgrade has no body: Content-Length or Transfer-Encoding"},
    };
    for (size_t at = 0; at < sizeof rows / sizeof rows[0]; at++) {
        char answer[4096];
        ask(rows[at].request, 400, answer);
        struct note note = harness_wait(harness, NOTED_REQUEST);
        assert_string_equal(strstr(note.text, "[] ") + 3, rows[at].fault);
        bool version = strstr(rows[at].fault, "Version") != NULL;
        assert_int_equal(strstr(answer, "Sec-WebSocket-Version: 13\r\n") != NULL, version);
    }
}

static void expect_reported(unsigned status, const char *what)
{
    struct note note = harness_wait(harness, NOTED_BAD_REQUEST);
    assert_int_equal(note.code, status);
    assert_string_equal(note.text, what);
}

static void what_is_no_http_is_answered_400_and_reported(void **state)
{
    (void)state;
    static const struct {
        const char *request, *what;
        unsigned status;
    } rows[] = {
        {"hello\r\n\r\n", "the request line is malformed", 400},
        {"GET  /ws HTTP/1.1\r\n\r\n", "the request line is malformed", 400},
        {"GET /w#s HTTP/1.1\r\n\r\n", "the request line is malformed", 400},
        {"GET /ws HTTP/11\r\n\r\n", "the request line is malformed", 400},
        {"PRI * HTTP/2.0\r\n\r\n", "HTTP/1.1 is spoken here", 505},
        {"GET /ws HTTP/1.1\r\nHost: h\n\n", "a line does not end in CR LF", 400},
        {"GET /ws HTTP/1.1\r\nHost: h\r\n folded\r\n\r\n", "a header is folded over two lines", 400},
        {"GET /ws HTTP/1.1\r\nHost : h\r\n\r\n", "a header has no proper name", 400},
        {"GET /ws HTTP/1.1\r\nHost\r\n\r\n", "a header has no proper name", 400},
        {"GET /ws HTTP/1.1\r\nHost: a\rb\r\n\r\n", "a header has control characters in it", 400},
    };
    for (size_t at = 0; at < sizeof rows / sizeof rows[0]; at++) {
        char answer[4096];
        ask(rows[at].request, rows[at].status, answer);
        assert_non_null(strstr(answer, "\"success\":false"));
        expect_reported(rows[at].status, rows[at].what);
    }
    assert_int_equal(harness_count(harness, NOTED_REQUEST), 0);
}

static void send_long(const char *before, size_t len, const char *after, unsigned status, const char *what)
{
    struct raw_client client;
    char answer[4096], *request = malloc(len + 512);
    assert_non_null(request);
    size_t at = strlen(before);
    memcpy(request, before, at);
    memset(request + at, 'x', len);
    strcpy(request + at + len, after);
    raw_open(&client, harness_port(harness));
    raw_send_while_taken(&client, request, strlen(request));
    assert_int_equal(raw_read_answer(&client, answer, sizeof answer), status);
    raw_expect_end(&client, true);
    expect_reported(status, what);
    raw_close(&client);
    free(request);
}

static void headers_over_the_limit_are_answered_and_reported(void **state)
{
    (void)state;
    const size_t token = 64 * 1024;
    send_long("GET /ws?token=", token, " HTTP/1.1\r\n" RAW_UPGRADE "\r\n", 414,
              "the request line is too long");
    send_long("GET /ws HTTP/1.1\r\n" RAW_UPGRADE "Authorization: Bearer ", token, "\r\n\r\n", 431,
              "the headers are too long");
    send_long("GET /ws HTTP/1.1\r\n" RAW_UPGRADE "Sec-WebSocket-Protocol: bearer.", token, "\r\n\r\n", 431,
              "the headers are too long");
    assert_int_equal(harness_count(harness, NOTED_REQUEST), 0);
}

static void a_header_block_of_exactly_the_limit_is_taken(void **state)
{
    (void)state;
    static const char before[] = "GET /ws HTTP/1.1\r\nHost: h\r\nX: ";
    struct raw_client client;
    char answer[4096], request[HARNESS_HEADER_MAX + 1];
    memset(request, 'x', sizeof request);
    memcpy(request, before, sizeof before - 1);
    memcpy(request + HARNESS_HEADER_MAX - 4, "\r\n\r\n", 5);
    raw_open(&client, harness_port(harness));
    raw_send_text(&client, request);
    assert_int_equal(raw_read_answer(&client, answer, sizeof answer), 426);
    raw_close(&client);
}

static void too_many_headers_are_answered_431(void **state)
{
    (void)state;
    char answer[4096], request[2048] = "GET /ws HTTP/1.1\r\n";
    size_t at = strlen(request);
    for (int count = 0; count <= 100; count++) {
        memcpy(request + at, "a: b\r\n", 6);
        at += 6;
    }
    memcpy(request + at, "\r\n", 3);
    ask(request, 431, answer);
    expect_reported(431, "there are too many headers");
}

static void a_request_may_come_byte_by_byte_with_frames_behind_it(void **state)
{
    (void)state;
    struct raw_client client;
    unsigned char bytes[1024];
    char answer[4096];
    size_t len = (size_t)snprintf((char *)bytes, sizeof bytes, "\r\nGET /ws HTTP/1.1\r\n" RAW_UPGRADE "\r\n");
    raw_open(&client, harness_port(harness));
    for (size_t at = 0; at < len - 1; at++)
        raw_send(&client, bytes + at, 1);
    bytes[0] = '\n'; /* the last byte of the head, and frames in the same segment */
    len = 1 + raw_make_frame(bytes + 1, 0x81, "echo:early", 10);
    raw_send(&client, bytes, len);
    assert_int_equal(raw_read_answer(&client, answer, sizeof answer), 101);
    raw_expect_message(&client, "early");
    raw_close(&client);
    harness_expect_closed(harness, WS_END_LOST, 1006);
}

static void a_bare_connection_attempt_is_no_bad_request(void **state)
{
    (void)state;
    struct raw_client client;
    char answer[4096];
    raw_open(&client, harness_port(harness));
    raw_close(&client);
    raw_open(&client, harness_port(harness));
    raw_send_text(&client, "GET /ws HT");
    raw_close(&client);
    expect_reported(400, "closed before the request was complete");
    ask("GET / HTTP/1.1\r\n\r\n", 426, answer);
    assert_int_equal(harness_count(harness, NOTED_BAD_REQUEST), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WS_TEST(an_upgrade_without_subprotocol_is_answered_101),
        WS_TEST(the_chosen_subprotocol_is_answered_beside_a_long_token),
        WS_TEST(subprotocols_on_several_lines_are_one_list),
        WS_TEST(unknown_subprotocols_are_upgraded_without_one),
        WS_TEST(extensions_are_not_agreed_on_while_they_are_off),
        WS_TEST(the_query_token_is_decoded_and_the_path_is_not),
        WS_TEST(a_refusal_is_a_complete_http_answer),
        WS_TEST(a_plain_request_is_no_upgrade_and_no_fault),
        WS_TEST(a_malformed_upgrade_names_its_fault),
        WS_TEST(what_is_no_http_is_answered_400_and_reported),
        WS_TEST(headers_over_the_limit_are_answered_and_reported),
        WS_TEST(a_header_block_of_exactly_the_limit_is_taken),
        WS_TEST(too_many_headers_are_answered_431),
        WS_TEST(a_request_may_come_byte_by_byte_with_frames_behind_it),
        WS_TEST(a_bare_connection_attempt_is_no_bad_request),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
