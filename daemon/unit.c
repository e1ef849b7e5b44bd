#include "unit.h"

#include "daemon.h"

enum ebm_status unit_do(struct daemon *d, unit_work *work, void *arg, struct ebm_error *err)
{
    size_t mark = d->outbox.count;
    enum ebm_status rc = store_savepoint(d->store, err);

    if (rc != EBM_OK)
        return rc;
    rc = work(d, arg, err);
    if (rc == EBM_OK) {
        store_release(d->store);
    } else {
        store_undo(d->store);
        outbox_cut(&d->outbox, mark);
    }
    return rc;
}
