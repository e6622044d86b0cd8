#include "ws_frame.h"

#include <stdlib.h>
#include <string.h>

enum opcode { CONTINUATION = 0x0, TEXT = 0x1, BINARY = 0x2, CLOSE = 0x8, PING = 0x9, PONG = 0xA };

#define FIN_BIT     0x80
#define RSV_BITS    0x70
#define RSV1_BIT    0x40 /* the message is compressed, RFC 7692 section 6 */
#define MASK_BIT    0x80
#define CONTROL_BIT 0x08
#define MASK_LEN    4

void ws_decoder_init(struct ws_decoder *decoder, size_t max, bool takes_deflated)
{
    *decoder = (struct ws_decoder){.max = max, .takes_deflated = takes_deflated};
}

void ws_decoder_fini(struct ws_decoder *decoder)
{
    if (!decoder->partial)
        return;
    buffer_fini(&decoder->partial->message);
    free(decoder->partial->control);
    free(decoder->partial);
    decoder->partial = NULL;
}

static bool begin(struct ws_decoder *decoder)
{
    decoder->partial = calloc(1, sizeof *decoder->partial);
    if (!decoder->partial)
        return false;
    buffer_init(&decoder->partial->message, decoder->max);
    ws_utf8_init(&decoder->partial->utf8);
    return true;
}

static bool is_between_messages(const struct ws_decoder *decoder)
{
    const struct ws_partial *partial = decoder->partial;
    return partial->head_len == 0 && !partial->in_payload && partial->message_state == WS_MESSAGE_NONE;
}

static void fault(struct ws_event *event, unsigned code)
{
    event->kind = WS_EVENT_FAULT;
    event->code = code;
}

static unsigned opcode_of(const struct ws_decoder *decoder)
{
    return decoder->partial->head[0] & 0x0F;
}

static bool is_final(const struct ws_decoder *decoder)
{
    return decoder->partial->head[0] & FIN_BIT;
}

static bool is_control(const struct ws_decoder *decoder)
{
    return decoder->partial->head[0] & CONTROL_BIT;
}

static bool is_masked(const struct ws_decoder *decoder)
{
    return decoder->partial->head[1] & MASK_BIT;
}

static bool begins_message(const struct ws_decoder *decoder)
{
    return opcode_of(decoder) == TEXT || opcode_of(decoder) == BINARY;
}

/* Only what was agreed on: RSV1, on the first frame of a message. */
static bool may_have_rsv(const struct ws_decoder *decoder)
{
    unsigned bits = decoder->partial->head[0] & RSV_BITS;
    return bits == 0 || (bits == RSV1_BIT && decoder->takes_deflated && begins_message(decoder));
}

/* What the first two bytes of a head allow to judge. 0, or the code to close with. */
static unsigned judge_start(const struct ws_decoder *decoder)
{
    unsigned short_len = decoder->partial->head[1] & 0x7F;
    if (!may_have_rsv(decoder))
        return WS_CLOSE_PROTOCOL;
    if (decoder->from_server == is_masked(decoder)) /* section 5.1 */
        return WS_CLOSE_PROTOCOL;
    switch (opcode_of(decoder)) {
    case CONTINUATION:
        return decoder->partial->message_state == WS_MESSAGE_NONE ? WS_CLOSE_PROTOCOL : 0;
    case TEXT:
        return decoder->partial->message_state == WS_MESSAGE_NONE ? 0 : WS_CLOSE_PROTOCOL;
    case BINARY:
        if (decoder->partial->message_state != WS_MESSAGE_NONE)
            return WS_CLOSE_PROTOCOL;
        return decoder->takes_binary ? 0 : WS_CLOSE_UNSUPPORTED;
    case CLOSE:
    case PING:
    case PONG: /* section 5.5: short and never fragmented */
        return is_final(decoder) && short_len <= WS_CONTROL_MAX ? 0 : WS_CLOSE_PROTOCOL;
    default:
        return WS_CLOSE_PROTOCOL;
    }
}

static uint8_t head_size(const struct ws_decoder *decoder)
{
    unsigned short_len = decoder->partial->head[1] & 0x7F;
    return (uint8_t)(2 +
                     (short_len == 126   ? 2
                      : short_len == 127 ? 8
                                         : 0) +
                     (is_masked(decoder) ? MASK_LEN : 0));
}

/* Section 5.2: the shortest form that holds the length, and never above 63 bits. */
static bool read_length(const struct ws_decoder *decoder, uint64_t *ret_length)
{
    unsigned short_len = decoder->partial->head[1] & 0x7F;
    if (short_len < 126) {
        *ret_length = short_len;
        return true;
    }
    size_t bytes = short_len == 126 ? 2 : 8;
    uint64_t length = 0;
    for (size_t at = 0; at < bytes; at++)
        length = length << 8 | decoder->partial->head[2 + at];
    *ret_length = length;
    return short_len == 126 ? length > 125 : length > UINT16_MAX && length >> 63 == 0;
}

