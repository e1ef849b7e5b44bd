#include "comm/comm.h"

#include <assert.h>
#include <mpi.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MESSAGE_MAX = 1 << 30, MEET_POLL_NS = 2000000, TAG_TREE = 1, TAG_PART = 2 };

struct comm {
    MPI_Comm world; /* a duplicate: our messages never meet a library's */
    int rank, size;
    bool broken;
    int *count; /* 4 x size: counts and displacements of an exchange, owned */
};

/* The one way an MPI call is checked. */
static enum ebm_status checked(struct comm *c, int code, const char *call, struct ebm_error *err)
{
    char text[MPI_MAX_ERROR_STRING] = "";
    int n = 0;

    if (code == MPI_SUCCESS)
        return EBM_OK;
    c->broken = true;
    MPI_Error_string(code, text, &n);
    return ebm_fail(err, EBM_EUNREACHABLE, "rank %d: %s: %s", c->rank, call, text);
}

static enum ebm_status usable(const struct comm *c, struct ebm_error *err)
{
    return c->broken ? ebm_fail(err, EBM_EUNREACHABLE, "rank %d: MPI failed before", c->rank)
                     : EBM_OK;
}

static enum ebm_status open_world(struct comm *c, struct ebm_error *err)
{
    enum ebm_status st = checked(c, MPI_Comm_dup(MPI_COMM_WORLD, &c->world), "MPI_Comm_dup", err);

    if (st == EBM_OK)
        st = checked(c, MPI_Comm_set_errhandler(c->world, MPI_ERRORS_RETURN),
                     "MPI_Comm_set_errhandler", err);
    if (st == EBM_OK)
        st = checked(c, MPI_Comm_rank(c->world, &c->rank), "MPI_Comm_rank", err);
    if (st == EBM_OK)
        st = checked(c, MPI_Comm_size(c->world, &c->size), "MPI_Comm_size", err);
    return st;
}

enum ebm_status comm_open(int *argc, char ***argv, struct comm **out, struct ebm_error *err)
{
    struct comm *c = calloc(1, sizeof *c);
    int level = 0;

    if (c == NULL)
        return ebm_fail(err, EBM_ENOMEM, "no memory for the ranks");
    enum ebm_status st = checked(c, MPI_Init_thread(argc, argv, MPI_THREAD_FUNNELED, &level),
                                 "MPI_Init_thread", err);
    if (st == EBM_OK && level < MPI_THREAD_FUNNELED)
        st = ebm_fail(err, EBM_EUNREACHABLE, "this MPI is not for programs with threads");
    if (st == EBM_OK)
        st = open_world(c, err);
    if (st == EBM_OK) {
        c->count = calloc((size_t)c->size * 4, sizeof *c->count);
        if (c->count == NULL)
            st = ebm_fail(err, EBM_ENOMEM, "no memory for %d ranks", c->size);
    }
    if (st == EBM_OK)
        *out = c;
    else
        free(c);
    return st;
}

void comm_close(struct comm *c)
{
    if (c == NULL)
        return;
    MPI_Comm_free(&c->world);
    MPI_Finalize();
    free(c->count);
    free(c);
}

void comm_abort(struct comm *c, int exit_code)
{
    MPI_Abort(c->world, exit_code);
    abort();
}

size_t comm_rank(const struct comm *c)
{
    return (size_t)c->rank;
}

size_t comm_size(const struct comm *c)
{
    return (size_t)c->size;
}

bool comm_is_broken(const struct comm *c)
{
    return c->broken;
}

enum ebm_status comm_agree(struct comm *c, enum ebm_status status, struct ebm_error *err)
{
    int mine = status == EBM_OK ? c->size : c->rank, lowest = 0;

    if (c->broken)
        return status != EBM_OK ? status : usable(c, err);
    enum ebm_status st = checked(c, MPI_Allreduce(&mine, &lowest, 1, MPI_INT, MPI_MIN, c->world),
                                 "MPI_Allreduce", err);
    if (st != EBM_OK || lowest == c->size)
        return st;
    if (lowest == c->rank && lowest != 0)
        ebm_prefix(err, "rank %d", c->rank);
    st = checked(c, MPI_Bcast(err, (int)sizeof *err, MPI_BYTE, lowest, c->world), "MPI_Bcast", err);
    return st == EBM_OK ? err->code : st;
}

enum ebm_status comm_meet(struct comm *c, struct ebm_error *err)
{
    static const struct timespec pause = {.tv_nsec = MEET_POLL_NS};
    MPI_Request request;
    int done = 0;

    enum ebm_status st = usable(c, err);
    if (st == EBM_OK)
        st = checked(c, MPI_Ibarrier(c->world, &request), "MPI_Ibarrier", err);
    while (st == EBM_OK && !done) {
        st = checked(c, MPI_Test(&request, &done, MPI_STATUS_IGNORE), "MPI_Test", err);
        if (!done)
            nanosleep(&pause, NULL);
    }
    return st;
}

static int piece(size_t left)
{
    return left < MESSAGE_MAX ? (int)left : MESSAGE_MAX;
}

enum ebm_status comm_broadcast(struct comm *c, void *bytes, size_t n, struct ebm_error *err)
{
    unsigned char *at = bytes;
    enum ebm_status st = usable(c, err);

