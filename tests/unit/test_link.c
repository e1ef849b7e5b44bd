/* Sockets: messages of parts, limits, lost socket files. The peer that breaks
 * the rules speaks to ZeroMQ itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <zmq.h>

#include "base/clock.h"
#include "link/link.h"

enum { DEADLINE_MS = 20000 };

struct place {
    char dir[64], endpoint[128];
    struct link_context *context;
    struct link_socket *router, *dealer;
};

static int set_up(void **state)
{
    struct place *p = calloc(1, sizeof *p);

    assert_non_null(p);
    strcpy(p->dir, "/tmp/ebm-link-XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    snprintf(p->endpoint, sizeof p->endpoint, "ipc://%s/s", p->dir);
    assert_int_equal(link_context_create(&p->context, NULL), EBM_OK);
    assert_int_equal(link_open(p->context, LINK_ROUTER, true, p->endpoint, &p->router, NULL),
                     EBM_OK);
    assert_int_equal(link_open(p->context, LINK_DEALER, false, p->endpoint, &p->dealer, NULL),
                     EBM_OK);
    *state = p;
    return 0;
}

static int tear_down(void **state)
{
    struct place *p = *state;

    link_close(p->dealer);
    link_close(p->router);
    link_context_destroy(p->context);
    unlink(p->endpoint + strlen("ipc://"));
    assert_int_equal(rmdir(p->dir), 0);
    free(p);
    return 0;
}

static void send_text(struct link_socket *s, const char *text)
{
    struct link_part part = {text, strlen(text)};

    assert_int_equal(link_send(s, NULL, 0, &part, 1, NULL), EBM_OK);
}

/* The next message, waited for. */
static enum ebm_status receive(struct link_socket *s, struct link_message *m)
{
    int64_t end = clock_mono_ms() + DEADLINE_MS;
    enum ebm_status rc = EBM_ETIMEOUT;

    while (rc == EBM_ETIMEOUT && clock_mono_ms() < end) {
        struct link_poll item = {.socket = s, .fd = -1};
        assert_int_equal(link_wait(&item, 1, 1000, NULL), EBM_OK);
        rc = link_recv(s, m, NULL);
    }
    return rc;
}

static void assert_text(struct link_socket *s, const char *text)
{
    struct link_message m;

    assert_int_equal(receive(s, &m), EBM_OK);
    assert_int_equal(m.parts, 1);
    assert_int_equal(m.part[0].size, strlen(text));
    assert_memory_equal(m.part[0].data, text, strlen(text));
    link_message_fini(&m);
}

static void bad_endpoints_are_refused(void **state)
{
    struct place *p = *state;
    struct link_socket *s = NULL;
    struct ebm_error err;
    char longer[400];

    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    memcpy(longer, "ipc:///", 7);
    assert_int_equal(link_open(p->context, LINK_ROUTER, true, longer, &s, &err), EBM_EINVAL);
    assert_int_not_equal(
        link_open(p->context, LINK_ROUTER, true, "ipc:///no/such/folder/s", &s, &err), EBM_OK);
    assert_non_null(strstr(err.text, "/no/such/folder/s"));
    assert_int_not_equal(link_open(p->context, LINK_DEALER, false, "nonsense", &s, &err), EBM_OK);
    assert_null(s);
    link_close(NULL);
    link_context_destroy(NULL);
}

static void parts_go_there_and_back(void **state)
{
    struct place *p = *state;
    struct link_part part[LINK_PARTS_MAX] = {{"one", 3}, {"", 0}, {"three", 5}, {"4", 1}};
    struct link_message m;

    assert_int_equal(link_send(p->dealer, NULL, 0, part, LINK_PARTS_MAX, NULL), EBM_OK);
    assert_int_equal(receive(p->router, &m), EBM_OK);
    assert_int_equal(m.parts, LINK_PARTS_MAX);
    assert_true(m.identity_size > 0);
    for (size_t i = 0; i < LINK_PARTS_MAX; i++) {
        assert_int_equal(m.part[i].size, part[i].size);
        if (part[i].size > 0)
            assert_memory_equal(m.part[i].data, part[i].data, part[i].size);
    }
    assert_int_equal(link_send(p->router, m.identity, m.identity_size, &part[2], 1, NULL), EBM_OK);
    link_message_fini(&m);
    assert_text(p->dealer, "three");
    link_message_fini(&m); /* twice is fine */
}