static void begin_data(struct ws_decoder *decoder, struct ws_event *event)
{
    if (begins_message(decoder)) {
        bool is_binary = opcode_of(decoder) == BINARY;
        decoder->partial->is_binary = is_binary;
        decoder->partial->message_state = decoder->partial->head[0] & RSV1_BIT ? WS_MESSAGE_DEFLATED
                                          : is_binary                          ? WS_MESSAGE_BINARY
                                                                               : WS_MESSAGE_TEXT;
        ws_utf8_init(&decoder->partial->utf8);
    }
    if (decoder->partial->message_state != WS_MESSAGE_TO_SKIP &&
        decoder->partial->payload_left > decoder->partial->message.max - decoder->partial->message.len) {
        decoder->partial->message_state = WS_MESSAGE_TO_SKIP;
        buffer_fini(&decoder->partial->message);
        event->kind = WS_EVENT_TOO_BIG;
    }
}

/* Collects the head of a frame, judging it as early as possible. */
static void take_head(struct ws_decoder *decoder, unsigned char **bytes, size_t *len, struct ws_event *event)
{
    while (*len > 0 && !decoder->partial->in_payload) {
        decoder->partial->head[decoder->partial->head_len++] = *(*bytes)++;
        --*len;
        if (decoder->partial->head_len == 2) {
            unsigned code = judge_start(decoder);
            if (code != 0) {
                fault(event, code);
                return;
            }
            decoder->partial->head_need = head_size(decoder);
        }
        if (decoder->partial->head_len < 2 || decoder->partial->head_len < decoder->partial->head_need)
            continue;
        if (!read_length(decoder, &decoder->partial->payload_left)) {
            fault(event, WS_CLOSE_PROTOCOL);
            return;
        }
        decoder->partial->in_payload = true;
        decoder->partial->mask_at = 0;
        decoder->partial->control_len = 0;
        free(decoder->partial->control);
        decoder->partial->control = NULL;
        if (!is_control(decoder))
            begin_data(decoder, event);
    }
}

static void unmask(struct ws_decoder *decoder, unsigned char *bytes, size_t len)
{
    if (!is_masked(decoder))
        return;
    const unsigned char *key = decoder->partial->head + decoder->partial->head_need - MASK_LEN;
    unsigned char turned[8];
    for (unsigned at = 0; at < sizeof turned; at++)
        turned[at] = key[(decoder->partial->mask_at + at) & 3];
    uint64_t word, mask;
    memcpy(&mask, turned, sizeof mask);
    size_t at = 0;
    for (; len - at >= sizeof word; at += sizeof word) {
        memcpy(&word, bytes + at, sizeof word);
        word ^= mask;
        memcpy(bytes + at, &word, sizeof word);
    }
    for (; at < len; at++)
        bytes[at] ^= turned[at & 7];
    decoder->partial->mask_at = (uint8_t)((decoder->partial->mask_at + len) & 3);
}

static void end_frame(struct ws_decoder *decoder)
{
    decoder->partial->in_payload = false;
    decoder->partial->head_len = 0;
    decoder->partial->head_need = 0;
}

static void end_message(struct ws_decoder *decoder, struct slice payload, struct ws_event *event)
{
    enum ws_message_state state = decoder->partial->message_state;
    decoder->partial->message_state = WS_MESSAGE_NONE;
    if (state == WS_MESSAGE_TEXT && !ws_utf8_complete(&decoder->partial->utf8)) {
        fault(event, WS_CLOSE_NOT_UTF8);
        return;
    }
    *event = (struct ws_event){.kind = state == WS_MESSAGE_TEXT     ? WS_EVENT_TEXT
                                       : state == WS_MESSAGE_BINARY ? WS_EVENT_BINARY
                                                                    : WS_EVENT_DEFLATED,
                               .payload = payload,
                               .is_binary = decoder->partial->is_binary};
}

static void take_data(struct ws_decoder *decoder, unsigned char *bytes, size_t len, struct ws_event *event)
{
    bool ends = is_final(decoder) && decoder->partial->payload_left == 0;
    if (decoder->partial->message_state == WS_MESSAGE_TEXT &&
        !ws_utf8_feed(&decoder->partial->utf8, bytes, len)) {
        fault(event, WS_CLOSE_NOT_UTF8);
        return;
    }
    if (ends && decoder->partial->message.len == 0) { /* came whole: no need for a copy */
        end_message(decoder, (struct slice){(const char *)bytes, len}, event);
        return;
    }
    buffer_append(&decoder->partial->message, bytes, len);
    if (buffer_failed(&decoder->partial->message)) {
        event->kind = WS_EVENT_NO_MEMORY; /* the size was checked before */
        return;
    }
    if (ends) {
        decoder->partial->delivered = true;
        end_message(decoder, buffer_slice(&decoder->partial->message), event);
    }
}

