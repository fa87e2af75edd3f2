/* command.h - the command sets that pass by the thousand: C-STORE-RQ in and C-STORE-RSP out, and where port104
 * sends, C-STORE-RSP in (PS3.7 9.3.1, annex E). Every other command set is Python's.
 *
 * Pure: no allocation, no system call, no global state. */

enum p104_command_limit {
    P104_UID_LENGTH = 64, /* PS3.5 9.1 */
    /* Room for any response of p104_encode_store_response: some 230 bytes, cut into PDUs of two each. */
    P104_RESPONSE_ROOM = 2048,
    /* The shortest maximum length of a PDU in which a fragment fits (PS3.8 9.3.5). */
    P104_SMALLEST_PDU = 8
};

/* Whether it is one, without padding: components of digits without leading zeros, divided by single dots (PS3.5 9.1). */
int p104_is_uid(const uint8_t *uid, size_t length);

/* A C-STORE-RQ that may be stored. UIDs are without padding and not terminated; they lie in the command
 * set that was read. */
typedef struct {
    const uint8_t *sop_class;
    const uint8_t *sop_instance;
    size_t sop_class_length;    /* 1 or more: any value */
    size_t sop_instance_length; /* 1 to P104_UID_LENGTH: valid by PS3.5 9.1 */
    uint16_t message_id;
} p104_store_request;

/* Read a whole command set. Returns 1 for a C-STORE-RQ which announces a data set and names SOP class and
 * SOP instance, the latter by a valid UID; 0 for anything else, well-formed or not, which is to be judged
 * elsewhere. Whatever comes twice counts as it came last. */
int p104_read_store_request(const uint8_t *bytes, size_t length, p104_store_request *out);

/* Whether a whole command set is a plain C-STORE-RSP to the request that has message_id and this SOP instance UID, which
 * it need not repeat. Returns 1 and its status; 0 for anything else, well-formed or not, which is to be judged
 * elsewhere. */
int p104_read_store_response(const uint8_t *bytes, size_t length, uint16_t message_id, const uint8_t *sop_instance,
                             size_t sop_instance_length, uint16_t *status);

/* Encode the C-STORE-RSP to request as whole P-DATA-TF PDUs of at most peer_maximum_length bytes each
 * (0: unlimited, else at least P104_SMALLEST_PDU). out has P104_RESPONSE_ROOM bytes; request's UIDs have at
 * most P104_UID_LENGTH. Returns the length. */
size_t p104_encode_store_response(uint8_t *out, uint8_t context_id, uint32_t peer_maximum_length,
                                  const p104_store_request *request, uint16_t status);