static void nothing_there_is_no_error(void **state)
{
    struct place *p = *state;
    struct link_message m;
    struct link_poll item = {.socket = p->router, .fd = -1};

    assert_int_equal(link_recv(p->router, &m, NULL), EBM_ETIMEOUT);
    assert_int_equal(link_recv(p->dealer, &m, NULL), EBM_ETIMEOUT);
    assert_int_equal(link_wait(&item, 1, 0, NULL), EBM_OK);
    assert_false(item.ready);
}

static void a_descriptor_wakes_as_a_socket_does(void **state)
{
    struct place *p = *state;
    int fd[2];

    assert_int_equal(pipe(fd), 0);
    struct link_poll items[2] = {{.socket = p->router}, {.fd = fd[0]}};
    assert_int_equal(write(fd[1], "x", 1), 1);
    assert_int_equal(link_wait(items, 2, DEADLINE_MS, NULL), EBM_OK);
    assert_false(items[0].ready);
    assert_true(items[1].ready);
    close(fd[1]);
    close(fd[0]);
}

static void an_unknown_peer_is_unreachable(void **state)
{
    struct place *p = *state;
    struct link_part part = {"x", 1};
    struct ebm_error err;

    assert_int_equal(link_send(p->router, "nobody", 6, &part, 1, &err), EBM_EUNREACHABLE);
    send_text(p->dealer, "still fine");
    assert_text(p->router, "still fine");
}

static void too_many_parts_are_dropped_whole(void **state)
{
    struct place *p = *state;
    struct link_message m;
    void *context = zmq_ctx_new();
    void *odd = zmq_socket(context, ZMQ_DEALER);

    assert_int_equal(zmq_connect(odd, p->endpoint), 0);
    for (int i = 0; i < 40; i++)
        assert_int_equal(zmq_send(odd, "part", 4, i < 39 ? ZMQ_SNDMORE : 0), 4);
    assert_int_equal(zmq_send(odd, "after", 5, 0), 5);
    assert_int_equal(receive(p->router, &m), EBM_EPROTO);
    assert_text(p->router, "after");
    zmq_close(odd);
    zmq_ctx_term(context);
}

static void a_part_over_the_limit_is_never_heard(void **state)
{
    struct place *p = *state;
    struct link_message m;
    size_t n = LINK_MESSAGE_MAX;
    char *large = calloc(1, n + 1);
    struct link_part part = {large, n};

    assert_non_null(large);
    assert_int_equal(link_send(p->dealer, NULL, 0, &part, 1, NULL), EBM_OK);
    assert_int_equal(receive(p->router, &m), EBM_OK);
    assert_int_equal(m.part[0].size, n);
    link_message_fini(&m);
    void *context = zmq_ctx_new();
    void *odd = zmq_socket(context, ZMQ_DEALER);
    int no_linger = 0;
    zmq_setsockopt(odd, ZMQ_LINGER, &no_linger, sizeof no_linger);
    assert_int_equal(zmq_connect(odd, p->endpoint), 0);
    assert_int_equal(zmq_send(odd, "before", 6, 0), 6);
    assert_text(p->router, "before");
    assert_int_equal(zmq_send(odd, large, n + 1, 0), (int)n + 1);
    send_text(p->dealer, "others are served");
    assert_text(p->router, "others are served");
    assert_int_equal(link_recv(p->router, &m, NULL), EBM_ETIMEOUT);
    zmq_close(odd);
    zmq_ctx_term(context);
    free(large);
}