/* Section 7.4; 1012 to 1014 are registered since. */
static bool may_be_sent(unsigned code)
{
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

static void end_close(struct slice payload, struct ws_event *event)
{
    const unsigned char *bytes = (const unsigned char *)payload.data;
    if (payload.len == 0) {
        *event = (struct ws_event){.kind = WS_EVENT_CLOSE, .code = WS_CLOSE_NO_CODE};
        return;
    }
    unsigned code = payload.len == 1 ? 0 : (unsigned)bytes[0] << 8 | bytes[1];
    if (!may_be_sent(code)) {
        fault(event, WS_CLOSE_PROTOCOL);
        return;
    }
    struct ws_utf8 utf8;
    ws_utf8_init(&utf8);
    if (!ws_utf8_feed(&utf8, bytes + 2, payload.len - 2) || !ws_utf8_complete(&utf8))
        fault(event, WS_CLOSE_NOT_UTF8);
    else
        *event = (struct ws_event){.kind = WS_EVENT_CLOSE, .code = code};
}

static void take_control(struct ws_decoder *decoder, const unsigned char *bytes, size_t len,
                         struct ws_event *event)
{
    struct slice payload = {(const char *)bytes, len};
    if (decoder->partial->payload_left > 0 || decoder->partial->control_len > 0) { /* comes in pieces */
        if (!decoder->partial->control && !(decoder->partial->control = malloc(WS_CONTROL_MAX))) {
            event->kind = WS_EVENT_NO_MEMORY;
            return;
        }
        memcpy(decoder->partial->control + decoder->partial->control_len, bytes, len);
        decoder->partial->control_len = (uint8_t)(decoder->partial->control_len + len);
        payload = (struct slice){(const char *)decoder->partial->control, decoder->partial->control_len};
    }
    if (decoder->partial->payload_left > 0)
        return;
    if (opcode_of(decoder) == CLOSE) {
        end_close(payload, event);
        return;
    }
    event->kind = opcode_of(decoder) == PING ? WS_EVENT_PING : WS_EVENT_PONG;
    event->payload = payload;
}

static void take_payload(struct ws_decoder *decoder, unsigned char **bytes, size_t *len,
                         struct ws_event *event)
{
    size_t take = *len < decoder->partial->payload_left ? *len : (size_t)decoder->partial->payload_left;
    unsigned char *piece = *bytes;
    *bytes += take;
    *len -= take;
    decoder->partial->payload_left -= take;
    if (is_control(decoder)) {
        unmask(decoder, piece, take);
        take_control(decoder, piece, take, event);
    } else if (decoder->partial->message_state != WS_MESSAGE_TO_SKIP) {
        unmask(decoder, piece, take);
        take_data(decoder, piece, take, event);
    } else if (is_final(decoder) && decoder->partial->payload_left == 0) {
        decoder->partial->message_state = WS_MESSAGE_NONE;
    }
    if (decoder->partial->payload_left == 0)
        end_frame(decoder);
}

static void take_bytes(struct ws_decoder *decoder, unsigned char **bytes, size_t *len, struct ws_event *event)
{
    while (event->kind == WS_EVENT_NONE) {
        if (!decoder->partial->in_payload)
            take_head(decoder, bytes, len, event);
        if (event->kind != WS_EVENT_NONE || !decoder->partial->in_payload ||
            (*len == 0 && decoder->partial->payload_left > 0))
            return;
        take_payload(decoder, bytes, len, event);
    }
}

void ws_decoder_next(struct ws_decoder *decoder, unsigned char **bytes, size_t *len,
                     struct ws_event *ret_event)
{
    *ret_event = (struct ws_event){.kind = WS_EVENT_NONE};
    if (!decoder->partial && *len > 0 && !begin(decoder)) {
        ret_event->kind = WS_EVENT_NO_MEMORY;
        return;
    }
    if (!decoder->partial)
        return;
    if (decoder->partial->delivered) {
        buffer_fini(&decoder->partial->message);
        decoder->partial->delivered = false;
    }
    take_bytes(decoder, bytes, len, ret_event);
    if (ret_event->kind == WS_EVENT_NONE && is_between_messages(decoder))
        ws_decoder_fini(decoder); /* an idle connection keeps no memory */
}

size_t ws_close_frame(unsigned char *frame, unsigned code, const char *reason)
{
    size_t payload = 0;
    if (code != WS_CLOSE_NO_CODE) {
        size_t reason_len = reason ? strlen(reason) : 0;
        if (reason_len > WS_CONTROL_MAX - 2) {
            reason_len = WS_CONTROL_MAX - 2;
            while (reason_len > 0 && ((unsigned char)reason[reason_len] & 0xC0) == 0x80)
                reason_len--;
        }
        frame[2] = (unsigned char)(code >> 8);
        frame[3] = (unsigned char)code;
        if (reason_len > 0)
            memcpy(frame + 4, reason, reason_len);
        payload = 2 + reason_len;
    }
    frame[0] = FIN_BIT | CLOSE;
    frame[1] = (unsigned char)payload;
    return 2 + payload;
}
