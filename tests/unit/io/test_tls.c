/* TLS streams without sockets: OpenSSL's own client on the other side. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <roomcast/io/tls.h>

#define PROBLEM 256

/* --- allocations of OpenSSL that fail when told to --- */

static size_t crypto_calls, crypto_fail_at;

static bool refuses(void)
{
    return ++crypto_calls == crypto_fail_at;
}

static void *crypto_malloc(size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return refuses() ? NULL : malloc(size);
}

static void *crypto_realloc(void *block, size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return refuses() ? NULL : realloc(block, size);
}

static void crypto_free(void *block, const char *file, int line)
{
    (void)file;
    (void)line;
    free(block);
}

/* --- a certificate in files --- */

static char directory[64], cert_file[96], key_file[96];

static void write_pair(void)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    X509_NAME *name = X509_get_subject_name(certificate);
    assert_non_null(key);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 1000);
    X509_set_pubkey(certificate, key);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"test", -1, -1, 0);
    X509_set_issuer_name(certificate, name);
    assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
    FILE *file = fopen(cert_file, "w");
    assert_non_null(file);
    PEM_write_X509(file, certificate);
    fclose(file);
    file = fopen(key_file, "w");
    assert_non_null(file);
    PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL);
    fclose(file);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

static int make_files(void **state)
{
    (void)state;
    snprintf(directory, sizeof directory, "/tmp/roomcast_tls_XXXXXX");
    assert_non_null(mkdtemp(directory));
    snprintf(cert_file, sizeof cert_file, "%s/cert.pem", directory);
    snprintf(key_file, sizeof key_file, "%s/key.pem", directory);
    write_pair();
    return 0;
}

static int remove_files(void **state)
{
    (void)state;
    unlink(cert_file);
    unlink(key_file);
    return rmdir(directory);
}

static struct tls_identity *new_identity(void)
{
    const struct tls_identity_options options = {.cert_file = cert_file, .key_file = key_file};
    struct tls_identity *identity;
    char problem[PROBLEM];
    assert_int_equal(tls_identity_new(&options, &identity, problem), ERR_OK);
    return identity;
}

/* --- both sides --- */

struct scene {
    struct tls_identity *identity;
    struct buffer output;
    struct tls_stream *stream;
    SSL_CTX *context;
    SSL *client;
    BIO *to_client, *from_client; /* the client's */
    char plain[TLS_RECORD_MAX];
    char got[4 * TLS_RECORD_MAX]; /* what the stream has read */
    size_t got_len;
    enum tls_read last;
};

static void open_scene(struct scene *scene)
{
    memset(scene, 0, sizeof *scene);
    scene->identity = new_identity();
    buffer_init(&scene->output, SIZE_MAX / 2);
    scene->context = SSL_CTX_new(TLS_client_method());
    scene->client = SSL_new(scene->context);
    scene->to_client = BIO_new(BIO_s_mem());
    scene->from_client = BIO_new(BIO_s_mem());
    SSL_set_bio(scene->client, scene->to_client, scene->from_client);
    SSL_set_connect_state(scene->client);
    scene->stream = tls_stream_new(scene->identity, &scene->output);
}

static void close_scene(struct scene *scene)
{
    tls_stream_free(&scene->stream);
    SSL_free(scene->client);
    SSL_CTX_free(scene->context);
    tls_identity_free(&scene->identity);
    buffer_fini(&scene->output);
}

static void hand_over_output(struct scene *scene)
{
    if (scene->output.len > 0)
        BIO_write(scene->to_client, scene->output.data, (int)scene->output.len);
    buffer_clear(&scene->output);
}

/* The stream is fed `step` bytes at a time. */
static void feed(struct scene *scene, const char *bytes, size_t len, size_t step)
{
    size_t plain_len;
    for (size_t at = 0; at < len; at += step) {
        tls_stream_feed(scene->stream, bytes + at, len - at < step ? len - at : step);
        while ((scene->last = tls_stream_read(scene->stream, scene->plain, sizeof scene->plain,
                                              &plain_len)) == TLS_READ_BYTES) {
            assert_true(scene->got_len + plain_len <= sizeof scene->got);
            memcpy(scene->got + scene->got_len, scene->plain, plain_len);
            scene->got_len += plain_len;
        }
        if (scene->last != TLS_READ_MORE)
            return;
    }
}

static void pump(struct scene *scene, size_t step)
{
    char *bytes;
    long len;
    while ((len = BIO_get_mem_data(scene->from_client, &bytes)) > 0) {
        feed(scene, bytes, (size_t)len, step);
        (void)BIO_reset(scene->from_client);
        hand_over_output(scene);
        if (!SSL_is_init_finished(scene->client))
            SSL_do_handshake(scene->client);
    }
}

static void shake_hands(struct scene *scene, size_t step)
{
    SSL_do_handshake(scene->client);
    pump(scene, step);
}