    for (size_t done = 0; st == EBM_OK && done < n; done += MESSAGE_MAX)
        st = checked(c, MPI_Bcast(at + done, piece(n - done), MPI_BYTE, 0, c->world), "MPI_Bcast",
                     err);
    return st;
}

static enum ebm_status send_bytes(struct comm *c, const void *bytes, size_t n, int to, int tag,
                                  struct ebm_error *err)
{
    const unsigned char *at = bytes;
    enum ebm_status st = EBM_OK;

    for (size_t done = 0; st == EBM_OK && done < n; done += MESSAGE_MAX)
        st = checked(c, MPI_Send(at + done, piece(n - done), MPI_BYTE, to, tag, c->world),
                     "MPI_Send", err);
    return st;
}

static enum ebm_status receive_bytes(struct comm *c, void *bytes, size_t n, int from, int tag,
                                     struct ebm_error *err)
{
    unsigned char *at = bytes;
    enum ebm_status st = EBM_OK;

    for (size_t done = 0; st == EBM_OK && done < n; done += MESSAGE_MAX)
        st = checked(
            c,
            MPI_Recv(at + done, piece(n - done), MPI_BYTE, from, tag, c->world, MPI_STATUS_IGNORE),
            "MPI_Recv", err);
    return st;
}

enum ebm_status comm_gather(struct comm *c, const void *mine, const size_t *part, void *whole,
                            struct ebm_error *err)
{
    unsigned char *at = whole;
    enum ebm_status st = usable(c, err);

    if (st == EBM_OK && c->rank != 0)
        return send_bytes(c, mine, part[c->rank], 0, TAG_PART, err);
    if (st == EBM_OK && part[0] > 0)
        memcpy(at, mine, part[0]);
    for (int r = 1; st == EBM_OK && r < c->size; r++) {
        at += part[r - 1];
        st = receive_bytes(c, at, part[r], r, TAG_PART, err);
    }
    return st;
}

enum ebm_status comm_scatter(struct comm *c, void *mine, const size_t *part, const void *whole,
                             struct ebm_error *err)
{
    const unsigned char *at = whole;
    enum ebm_status st = usable(c, err);

    if (st == EBM_OK && c->rank != 0)
        return receive_bytes(c, mine, part[c->rank], 0, TAG_PART, err);
    if (st == EBM_OK && part[0] > 0)
        memcpy(mine, at, part[0]);
    for (int r = 1; st == EBM_OK && r < c->size; r++) {
        at += part[r - 1];
        st = send_bytes(c, at, part[r], r, TAG_PART, err);
    }
    return st;
}

/* Fills counts and displacements in bytes; false past COMM_EXCHANGE_MAX. */
static bool lay_out(const struct comm *c, size_t record, const size_t *records, int *count, int *at)
{
    size_t sum = 0;

    for (int r = 0; r < c->size; r++) {
        if (records[r] > (COMM_EXCHANGE_MAX - sum) / record)
            return false;
        count[r] = (int)(records[r] * record);
        at[r] = (int)sum;
        sum += records[r] * record;
    }
    return true;
}

enum ebm_status comm_exchange(struct comm *c, size_t record, const void *send,
                              const size_t *send_count, void *recv, const size_t *recv_count,
                              struct ebm_error *err)
{
    int *out = c->count, *out_at = out + c->size, *in = out_at + c->size, *in_at = in + c->size;
    enum ebm_status st = usable(c, err);

    if (st != EBM_OK)
        return st;
    if (!lay_out(c, record, send_count, out, out_at) ||
        !lay_out(c, record, recv_count, in, in_at)) {
        /* The others are on their way into the exchange. */
        c->broken = true;
        return ebm_fail(err, EBM_EINVAL, "rank %d: a batch of more than 2 GiB", c->rank);
    }
    return checked(c,
                   MPI_Alltoallv(send, out, out_at, MPI_BYTE, recv, in, in_at, MPI_BYTE, c->world),
                   "MPI_Alltoallv", err);
}

enum ebm_status comm_reduce(struct comm *c, const struct tree_plan *plan, struct tree_vector v,
                            unsigned char *slots, size_t first, unsigned char *result,
                            struct ebm_error *err)
{
    size_t bytes = tree_vector_bytes(v);
    enum ebm_status st = usable(c, err);

    for (size_t i = 0; st == EBM_OK && i < plan->steps; i++) {
        const struct tree_step *s = &plan->step[i];
        if (s->action == TREE_SEND) {
            st = send_bytes(c, slots + (s->from - first) * bytes, bytes, (int)s->peer, TAG_TREE,
                            err);
            continue;
        }
        const unsigned char *from = result; /* until the end it is ours to receive into */
        if (s->action == TREE_ADD)
            from = slots + (s->from - first) * bytes;
        else
            st = receive_bytes(c, result, bytes, (int)s->peer, TAG_TREE, err);
        if (st == EBM_OK)
            tree_vector_add(v, slots + (s->into - first) * bytes, from);
    }
    if (st == EBM_OK && c->rank == 0 && result != slots)
        memcpy(result, slots, bytes);
    return st == EBM_OK ? comm_broadcast(c, result, bytes, err) : st;
}
