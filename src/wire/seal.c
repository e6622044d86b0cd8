#include <roomcast/wire/seal.h>

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#define KEY_BYTES    32
#define ID_BYTES     4
#define HEADER_BYTES 14
#define MAC_BYTES    16
#define NONCE_BYTES  crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG_BYTES    crypto_aead_xchacha20poly1305_ietf_ABYTES
#define SUBJECT_MAX  1024 /* no subject of ours is longer */

static_assert(HEADER_BYTES + MAC_BYTES == SEAL_SIGNED_BYTES, "as the header says");
static_assert(HEADER_BYTES + NONCE_BYTES + TAG_BYTES == SEAL_ENCRYPTED_BYTES, "as the header says");

enum { KIND_SIGNED = 1, KIND_ENCRYPTED = 2 };

struct key {
    unsigned char id[ID_BYTES], sign[KEY_BYTES], encrypt[KEY_BYTES];
};

struct seal {
    enum seal_mode mode;
    uint64_t window_ms;
    bool accept_plain;
    size_t keys_count;
    struct key keys[2]; /* the first one seals */
};

/* --- keys --- */

/* One key is never used for two things. */
static void derive(const unsigned char *master, const char *purpose, unsigned char *out, size_t len)
{
    unsigned char full[KEY_BYTES];

    crypto_generichash(full, sizeof full, (const unsigned char *)purpose, strlen(purpose), master, KEY_BYTES);
    memcpy(out, full, len);
    sodium_memzero(full, sizeof full);
}

static bool parse_key(struct slice text, unsigned char *master)
{
    size_t len = 0;
    const char *end;

    while (text.len > 0 && (text.data[text.len - 1] == '\n' || text.data[text.len - 1] == '\r'))
        text.len--;
    if (text.len == 2 * KEY_BYTES)
        return sodium_hex2bin(master, KEY_BYTES, text.data, text.len, NULL, &len, &end) == 0 &&
               len == KEY_BYTES && end == text.data + text.len;
    return sodium_base642bin(master, KEY_BYTES, text.data, text.len, NULL, &len, &end,
                             sodium_base64_VARIANT_ORIGINAL) == 0 &&
           len == KEY_BYTES && end == text.data + text.len;
}

static bool add_key(struct seal *seal, struct slice text)
{
    unsigned char master[KEY_BYTES];
    struct key *key = &seal->keys[seal->keys_count];
    bool ok = text.len > 0 && parse_key(text, master);

    if (ok) {
        derive(master, "roomcast seal 1: key id", key->id, ID_BYTES);
        derive(master, "roomcast seal 1: sign", key->sign, KEY_BYTES);
        derive(master, "roomcast seal 1: encrypt", key->encrypt, KEY_BYTES);
        seal->keys_count++;
    }
    sodium_memzero(master, sizeof master);
    return ok;
}

enum err seal_new(const struct seal_options *options, struct seal **ret_seal)
{
    if (sodium_init() < 0)
        return ERR_NO_MEMORY;
    struct seal *seal = sodium_malloc(sizeof *seal); /* locked, between guard pages, wiped when freed */
    if (!seal)
        return ERR_NO_MEMORY;
    *seal = (struct seal){.mode = options->mode,
                          .window_ms = options->window_ms,
                          .accept_plain = options->accept_plain || options->mode == SEAL_OFF};
    if (!add_key(seal, options->key) || (options->previous.len > 0 && !add_key(seal, options->previous))) {
        sodium_free(seal);
        return ERR_CONFIG;
    }
    sodium_mprotect_readonly(seal);
    *ret_seal = seal;
    return ERR_OK;
}

void seal_free(struct seal **seal)
{
    sodium_free(*seal);
    *seal = NULL;
}

/* --- subjects --- */

static bool starts(struct slice text, const char *with)
{
    size_t len = strlen(with);

    return text.len >= len && memcmp(text.data, with, len) == 0;
}

static struct slice behind(struct slice text, size_t len)
{
    return (struct slice){text.data + len, text.len - len};
}

/* What follows "<prefix>."; data NULL when it is not below it. */
static struct slice below(const char *prefix, struct slice subject)
{
    size_t len = strlen(prefix);

