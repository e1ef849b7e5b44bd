/* The main of an MPI test: every rank runs all tests, between comm_open and
 * comm_close. A failing rank leaves the others waiting; the timeout ends that. */
#ifndef EBM_TESTS_MPI_MAIN_H
#define EBM_TESTS_MPI_MAIN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "comm/comm.h"

static struct comm *comm;

#define MPI_TEST_MAIN(tests)                                                                       \
    int main(int argc, char **argv)                                                                \
    {                                                                                              \
        struct ebm_error err;                                                                      \
        if (comm_open(&argc, &argv, &comm, &err) != EBM_OK) {                                      \
            fprintf(stderr, "%s\n", err.text);                                                     \
            return 1;                                                                              \
        }                                                                                          \
        int failed = cmocka_run_group_tests(tests, NULL, NULL);                                    \
        if (failed != 0)                                                                           \
            comm_abort(comm, 1);                                                                   \
        comm_close(comm);                                                                          \
        return 0;                                                                                  \
    }

#endif