static void expect_at_client(struct scene *scene, const char *text)
{
    char bytes[256];
    int len = SSL_read(scene->client, bytes, sizeof bytes);
    assert_int_equal(len, strlen(text));
    assert_memory_equal(bytes, text, strlen(text));
}

/* --- tests --- */

static void bytes_pass_in_both_directions_however_they_are_cut(void **state)
{
    (void)state;
    static const size_t steps[] = {1, 7, 100000};
    for (size_t i = 0; i < 3; i++) {
        struct scene scene;
        open_scene(&scene);
        assert_int_equal(tls_stream_state(scene.stream), TLS_NEW);
        assert_false(tls_stream_write(scene.stream, "early", 5));
        shake_hands(&scene, steps[i]);
        assert_int_equal(tls_stream_state(scene.stream), TLS_ESTABLISHED);
        assert_true(tls_stream_write(scene.stream, "hello", 5));
        assert_true(tls_stream_write(scene.stream, "", 0));
        hand_over_output(&scene);
        expect_at_client(&scene, "hello");
        static char long_text[2 * TLS_RECORD_MAX + 5];
        memset(long_text, 'x', sizeof long_text);
        assert_int_equal(SSL_write(scene.client, long_text, sizeof long_text), sizeof long_text);
        pump(&scene, steps[i]);
        assert_int_equal(scene.got_len, sizeof long_text);
        assert_memory_equal(scene.got, long_text, sizeof long_text);
        close_scene(&scene);
    }
}

static void records_of_two_streams_may_stand_in_one_output(void **state)
{
    (void)state;
    struct scene one, two;
    open_scene(&one);
    open_scene(&two);
    tls_stream_free(&two.stream);
    two.stream = tls_stream_new(one.identity, &one.output);
    shake_hands(&one, 100000);
    SSL_do_handshake(two.client);
    char *bytes;
    long len;
    while ((len = BIO_get_mem_data(two.from_client, &bytes)) > 0) {
        feed(&two, bytes, (size_t)len, 100000);
        (void)BIO_reset(two.from_client);
        BIO_write(two.to_client, one.output.data, (int)one.output.len);
        buffer_clear(&one.output);
        SSL_do_handshake(two.client);
    }
    assert_true(tls_stream_write(one.stream, "for one", 7));
    size_t border = one.output.len;
    assert_true(tls_stream_write(two.stream, "for two", 7));
    BIO_write(one.to_client, one.output.data, (int)border);
    BIO_write(two.to_client, one.output.data + border, (int)(one.output.len - border));
    expect_at_client(&one, "for one");
    expect_at_client(&two, "for two");
    close_scene(&two);
    close_scene(&one);
}

static void the_end_is_told_once_and_heard(void **state)
{
    (void)state;
    struct scene scene;
    char byte;
    open_scene(&scene);
    shake_hands(&scene, 100000);
    tls_stream_end(scene.stream);
    size_t len = scene.output.len;
    assert_true(len > 0);
    tls_stream_end(scene.stream);
    assert_int_equal(scene.output.len, len);
    hand_over_output(&scene);
    SSL_read(scene.client, &byte, 1); /* the session ticket, then the end */
    assert_int_equal(SSL_get_shutdown(scene.client) & SSL_RECEIVED_SHUTDOWN, SSL_RECEIVED_SHUTDOWN);
    SSL_shutdown(scene.client);
    pump(&scene, 100000);
    assert_int_equal(scene.last, TLS_READ_CLOSED);
    close_scene(&scene);
}

static void an_http_request_is_told_from_other_garbage(void **state)
{
    (void)state;
    static const char *const first[] = {"GET / HTTP/1.1\r\n\r\n", "\x80garbage-of-some-length-----"};
    static const enum tls_state states[] = {TLS_PLAIN, TLS_FAILED};
    for (size_t i = 0; i < 2; i++) {
        struct scene scene;
        open_scene(&scene);
        feed(&scene, first[i], strlen(first[i]), 100000);
        assert_int_equal(scene.last, TLS_READ_FAILED);
        assert_int_equal(tls_stream_state(scene.stream), states[i]);
        assert_true(strlen(tls_stream_reason(scene.stream)) > 0);
        feed(&scene, first[i], strlen(first[i]), 1); /* stays so */
        assert_int_equal(scene.last, TLS_READ_FAILED);
        assert_false(tls_stream_write(scene.stream, "x", 1));
        tls_stream_end(scene.stream);
        close_scene(&scene);
    }
}