static void a_deleted_socket_file_is_bound_again(void **state)
{
    struct place *p = *state;
    const char *path = p->endpoint + strlen("ipc://");
    struct link_socket *fresh = NULL;
    struct stat st;

    send_text(p->dealer, "one");
    assert_text(p->router, "one");
    for (int round = 0; round < 3; round++) {
        assert_int_equal(unlink(path), 0);
        assert_int_equal(link_rebind(p->router, NULL), EBM_OK);
        assert_int_equal(stat(path, &st), 0);
        send_text(p->dealer, "old"); /* who was connected goes on */
        assert_text(p->router, "old");
        assert_int_equal(link_open(p->context, LINK_DEALER, false, p->endpoint, &fresh, NULL),
                         EBM_OK);
        send_text(fresh, "new");
        assert_text(p->router, "new");
        link_close(fresh);
    }
}

static void a_deleted_folder_is_bound_again(void **state)
{
    struct place *p = *state;

    assert_int_equal(unlink(p->endpoint + strlen("ipc://")), 0);
    assert_int_equal(rmdir(p->dir), 0);
    assert_int_not_equal(link_rebind(p->router, NULL), EBM_OK);
    assert_int_equal(mkdir(p->dir, 0700), 0);
    assert_int_equal(link_rebind(p->router, NULL), EBM_OK);
    send_text(p->dealer, "there");
    assert_text(p->router, "there");
}

static void who_connects_first_is_served_later(void **state)
{
    struct place *p = *state;
    char endpoint[140];
    struct link_socket *early = NULL, *late = NULL;

    snprintf(endpoint, sizeof endpoint, "%s-late", p->endpoint);
    assert_int_equal(link_open(p->context, LINK_DEALER, false, endpoint, &early, NULL), EBM_OK);
    send_text(early, "early");
    assert_int_equal(link_open(p->context, LINK_ROUTER, true, endpoint, &late, NULL), EBM_OK);
    assert_text(late, "early");
    link_close(early);
    link_close(late);
    unlink(endpoint + strlen("ipc://"));
}

static void topics_are_chosen_by_their_prefix(void **state)
{
    struct place *p = *state;
    struct link_socket *pub = NULL, *sub = NULL;
    struct link_part other = {"job.12", 7}, wanted = {"job.1", 6};
    struct link_poll item;
    struct link_message m;

    assert_int_equal(link_open(p->context, LINK_PUB, true, "inproc://events", &pub, NULL), EBM_OK);
    assert_int_equal(link_open(p->context, LINK_SUB, false, "inproc://events", &sub, NULL), EBM_OK);
    assert_int_equal(link_subscribe(sub, "job.1", NULL), EBM_OK);
    item = (struct link_poll){.socket = sub, .fd = -1};
    for (int64_t end = clock_mono_ms() + DEADLINE_MS; !item.ready && clock_mono_ms() < end;) {
        assert_int_equal(link_send(pub, NULL, 0, &wanted, 1, NULL), EBM_OK);
        link_wait(&item, 1, 10, NULL); /* until the subscription has arrived */
    }
    assert_int_equal(link_send(pub, NULL, 0, &other, 1, NULL), EBM_OK);
    assert_int_equal(receive(sub, &m), EBM_OK);
    assert_int_equal(m.part[0].size, wanted.size);
    link_message_fini(&m);
    link_close(sub);
    link_close(pub);
}

int main(void)
{
#define HERE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        HERE(bad_endpoints_are_refused),
        HERE(parts_go_there_and_back),
        HERE(nothing_there_is_no_error),
        HERE(a_descriptor_wakes_as_a_socket_does),
        HERE(an_unknown_peer_is_unreachable),
        HERE(too_many_parts_are_dropped_whole),
        HERE(a_part_over_the_limit_is_never_heard),
        HERE(a_deleted_socket_file_is_bound_again),
        HERE(a_deleted_folder_is_bound_again),
        HERE(who_connects_first_is_served_later),
        HERE(topics_are_chosen_by_their_prefix),
    };
#undef HERE
    return cmocka_run_group_tests_name("link", tests, NULL, NULL);
}
