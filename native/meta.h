/* meta.h - what stands around a stored data set: its file's name, and the File Meta Information before
 * it (PS3.10 7.1).
 *
 * Pure: no allocation, no system call, no global state. */

enum p104_meta_limit {
    P104_NAME_LENGTH = 32,   /* hexadecimal digits of a file's name */
    P104_ORIGIN_LENGTH = 256, /* most bytes of the elements that tell where an instance came from */
    P104_META_ROOM = 768     /* room for any header of p104_encode_meta */
};

/* A UID without padding, not terminated, of at most P104_UID_LENGTH bytes. */
typedef struct {
    const uint8_t *bytes;
    size_t length;
} p104_uid;

/* Encode preamble, prefix and group 0002 into out, which has P104_META_ROOM bytes. origin: the encoded elements
 * from (0002,0012) on, at most P104_ORIGIN_LENGTH bytes. *identity_end: bytes from the group length element on to
 * there name SOP class, SOP instance and transfer syntax; what follows only says who sent it and may differ
 * between two sendings. Returns the length. */
size_t p104_encode_meta(uint8_t *out, p104_uid sop_class, p104_uid sop_instance, p104_uid transfer_syntax,
                        const uint8_t *origin, size_t origin_length, size_t *identity_end);

/* Find the header's end and identity_end in the first bytes of a file that begins with one. Returns 0, or -1 where they
 * are none of p104_encode_meta. */
int p104_measure_meta(const uint8_t *bytes, size_t length, size_t *header_length, size_t *identity_end);

/* Write the name of an instance's file, P104_NAME_LENGTH lower-case digits and a NUL: BLAKE2b, 128 bits, of the
 * called AE title, NUL, and the SOP instance UID. Two AE titles keep separate copies, and one instance is
 * found again without an index. */
void p104_file_name(char *out, const uint8_t *called, size_t called_length, p104_uid sop_instance);
