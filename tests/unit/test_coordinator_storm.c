/* Checkpoints over a line that loses and doubles messages, to an ebmd that is
 * killed and whose turns and disk fail, at random: each is stored once, and
 * acknowledged only then. */
#include "coordinator_actor.h"
#include "dice.h"

#include "store/store_private.h"

enum { CHECKPOINTS = 30, TICKS_MAX = 4000 };

enum phase { BEGIN, SEND, END, STORED };

/* As the agent of a worker goes about it. */
struct sender {
    struct stage *stage;
    struct actor actor;
    uint64_t dice;
    enum phase phase;
    uint64_t upload, step, received;
    int64_t checkpoint; /* as acknowledged */
};

static bool happens(struct sender *s, uint32_t percent)
{
    return dice_below(&s->dice, 100) < percent;
}

/* ---- what is heard ---- */

static void hear_bytes(struct sender *s, const Ebm__ChunkAck *ack)
{
    if (ack->upload != s->upload || s->phase == STORED)
        return;
    assert_true(ack->received <= ACTOR_BLOB);
    s->received = ack->received;
    s->phase = ack->received == ACTOR_BLOB ? END : SEND;
}

static void hear_end(struct sender *s, const Ebm__CheckpointAck *ack)
{
    if (ack->upload != s->upload)
        return;
    if (ack->status != EBM_OK) {
        s->phase = BEGIN;
        return;
    }
    /* Acknowledged means stored, here and now. */
    struct store_checkpoint c = stage_checkpoint(s->stage, (int64_t)ack->checkpoint);
    assert_int_equal(c.step, s->step);
    assert_true(s->checkpoint == 0 || s->checkpoint == c.id);
    s->checkpoint = c.id;
    s->phase = STORED;
}

static void hear(struct sender *s)
{
    while (actor_hears(&s->actor)) {
        if (s->actor.heard->body_case == EBM__TO_WORKER__BODY_CHUNK_ACK)
            hear_bytes(s, s->actor.heard->chunk_ack);
        else if (s->actor.heard->body_case == EBM__TO_WORKER__BODY_CHECKPOINT_ACK)
            hear_end(s, s->actor.heard->checkpoint_ack);
    }
}

/* ---- what is said ---- */

static void say(struct sender *s, enum phase phase)
{
    size_t left = ACTOR_BLOB - s->received;

    if (phase == BEGIN)
        actor_begin(&s->actor, s->upload, s->step);
    else if (phase == SEND && left > 0)
        actor_chunk(&s->actor, s->upload, s->step, s->received,
                    happens(s, 50) ? left : 1 + dice_below(&s->dice, (uint32_t)left));
    else if (phase == END)
        actor_end(&s->actor, s->upload);
}

static void speak(struct sender *s)
{
    if (!happens(s, 20))
        say(s, s->phase);
    if (happens(s, 10)) /* out of turn */
        say(s, (enum phase)dice_below(&s->dice, 3));
    if (happens(s, 5)) /* an acknowledgement was lost, it takes up the line again */
        s->phase = s->phase == STORED ? STORED : BEGIN;
}

/* ---- what happens ---- */

static void lose_turn(struct sender *s)
{
    assert_int_equal(store_begin(s->stage->daemon.store, NULL), EBM_OK);
    assert_int_equal(db_exec_text(s->stage->daemon.store->db, "ROLLBACK", NULL), EBM_OK);
    stage_turn(s->stage);
}

static void break_disk(struct sender *s)
{
    stage_break_disk(true);
    stage_turn(s->stage);
    stage_break_disk(false);
}

static void kill_ebmd(struct sender *s)
{
    struct actor before = s->actor;

    actor_close(&s->actor);
    stage_reopen(s->stage);
    actor_open(&s->actor, s->stage, before.job);
    assert_int_equal(s->actor.attempt, before.attempt);
    s->received = 0;
    s->phase = s->phase == STORED ? STORED : BEGIN;
}

static void suffer(struct sender *s)
{
    if (happens(s, 6))
        lose_turn(s);
    else if (happens(s, 6))
        break_disk(s);
    else if (happens(s, 3))
        kill_ebmd(s);
    else
        stage_turn(s->stage);
}

static void send_one(struct sender *s, uint64_t step)
{
    s->step = step;
    s->upload++;
    s->phase = BEGIN;
    s->received = 0;
    s->checkpoint = 0;
    for (int tick = 0; s->phase != STORED; tick++) {
        assert_true(tick < TICKS_MAX);
        speak(s);
        suffer(s);
        hear(s);
    }
}

static bool count_row(void *arg, const struct store_checkpoint *c)
{
    unsigned *times = arg;

    times[c->step / 50]++;
    return true;
}

static void each_checkpoint_is_stored_once(void **state)
{
    struct sender s = {.stage = *state, .dice = 2026};
    unsigned times[CHECKPOINTS + 1] = {0};
    int64_t job = SUBMIT(s.stage, .set = {"checkpoint.keep_last=100"});

    stage_wait_mpirun(s.stage, job);
    actor_start(&s.actor, s.stage, job, 0);
    for (uint64_t step = 50; step <= 50 * CHECKPOINTS; step += 50)
        send_one(&s, step);
    store_checkpoint_each(s.stage->daemon.store, job, true, count_row, times, NULL);
    for (size_t i = 1; i <= CHECKPOINTS; i++)
        assert_int_equal(times[i], 1);
    assert_int_equal(stage_events(s.stage, job, "checkpoint"), CHECKPOINTS);
    assert_int_equal(stage_job(s.stage, job).attempt, 1);
    actor_close(&s.actor);
    stage_reopen(s.stage); /* sweeps what the failing disk left behind */
    STAGE_UNTIL(s.stage, stage_count_blobs(s.stage) == CHECKPOINTS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_checkpoint_is_stored_once, stage_setup,
                                        stage_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
