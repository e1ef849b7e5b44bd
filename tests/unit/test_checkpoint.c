/* The checkpoint's bytes: what was written is read; what was damaged or does
 * not fit is refused with its reason. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "stability/detector.h"
#include "train/checkpoint.h"

enum { SLOTS = 6, D = 4, MAGIC = 8, HEAD = 16 };

struct sample {
    struct spec spec;
    struct net net;
    struct checkpoint_meta meta;
    struct buf blob;
};

static void write_blob(struct sample *s)
{
    size_t bytes = s->net.params * sizeof(float);

    assert_int_equal(checkpoint_begin(&s->blob, &s->meta, &s->net, NULL), EBM_OK);
    for (int type = SECTION_PARAMS; type <= SECTION_MOMENT2; type++)
        memset(checkpoint_add(&s->blob, (enum checkpoint_section)type, bytes), type, bytes);
    for (int type = SECTION_SAMPLES; type <= SECTION_DETECTOR; type++) {
        size_t n = type == SECTION_DETECTOR
                       ? sizeof(struct detector)
                       : checkpoint_section_bytes(&s->meta, (enum checkpoint_section)type);
        memset(checkpoint_add(&s->blob, (enum checkpoint_section)type, n), type, n);
    }
    checkpoint_end(&s->blob);
    assert_true(buf_ok(&s->blob));
}

static int set_up(void **state)
{
    static const struct net_layer_spec layers[] = {
        {.kind = NET_CONV, .out = 2, .kernel = 3, .stride = 1},
        {.kind = NET_LEAKY_RELU, .slope = 0.2f},
        {.kind = NET_DENSE, .out = 1},
    };
    struct sample *s = calloc(1, sizeof *s);

    assert_int_equal(net_settle(&s->net, (struct net_shape){1, 2, 2}, layers, 3, NULL, NULL),
                     EBM_OK);
    s->spec.replay.size = SLOTS;
    s->spec.sampler.init = CHAIN_REPLAY;
    s->meta = (struct checkpoint_meta){.step = 400,
                                       .seed = 7,
                                       .optimizer_t = 400,
                                       .batch = 5,
                                       .params = s->net.params,
                                       .replay_slots = SLOTS,
                                       .c = 1,
                                       .h = 2,
                                       .w = 2};
    write_blob(s);
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    struct sample *s = *state;

    buf_fini(&s->blob);
    free(s);
    return 0;
}

/* Reads from a copy of exactly this size, so that a sanitizer sees a step
 * past its end. */
static enum ebm_status read_copy(const struct buf *b, size_t size, struct checkpoint *c,
                                 struct ebm_error *err)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);

    memcpy(copy, b->data, size);
    enum ebm_status st = checkpoint_read(copy, size, c, err);
    free(copy);
    return st;
}

static void what_was_written_is_read(void **state)
{
    struct sample *s = *state;
    struct checkpoint c;

    assert_int_equal(checkpoint_read(s->blob.data, s->blob.size, &c, NULL), EBM_OK);
    assert_int_equal(c.meta.step, 400);
    assert_int_equal(c.meta.seed, 7);
    assert_int_equal(c.meta.replay_slots, SLOTS);
    assert_int_equal(c.layers, 3);
    assert_int_equal(c.layer[0].kernel, 3);
    assert_true(c.layer[1].slope == 0.2f);
    assert_int_equal(c.bytes[SECTION_SAMPLES], SLOTS * D * 4);
    for (int type = SECTION_PARAMS; type <= SECTION_ENERGY; type++)
        assert_int_equal(c.section[type][c.bytes[type] - 1], type);
    assert_int_equal(checkpoint_match(&c, &s->spec, &s->net, NULL), EBM_OK);
}

static void every_truncation_is_refused(void **state)
{
    struct sample *s = *state;
    struct checkpoint c;
    struct ebm_error err;

    for (size_t size = 0; size < s->blob.size; size++)
        assert_int_equal(read_copy(&s->blob, size, &c, &err), EBM_ECORRUPT);
    buf_put_u8(&s->blob, 0);
    assert_int_equal(read_copy(&s->blob, s->blob.size, &c, &err), EBM_ECORRUPT);
}

/* Where the magic and the sections' heads lie. */
static size_t next_head(const struct buf *b, size_t at)
{
    uint64_t bytes;

    memcpy(&bytes, b->data + at + 8, 8);
    return at + HEAD + bytes;
}

static void flip_each_bit(struct sample *s, size_t first, size_t end)
{
    struct checkpoint c;

    for (size_t i = first; i < end; i++)
        for (int bit = 0; bit < 8; bit++) {
            s->blob.data[i] ^= (uint8_t)(1 << bit);
            assert_int_equal(read_copy(&s->blob, s->blob.size, &c, NULL), EBM_ECORRUPT);
            s->blob.data[i] ^= (uint8_t)(1 << bit);
        }
}

