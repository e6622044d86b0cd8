/* A TCP client of tests that sends exactly the bytes it is told to, proper or not, and fails the test when
 * what it waits for does not come within RAW_DEADLINE_MS. Not more than one test thread at a time per client.
 */
#ifndef ROOMCAST_TEST_RAW_CLIENT_H
#define ROOMCAST_TEST_RAW_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RAW_DEADLINE_MS 10000
#define RAW_BUFFER      (4 * 1024 * 1024)

struct raw_client {
    int fd;
    unsigned char *bytes; /* received and not yet taken */
    size_t len;
    unsigned char *payload; /* of the frame read last, and NUL */
};

struct raw_frame {
    unsigned char first;          /* FIN, RSV and opcode */
    const unsigned char *payload; /* borrowed until the next read */
    size_t len;
};

void raw_open(struct raw_client *client, uint16_t port);
/* raw_open() in its two steps. `receive_bytes`: SO_RCVBUF, or 0. */
void raw_socket(struct raw_client *client, int receive_bytes);
void raw_connect(struct raw_client *client, uint16_t port);
/* `receive_bytes`: SO_RCVBUF, so that a client which does not read is noticed early. */
void raw_open_small(struct raw_client *client, uint16_t port, int receive_bytes);
void raw_close(struct raw_client *client);
/* Closes with RST instead of FIN. */
void raw_reset(struct raw_client *client);

void raw_send(struct raw_client *client, const void *bytes, size_t len);
void raw_send_text(struct raw_client *client, const char *text);
/* Sends as much as is taken until the server hangs up; for servers that may answer before all is sent. */
void raw_send_while_taken(struct raw_client *client, const void *bytes, size_t len);
/* A masked frame; `first` as on the wire, 0x81 for a whole text. */
void raw_send_frame(struct raw_client *client, unsigned first, const void *payload, size_t len);
void raw_send_message(struct raw_client *client, const char *text);
/* Appends a masked frame to `out`; returns its length. */
size_t raw_make_frame(unsigned char *out, unsigned first, const void *payload, size_t len);

/* Reads an HTTP answer with its body, as far as Content-Length tells it, into `text`, returns the status. */
unsigned raw_read_answer(struct raw_client *client, char *text, size_t size);
void raw_read_frame(struct raw_client *client, struct raw_frame *ret_frame);
/* The next frame is a text frame of exactly this. */
void raw_expect_message(struct raw_client *client, const char *text);
/* The next bytes are exactly these. */
void raw_expect_bytes(struct raw_client *client, const char *text);
/* The next frame is a close frame with this code (1005: none). */
void raw_expect_close(struct raw_client *client, unsigned code);
/* Reads until the server has closed, which it must do in an orderly way; what came is in `bytes`, `len`. */
void raw_read_to_end(struct raw_client *client);
/* The server has closed, and nothing came before. A reset counts when `allow_reset`. */
void raw_expect_end(struct raw_client *client, bool allow_reset);

#define RAW_KEY "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define RAW_UPGRADE                                                                                          \
    "Host: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n" RAW_KEY
/* Opens a WebSocket at /ws. */
void raw_upgrade(struct raw_client *client, uint16_t port);

#endif