static void a_record_with_any_bit_changed_is_refused(void **state)
{
    (void)state;
    struct scene scene;
    char *bytes;
    open_scene(&scene);
    shake_hands(&scene, 100000);
    SSL_write(scene.client, "0123456789", 10);
    long len = BIO_get_mem_data(scene.from_client, &bytes);
    char record[128];
    assert_in_range(len, 1, sizeof record);
    memcpy(record, bytes, (size_t)len);
    close_scene(&scene);
    for (size_t bit = 0; bit < (size_t)len * 8; bit++) {
        open_scene(&scene);
        shake_hands(&scene, 100000);
        SSL_write(scene.client, "0123456789", 10);
        len = BIO_get_mem_data(scene.from_client, &bytes);
        bytes[bit / 8] ^= (char)(1 << bit % 8);
        feed(&scene, bytes, (size_t)len, 100000);
        assert_int_equal(scene.got_len, 0);
        assert_int_not_equal(scene.last, TLS_READ_BYTES);
        close_scene(&scene);
    }
}

static void without_memory_a_stream_fails_and_nothing_wrong_is_sent(void **state)
{
    (void)state;
    bool has_failed = true;
    size_t last = 0;
    for (size_t k = 1; has_failed; k += k < 200 ? 1 : 7) { /* a handshake makes some thousand allocations */
        struct scene scene;
        open_scene(&scene);
        tls_stream_free(&scene.stream);
        SSL_do_handshake(scene.client);
        char *hello;
        long len = BIO_get_mem_data(scene.from_client, &hello);
        crypto_calls = 0;
        crypto_fail_at = k;
        scene.stream = tls_stream_new(scene.identity, &scene.output);
        if (scene.stream)
            feed(&scene, hello, (size_t)len, 100000);
        has_failed = crypto_calls >= k;
        last = crypto_calls;
        crypto_fail_at = 0;
        if (scene.stream && scene.last == TLS_READ_MORE) { /* it could do without that one */
            (void)BIO_reset(scene.from_client);
            hand_over_output(&scene);
            SSL_do_handshake(scene.client);
            pump(&scene, 100000);
            assert_true(tls_state_is_established(tls_stream_state(scene.stream)) ||
                        tls_stream_state(scene.stream) == TLS_FAILED ||
                        tls_stream_state(scene.stream) == TLS_HANDSHAKING);
        }
        if (scene.stream && tls_state_is_established(tls_stream_state(scene.stream))) {
            crypto_calls = 0;
            crypto_fail_at = k;
            bool written = tls_stream_write(scene.stream, "hello", 5);
            crypto_fail_at = 0;
            if (written) {
                hand_over_output(&scene);
                expect_at_client(&scene, "hello");
            }
        }
        close_scene(&scene);
    }
    assert_true(last > 100);
}

static void an_output_that_takes_no_more_fails_the_write(void **state)
{
    (void)state;
    struct scene scene;
    open_scene(&scene);
    shake_hands(&scene, 100000);
    buffer_fini(&scene.output);
    buffer_init(&scene.output, 10);
    assert_false(tls_stream_write(scene.stream, "hello", 5));
    assert_int_equal(tls_stream_state(scene.stream), TLS_FAILED);
    close_scene(&scene);
}

static void a_replaced_certificate_is_for_newcomers(void **state)
{
    (void)state;
    struct scene scene;
    char problem[PROBLEM];
    open_scene(&scene);
    shake_hands(&scene, 100000);
    int64_t expires_at = tls_identity_expires_at(scene.identity);
    assert_true(expires_at > 0);
    write_pair();
    assert_int_equal(tls_identity_reload(scene.identity, problem), ERR_OK);
    assert_true(tls_stream_write(scene.stream, "still", 5));
    hand_over_output(&scene);
    expect_at_client(&scene, "still");
    FILE *file = fopen(cert_file, "w");
    assert_non_null(file);
    fclose(file);
    assert_int_equal(tls_identity_reload(scene.identity, problem), ERR_CONFIG);
    assert_non_null(strstr(problem, cert_file));
    assert_true(tls_identity_expires_at(scene.identity) >= expires_at);
    struct tls_stream *newcomer = tls_stream_new(scene.identity, &scene.output);
    assert_non_null(newcomer);
    tls_stream_free(&newcomer);
    write_pair();
    close_scene(&scene);
}

int main(void)
{
    /* Before OpenSSL allocates for the first time. */
    if (CRYPTO_set_mem_functions(crypto_malloc, crypto_realloc, crypto_free) != 1)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_pass_in_both_directions_however_they_are_cut),
        cmocka_unit_test(records_of_two_streams_may_stand_in_one_output),
        cmocka_unit_test(the_end_is_told_once_and_heard),
        cmocka_unit_test(an_http_request_is_told_from_other_garbage),
        cmocka_unit_test(a_record_with_any_bit_changed_is_refused),
        cmocka_unit_test(without_memory_a_stream_fails_and_nothing_wrong_is_sent),
        cmocka_unit_test(an_output_that_takes_no_more_fails_the_write),
        cmocka_unit_test(a_replaced_certificate_is_for_newcomers),
    };
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
