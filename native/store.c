/* store.c - one data set on its way to a file: all that is known of it once its command is judged. */

#include "spool_inside.h"

#include <stdlib.h>
#include <string.h>

static const uint32_t SOP_CLASS_UID = 0x00080016;
static const uint32_t SOP_INSTANCE_UID = 0x00080018;

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

/* Padding is not a part of a UID: NUL by PS3.5 9.1, a space by habit. */
static int same_uid(const p104_picked *picked, p104_uid uid)
{
    static const uint8_t nulls[P104_PICK_VALUE];
    if (picked->length < uid.length || memcmp(picked->value, uid.bytes, uid.length) != 0)
        return 0;
    const uint8_t *padding = picked->value + uid.length;
    size_t length = picked->length - uid.length;
    return memcmp(padding, nulls, length) == 0 || (length == 1 && *padding == ' ');
}

int p104_store_matches(const p104_store *store)
{
    const p104_picker *picker = &store->picker;
    p104_uid sop_instance = {(const uint8_t *)store->sop_instance, store->sop_instance_length};
    for (int index = 0; index < picker->count && picker->picked[index].tag <= SOP_INSTANCE_UID; index++) {
        const p104_picked *picked = &picker->picked[index];
        if (picked->found
            && ((picked->tag == SOP_CLASS_UID && !same_uid(picked, store->context->sop_class))
                || (picked->tag == SOP_INSTANCE_UID && !same_uid(picked, sop_instance))))
            return 0;
    }
    return 1;
}

void p104_store_free(p104_store *store)
{
    free(store->notice);
    free(store);
}