    if (!starts(subject, prefix) || subject.len <= len || subject.data[len] != '.')
        return (struct slice){NULL, 0};
    return behind(subject, len + 1);
}

/* A stored message has one name, wherever it is seen: "<prefix>.[rev.]ev.<rest>", as it was stored. */
struct name {
    struct slice front; /* "<prefix>." or "<prefix>.rev." */
    struct slice rest;
    bool stored; /* "ev." stands between them */
};

static enum seal_scope take_apart(const char *prefix, struct slice subject, struct name *name)
{
    struct slice rest = below(prefix, subject);

    if (!rest.data || starts(rest, "authz."))
        return SEAL_FOREIGN;
    if (starts(rest, "rev."))
        rest = behind(rest, 4);
    bool is_event = starts(rest, "ev."), is_live = starts(rest, "live.");
    *name = (struct name){.front = {subject.data, (size_t)(rest.data - subject.data)},
                          .rest = behind(rest, is_event  ? 3
                                               : is_live ? 5
                                                         : 0),
                          .stored = is_event || is_live};
    return name->stored ? SEAL_STORED : SEAL_SIGNAL;
}

enum seal_scope seal_scope(const char *prefix, struct slice subject)
{
    struct name name;

    return take_apart(prefix, subject, &name);
}

/* What a check covers beside the body: the header, and the name with its length in front, so that no byte can
 * move from one to the other. */
struct context {
    unsigned char bytes[HEADER_BYTES + 2 + SUBJECT_MAX];
    size_t len;
};

static bool make_context(const unsigned char *header, const struct name *name, struct context *context)
{
    static const char event[] = "ev.";
    unsigned char *at = context->bytes;
    size_t len = name->front.len + (name->stored ? 3 : 0) + name->rest.len;

    if (len > SUBJECT_MAX)
        return false;
    at = (unsigned char *)mempcpy(at, header, HEADER_BYTES);
    *at++ = (unsigned char)(len >> 8);
    *at++ = (unsigned char)len;
    at = (unsigned char *)mempcpy(at, name->front.data, name->front.len);
    if (name->stored)
        at = (unsigned char *)mempcpy(at, event, 3);
    at = (unsigned char *)mempcpy(at, name->rest.data, name->rest.len);
    context->len = (size_t)(at - context->bytes);
    return true;
}

/* --- sealing --- */

static void put_header(unsigned char *header, unsigned kind, const struct key *key, uint64_t now_ms)
{
    header[0] = 0;
    header[1] = (unsigned char)kind;
    memcpy(header + 2, key->id, ID_BYTES);
    for (int i = 0; i < 8; i++)
        header[6 + i] = (unsigned char)(now_ms >> (56 - 8 * i));
}

static uint64_t header_time(const unsigned char *header)
{
    uint64_t time_ms = 0;

    for (int i = 0; i < 8; i++)
        time_ms = time_ms << 8 | header[6 + i];
    return time_ms;
}

static void sign(const struct key *key, const struct context *context, const void *body, size_t len,
                 unsigned char *mac)
{
    crypto_generichash_state state;

    crypto_generichash_init(&state, key->sign, KEY_BYTES, MAC_BYTES);
    crypto_generichash_update(&state, context->bytes, context->len);
    crypto_generichash_update(&state, body, len);
    crypto_generichash_final(&state, mac, MAC_BYTES);
}

static void put_signed(const struct key *key, const unsigned char *header, const struct context *context,
                       struct slice body, struct buffer *out)
{
    unsigned char mac[MAC_BYTES];

    sign(key, context, body.data, body.len, mac);
    buffer_append(out, header, HEADER_BYTES);
    buffer_append(out, mac, sizeof mac);
    buffer_append_slice(out, body);
}

static void put_encrypted(const struct key *key, const unsigned char *header, const struct context *context,
                          struct slice body, struct buffer *out)
{
    static const unsigned char zeros[TAG_BYTES];
    unsigned char nonce[NONCE_BYTES];

