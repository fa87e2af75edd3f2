/* store.c - one data set on its way to a file: all that is known of it once its command is judged. */

#include "spool_inside.h"

#include <stdlib.h>
#include <string.h>

static void start_picking(const p104_spool *spool, p104_store *store)
{
    int readable = store->context->flags & (P104_EXPLICIT_VR | P104_IMPLICIT_VR);
    p104_picker_start(&store->picker, (store->context->flags & P104_EXPLICIT_VR) != 0, spool->tags,
                      spool->tag_count);
    if (!readable)
        store->picker.state = P104_PICK_UNREADABLE;
}

static uint8_t shelf_of(const char *name)
{
    char digits[3] = {name[0], name[1], 0};
    return (uint8_t)strtoul(digits, NULL, 16);
}

static void prepare_part(p104_intake *intake, p104_store *store, p104_uid sop_instance)
{
    p104_part *part = &store->part;
    p104_spool *spool = intake->spool;
    part->folders = &spool->folders;
    part->number = atomic_fetch_add(&spool->last_number, 1) + 1;
    part->descriptor = -1;
    part->overwrite = (store->context->flags & P104_OVERWRITE) != 0;
    part->durable = spool->sync;
    p104_file_name(part->name, intake->called, intake->called_length, sop_instance);
    part->shelf = shelf_of(part->name);
    part->header = store->header;
    part->header_length = p104_encode_meta(store->header, store->context->sop_class, sop_instance,
                                           store->context->transfer_syntax, intake->origin,
                                           intake->origin_length, &part->identity_end);
}

p104_store *p104_store_new(p104_intake *intake, const p104_context *context, const p104_store_request *request)
{
    p104_store *store = malloc(sizeof *store);
    p104_notice *notice = malloc(sizeof *notice);
    if (!store || !notice) {
        free(store);
        free(notice);
        return NULL;
    }
    memset(store, 0, offsetof(p104_store, header));
    store->notice = notice;
    store->intake = intake;
    store->context = context;
    store->message_id = request->message_id;
    store->sop_instance_length = (uint8_t)request->sop_instance_length;
    memcpy(store->sop_instance, request->sop_instance, request->sop_instance_length);
    store->sync_failures = atomic_load(&intake->spool->sync_failures);
    prepare_part(intake, store, (p104_uid){request->sop_instance, request->sop_instance_length});
    start_picking(intake->spool, store);
    return store;
}

void p104_store_free(p104_store *store)
{
    free(store->notice);
    free(store);
}