static void every_flipped_bit_of_a_head_is_refused(void **state)
{
    struct sample *s = *state;
    size_t heads = 0;

    flip_each_bit(s, 0, MAGIC);
    for (size_t at = MAGIC; at < s->blob.size; at = next_head(&s->blob, at), heads++)
        flip_each_bit(s, at, at + HEAD);
    assert_int_equal(heads, SECTION_COUNT);
}

/* Any flip in the meta or net sections: refused, or read with a value that
 * differs, never a fault. */
static void flips_in_meta_do_no_harm(void **state)
{
    struct sample *s = *state;
    size_t end = next_head(&s->blob, next_head(&s->blob, MAGIC));
    struct checkpoint c;

    for (size_t i = MAGIC; i < end; i++)
        for (int bit = 0; bit < 8; bit++) {
            s->blob.data[i] ^= (uint8_t)(1 << bit);
            if (read_copy(&s->blob, s->blob.size, &c, NULL) == EBM_OK)
                checkpoint_match(&c, &s->spec, &s->net, NULL);
            s->blob.data[i] ^= (uint8_t)(1 << bit);
        }
}

/* Puts a section of this type and flags behind the magic. */
static void insert_section(struct buf *b, uint32_t type, uint32_t flags)
{
    struct buf with;

    buf_init(&with);
    buf_put(&with, b->data, MAGIC);
    buf_put_u32(&with, type);
    buf_put_u32(&with, flags);
    buf_put_u64(&with, 3);
    buf_put(&with, "abc", 3);
    buf_put(&with, b->data + MAGIC, b->size - MAGIC);
    buf_fini(b);
    *b = with;
}

static void unknown_sections(void **state)
{
    struct sample *s = *state;
    struct checkpoint c;
    struct ebm_error err;

    insert_section(&s->blob, 77, 1);
    assert_int_equal(read_copy(&s->blob, s->blob.size, &c, &err), EBM_OK);
    insert_section(&s->blob, 78, 0);
    assert_int_equal(read_copy(&s->blob, s->blob.size, &c, &err), EBM_ECORRUPT);
    assert_non_null(strstr(err.text, "type 78"));
}

static void a_section_twice(void **state)
{
    struct sample *s = *state;
    struct checkpoint c;
    struct ebm_error err;

    insert_section(&s->blob, SECTION_DETECTOR, 0);
    assert_int_equal(read_copy(&s->blob, s->blob.size, &c, &err), EBM_ECORRUPT);
    assert_non_null(strstr(err.text, "twice"));
}

/* What the spec says otherwise is named. */
static void mismatch(struct sample *s, const char *word)
{
    struct checkpoint c;
    struct ebm_error err;

    assert_int_equal(checkpoint_read(s->blob.data, s->blob.size, &c, &err), EBM_OK);
    assert_int_equal(checkpoint_match(&c, &s->spec, &s->net, &err), EBM_EINVAL);
    if (strstr(err.text, word) == NULL)
        fail_msg("'%s' is not in '%s'", word, err.text);
}

static void mismatches_name_the_field(void **state)
{
    struct sample *s = *state;

    s->spec.replay.size = SLOTS + 1;
    mismatch(s, "replay.size: the checkpoint has 6 slots, the spec 7");
    s->spec.replay.size = SLOTS;
    s->net.layer[0].spec.out = 3;
    mismatch(s, "layer 1 (conv)");
    s->net.layer[0].spec.out = 2;
    s->net.layer[1].spec.kind = NET_SWISH;
    mismatch(s, "layer 2 is leaky_relu in the checkpoint, swish in the spec");
    s->net.layer[1].spec.kind = NET_LEAKY_RELU;
    s->net.layers = 2;
    mismatch(s, "3 layers, the spec's 2");
    s->net.layers = 3;
    s->net.in.w = 5;
    mismatch(s, "data.dataset");
}

static void a_run_without_a_buffer(void **state)
{
    struct sample *s = *state;
    struct checkpoint c;

    s->spec.sampler.init = CHAIN_NOISE; /* the buffer is not needed */
    s->spec.replay.size = 99;
    assert_int_equal(checkpoint_read(s->blob.data, s->blob.size, &c, NULL), EBM_OK);
    assert_int_equal(checkpoint_match(&c, &s->spec, &s->net, NULL), EBM_OK);
    buf_clear(&s->blob);
    s->meta.replay_slots = 0;
    write_blob(s);
    s->spec.sampler.init = CHAIN_REPLAY;
    mismatch(s, "sampler.init");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_written_is_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_truncation_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_flipped_bit_of_a_head_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(flips_in_meta_do_no_harm, set_up, tear_down),
        cmocka_unit_test_setup_teardown(unknown_sections, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_section_twice, set_up, tear_down),
        cmocka_unit_test_setup_teardown(mismatches_name_the_field, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_run_without_a_buffer, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