    randombytes_buf(nonce, sizeof nonce);
    buffer_append(out, header, HEADER_BYTES);
    buffer_append(out, nonce, sizeof nonce);
    size_t at = out->len;
    buffer_append_slice(out, body);
    buffer_append(out, zeros, sizeof zeros);
    if (buffer_failed(out))
        return;
    unsigned char *text = (unsigned char *)out->data + at;
    crypto_aead_xchacha20poly1305_ietf_encrypt(text, NULL, text, body.len, context->bytes, context->len, NULL,
                                               nonce, key->encrypt);
}

void seal_put(const struct seal *seal, const char *prefix, struct slice subject, uint64_t now_ms,
              struct slice body, struct buffer *out)
{
    unsigned char header[HEADER_BYTES];
    struct context context;
    struct name name;
    enum seal_scope scope = take_apart(prefix, subject, &name);

    assert(scope != SEAL_FOREIGN);
    if (seal->mode == SEAL_OFF) {
        buffer_append_slice(out, body);
        return;
    }
    bool encrypts = seal->mode == SEAL_ENCRYPT;
    put_header(header, encrypts ? KIND_ENCRYPTED : KIND_SIGNED, &seal->keys[0], now_ms);
    bool fits = make_context(header, &name, &context);
    assert(fits);
    if (encrypts)
        put_encrypted(&seal->keys[0], header, &context, body, out);
    else
        put_signed(&seal->keys[0], header, &context, body, out);
}

/* --- opening --- */

static const struct key *find_key(const struct seal *seal, const unsigned char *id)
{
    for (size_t i = 0; i < seal->keys_count; i++)
        if (memcmp(seal->keys[i].id, id, ID_BYTES) == 0)
            return &seal->keys[i];
    return NULL;
}

static bool open_signed(const struct key *key, const struct context *context, char *data, size_t len,
                        struct slice *ret_body)
{
    unsigned char mac[MAC_BYTES];
    const char *body = data + SEAL_SIGNED_BYTES;

    sign(key, context, body, len - SEAL_SIGNED_BYTES, mac);
    *ret_body = (struct slice){body, len - SEAL_SIGNED_BYTES};
    return sodium_memcmp(mac, data + HEADER_BYTES, MAC_BYTES) == 0;
}

static bool open_encrypted(const struct key *key, const struct context *context, char *data, size_t len,
                           struct slice *ret_body)
{
    unsigned char *nonce = (unsigned char *)data + HEADER_BYTES, *text = nonce + NONCE_BYTES;
    size_t text_len = len - HEADER_BYTES - NONCE_BYTES;

    *ret_body = (struct slice){(char *)text, text_len - TAG_BYTES};
    return crypto_aead_xchacha20poly1305_ietf_decrypt(text, NULL, NULL, text, text_len, context->bytes,
                                                      context->len, nonce, key->encrypt) == 0;
}

enum seal_verdict seal_open(const struct seal *seal, const char *prefix, struct slice subject,
                            uint64_t now_ms, char *data, size_t len, struct slice *ret_body)
{
    const unsigned char *header = (const unsigned char *)data;
    struct context context;
    struct name name;
    enum seal_scope scope = take_apart(prefix, subject, &name);

    if (len == 0 || data[0] != 0) {
        *ret_body = (struct slice){data, len};
        return seal->accept_plain ? SEAL_OPENED : SEAL_UNSEALED;
    }
    bool encrypted = len > 1 && header[1] == KIND_ENCRYPTED;
    if (len < (encrypted ? SEAL_ENCRYPTED_BYTES : SEAL_SIGNED_BYTES) ||
        (!encrypted && header[1] != KIND_SIGNED))
        return SEAL_TRUNCATED;
    const struct key *key = find_key(seal, header + 2);
    if (!key)
        return SEAL_NO_KEY;
    uint64_t time_ms = header_time(header);
    if (scope == SEAL_FOREIGN || !make_context(header, &name, &context))
        return SEAL_FORGED;
    if (!(encrypted ? open_encrypted : open_signed)(key, &context, data, len, ret_body))
        return SEAL_FORGED;
    uint64_t distance = time_ms > now_ms ? time_ms - now_ms : now_ms - time_ms;
    return scope == SEAL_SIGNAL && distance > seal->window_ms ? SEAL_STALE : SEAL_OPENED;
}
