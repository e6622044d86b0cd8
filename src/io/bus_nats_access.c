#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

#include "bus_nats.h"

/* nkeys (github.com/nats-io/nkeys): base32 without padding of prefix bytes, key and a CRC-16, low byte first.
 * A seed has two prefix bytes, which hold the marks of a seed and of its kind. */
#define SEED_CHARS   58
#define SEED_BYTES   36
#define PUBLIC_BYTES 35
#define PREFIX_SEED  (18u << 3)
#define PREFIX_USER  (20u << 3)

#define SECRET_SIZE      256          /* of a file with a seed */
#define CREDENTIALS_SIZE (64u * 1024) /* of one with a JWT and a seed */

static bool given(const char *text)
{
    return text && *text;
}

static uint16_t crc16(const unsigned char *data, size_t len)
{
    uint16_t crc = 0;

    for (size_t i = 0; i < len; i++) {
        crc = (uint16_t)(crc ^ data[i] << 8);
        for (int bit = 0; bit < 8; bit++)
            crc = (uint16_t)(crc & 0x8000 ? crc << 1 ^ 0x1021 : crc << 1);
    }
    return crc;
}

static const char base32[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

static bool decode_seed(const char *text, unsigned char *bytes)
{
    unsigned held = 0, bits = 0;
    size_t count = 0;

    for (size_t i = 0; i < SEED_CHARS; i++) {
        const char *at = text[i] ? strchr(base32, text[i]) : NULL;
        if (!at)
            return false;
        held = (held << 5 | (unsigned)(at - base32)) & 0xfff;
        bits += 5;
        if (bits >= 8) {
            bits -= 8;
            bytes[count++] = (unsigned char)(held >> bits);
        }
    }
    return count == SEED_BYTES;
}

/* 35 bytes are 56 characters exactly. */
static void encode_public(const unsigned char *bytes, char *text)
{
    unsigned held = 0, bits = 0;

    for (size_t i = 0; i < PUBLIC_BYTES; i++) {
        held = (held << 8 | bytes[i]) & 0xffff;
        for (bits += 8; bits >= 5;) {
            bits -= 5;
            *text++ = base32[held >> bits & 31];
        }
    }
    *text = '\0';
}

static bool is_user_seed(const unsigned char *bytes)
{
    uint16_t crc = (uint16_t)(bytes[SEED_BYTES - 2] | bytes[SEED_BYTES - 1] << 8);

    return (bytes[0] & 0xf8) == PREFIX_SEED && ((bytes[0] & 7u) << 5 | bytes[1] >> 3) == PREFIX_USER &&
           crc16(bytes, SEED_BYTES - 2) == crc;
}

enum err bus_nats_public_key(const char *seed, size_t len, char *public_key)
{
    unsigned char bytes[SEED_BYTES], secret[crypto_sign_SECRETKEYBYTES], out[PUBLIC_BYTES] = {PREFIX_USER};
    enum err err = ERR_SYNTAX;

    if (len == SEED_CHARS && decode_seed(seed, bytes) && is_user_seed(bytes)) {
        crypto_sign_seed_keypair(out + 1, secret, bytes + 2);
        uint16_t crc = crc16(out, PUBLIC_BYTES - 2);
        out[PUBLIC_BYTES - 2] = (unsigned char)crc;
        out[PUBLIC_BYTES - 1] = (unsigned char)(crc >> 8);
        encode_public(out, public_key);
        err = ERR_OK;
    }
    sodium_memzero(bytes, sizeof bytes);
    sodium_memzero(secret, sizeof secret);
    return err;
}

static enum err refuse(const char *what, const char *why, char *problem)
{
    snprintf(problem, BUS_PROBLEM_SIZE, "%s %.160s", what, why);
    return ERR_CONFIG;
}

/* Reads a small file of secrets, without a copy of it in a buffer of the C library. ERR_IO: it cannot be
 * read, or is larger. */
static enum err read_secret(const char *path, char *text, size_t size)
{
    FILE *file = fopen(path, "re");

    if (!file)
        return ERR_IO;
    setvbuf(file, NULL, _IONBF, 0);
    size_t len = fread(text, 1, size, file);
    bool failed = ferror(file) || len == size;
    fclose(file);
    if (failed) {
        sodium_memzero(text, size);
        return ERR_IO;
    }
    text[len] = '\0';
    return ERR_OK;
}

static enum err read_nkey(struct bus_nats *bus, char *problem)
{
    char text[SECRET_SIZE];

    if (read_secret(bus->access->nkey_seed_file, text, sizeof text) != ERR_OK)
        return refuse("nats.nkey_seed_file cannot be read:", bus->access->nkey_seed_file, problem);
    enum err err = bus_nats_public_key(text, strcspn(text, " \r\n\t"), bus->public_key);
    sodium_memzero(text, sizeof text);
    if (err != ERR_OK)
        return refuse("nats.nkey_seed_file", "holds no seed of a user, as in SU...", problem);
    return ERR_OK;
}

static bool begins_section(const char *line)
{
    return strncmp(line, "---", 3) == 0;
}

static const char *next_line(const char *line)
{
    const char *end = strchr(line, '\n');

    return end ? end + 1 : line + strlen(line);
}

/* What stands below the `number`th heading, from 0 on; NULL: nothing. A section has a heading above and
 * below. */
static const char *find_section(const char *text, unsigned number)
{
    for (unsigned found = 0; *text; text = next_line(text)) {
        if (!begins_section(text))
            continue;
        text = next_line(text);
        if (found++ == number)
            return *text && !begins_section(text) ? text : NULL;
        while (*text && !begins_section(text))
            text = next_line(text);
    }
    return NULL;
}

static bool is_jwt(const char *text)
{
    size_t len = strcspn(text, " \r\n\t"), dots = 0;

    for (size_t i = 0; i < len; i++)
        dots += text[i] == '.';
    return dots == 2;
}

/* As nsc writes them: the JWT of a user, then the seed (github.com/nats-io/jwt, creds_utils.go). */
enum err bus_nats_credentials_check(const char *text)
{
    const char *jwt = find_section(text, 0), *seed = find_section(text, 1);
    char public_key[NATS_PUBLIC_KEY_SIZE];

    if (!jwt || !seed || !is_jwt(jwt))
        return ERR_SYNTAX;
    return bus_nats_public_key(seed, strcspn(seed, " \r\n\t"), public_key);
}

static enum err read_credentials(const struct bus_nats_access *access, char *problem)
{
    char *text = malloc(CREDENTIALS_SIZE);

    if (!text || read_secret(access->credentials_file, text, CREDENTIALS_SIZE) != ERR_OK) {
        free(text);
        return refuse("nats.credentials_file cannot be read:", access->credentials_file, problem);
    }
    enum err err = bus_nats_credentials_check(text);
    sodium_memzero(text, CREDENTIALS_SIZE);
    free(text);
    if (err != ERR_OK)
        return refuse("nats.credentials_file",
                      "does not hold the JWT of a user and his seed, as nsc writes them", problem);
    return ERR_OK;
}

static bool is_unreadable(const char *path)
{
    return given(path) && access(path, R_OK) != 0;
}

static enum err check_files(const struct bus_nats_access *access, char *problem)
{
    if (is_unreadable(access->ca_file))
        return refuse("nats.ca_file cannot be read:", access->ca_file, problem);
    if (is_unreadable(access->cert_file))
        return refuse("nats.cert_file cannot be read:", access->cert_file, problem);
    if (is_unreadable(access->key_file))
        return refuse("nats.key_file cannot be read:", access->key_file, problem);
    return given(access->credentials_file) ? read_credentials(access, problem) : ERR_OK;
}

static enum err check_combination(const struct bus_nats *bus, char *problem)
{
    const struct bus_nats_access *access = bus->access;
    int ways = given(access->user) + given(access->token) + given(access->credentials_file) +
               given(access->nkey_seed_file);

    if (ways > 1)
        return refuse("only one of nats.user, nats.token, nats.credentials_file and nats.nkey_seed_file",
                      "can be used", problem);
    if (given(access->password) && !given(access->user))
        return refuse("nats.password", "needs nats.user", problem);
    if (given(access->cert_file) != given(access->key_file))
        return refuse("nats.cert_file and nats.key_file", "go together", problem);
    if ((given(access->ca_file) || given(access->cert_file)) && !bus->secure)
        return refuse("nats.ca_file, nats.cert_file and nats.key_file", "need a tls:// URL in nats.url",
                      problem);
    return check_files(access, problem);
}

/* Whatever the library can tell now it need not tell in the log for ever. */
static enum err try_out(const struct bus_nats *bus, char *problem)
{
    natsOptions *options = NULL;
    natsStatus s = natsOptions_Create(&options);

    if (s == NATS_OK)
        s = bus_nats_access_apply(options, bus);
    natsOptions_Destroy(options);
    if (s != NATS_OK)
        return refuse("nats.ca_file, nats.cert_file or nats.key_file cannot be used:", nats_status_text(s),
                      problem);
    return ERR_OK;
}

enum err bus_nats_access_check(struct bus_nats *bus, char *problem)
{
    if (!bus->access)
        return ERR_OK;
    enum err err = check_combination(bus, problem);
    if (err == ERR_OK && given(bus->access->nkey_seed_file))
        err = read_nkey(bus, problem);
    if (err == ERR_OK)
        err = try_out(bus, problem);
    return err;
}

natsStatus bus_nats_access_apply(natsOptions *options, const struct bus_nats *bus)
{
    const struct bus_nats_access *access = bus->access;
    natsStatus s = NATS_OK;

#define SET(call) s = s == NATS_OK ? (call) : s
    if (bus->secure)
        SET(natsOptions_SetSecure(options, true));
    if (!access)
        return s;
    if (given(access->ca_file))
        SET(natsOptions_LoadCATrustedCertificates(options, access->ca_file));
    if (given(access->cert_file))
        SET(natsOptions_LoadCertificatesChain(options, access->cert_file, access->key_file));
    if (given(access->user))
        SET(natsOptions_SetUserInfo(options, access->user, access->password));
    if (given(access->token))
        SET(natsOptions_SetToken(options, access->token));
    if (given(access->credentials_file))
        SET(natsOptions_SetUserCredentialsFromFiles(options, access->credentials_file, NULL));
    if (given(access->nkey_seed_file))
        SET(natsOptions_SetNKeyFromSeed(options, bus->public_key, access->nkey_seed_file));
#undef SET
    return s;
}
