/* parcel.h - one file as a C-STORE-RQ: opened if it is what it was, and cut into PDUs. For C only. */

#ifndef P104_PARCEL_H
#define P104_PARCEL_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "pdata.h"

#include "link.h"

#include "courier.h"

enum {
    P104_FRAGMENT_HEADER = 12,    /* of a PDU with one PDV (PS3.8 9.3.5) */
    P104_PDV_OVERHEAD = 6,        /* of it, what the PDU's length counts */
    P104_COMMAND_ROOM = 4 * 1024, /* some 230 bytes, cut into PDUs of two each at the worst */
};

/* Bytes of its data set. */
size_t p104_parcel_length(const p104_parcel *parcel);

/* Bytes of the whole message, with a byte of padding. room: bytes of a data set in one PDU. */
size_t p104_message_length(const p104_parcel *parcel, size_t room);

/* Open its file. Returns -1 where nothing can be sent of it. */
int p104_parcel_open(const p104_parcel *parcel);

/* Write the message: the command, and the data set in PDUs. Returns where it ends; NULL: the file has no more. */
uint8_t *p104_parcel_fill(uint8_t *at, size_t room, const p104_parcel *parcel, int file);

/* Write the P104_FRAGMENT_HEADER bytes before a fragment of a data set. */
void p104_put_pdu_header(uint8_t *at, uint8_t context_id, size_t fragment, int last);

/* Returns 0 where the file has no such bytes. */
int p104_read_whole(int file, uint8_t *into, size_t length, off_t from);

#endif
