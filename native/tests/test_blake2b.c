/* BLAKE2b: RFC 7693 appendix A, and what Python's hashlib gives for other inputs and lengths. */

#include <stddef.h>
#include <stdint.h>

#include "blake2b.h"

#include "check.h"

typedef struct {
    const char *input; /* hexadecimal */
    const char *hash;  /* as long as it is asked for */
} hash_case;

static const hash_case CASES[] = {
    /* RFC 7693 appendix A */
    {"616263",
     "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1"
     "7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923"},
    /* hashlib.blake2b(input, digest_size=...).hexdigest() */
    {"",
     "2e"},
    {"",
     "cae66941d9efbd404e4d88758ea67670"},
    {"",
     "3345524abf6bbe1809449224b5972c41790b6cf2"},
    {"",
     "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8"},
    {"",
     "b32811423377f52d7862286ee1a72ee540524380fda1724a6f25d7978c6fd3244a6caf0498812673c5e05ef583825100"},
    {"",
     "786a02f742015903c6c6fd852552d272912f4740e15847618a86e217f71f5419d25e1031afee585313896444934eb04b"
     "903a685b1448b755d56f701afe9be2ce"},
    {"61",
     "27c35e6e9373877f29e562464e46497e"},
    {"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f"
     "303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f"
     "606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e",
     "28b1296c7d4807883de6ee4ec04dcc0a"},
    {"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f"
     "303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f"
     "606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f",
     "f4"},
    {"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f"
     "303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f"
     "606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f",
     "a74787004ef589e31149183900d0294a"},
    {"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f"
     "303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f"
     "606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f",
     "e6992372ab022447b34f6d6032fbab707a11adef"},
    {"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f"
     "303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f"
     "606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f",
     "c3582f71ebb2be66fa5dd750f80baae97554f3b015663c8be377cfcb2488c1d1"},
    {"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f"
     "303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f"
     "606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f",
     "a2c2acf7ce4079c02b7f38e2ef33bff531a31a7c7effe712c5348b4d616c0cba9b152679317984ec632d0c70eb11eece"},
    {"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f"
     "303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f"
     "606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f",
     "2319e3789c47e2daa5fe807f61bec2a1a6537fa03f19ff32e87eecbfd64b7e0e8ccff439ac333b040f19b0c4ddd11a61"
     "e24ac1fe0f10a039806c5dcc0da3d115"},
    {"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
     "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
     "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
     "3b8c23e57cb6e9368a3e5750d8fdd45c"},
    {"000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
     "000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
     "0000000000000000000000000000000000000000000000000000000000000000",
     "40d697295c01d2312035c1fa7d884b8d"},
    {"504f525431303400312e322e33",
     "cc8a87dcb6fb93171d2a8250b487ccb0"},
    {"414141414141414141414141414141410031313131313131313131313131313131313131313131313131313131313131"
     "313131313131313131313131313131313131313131313131313131313131313131",
     "d5378c61c16c1a32bf397a896a58302b"},
};

static size_t decode(const char *hexadecimal, uint8_t *out)
{
    size_t length = strlen(hexadecimal) / 2;
    for (size_t index = 0; index < length; index++) {
        unsigned byte;
        CHECK(sscanf(hexadecimal + 2 * index, "%2x", &byte) == 1);
        out[index] = (uint8_t)byte;
    }
    return length;
}

/* Neither a byte beyond the input is read nor one beyond the hash written. */
static void check_hash(guarded memory, guarded out, const hash_case *one)
{
    uint8_t input[P104_BLAKE2B_BLOCK];
    uint8_t expected[64];
    size_t length = decode(one->input, input);
    size_t hash_length = decode(one->hash, expected);
    uint8_t *hash = out.pages + out.size - hash_length;
    p104_blake2b(hash, hash_length, guarded_at_end(memory, input, length), length);
    CHECK(memcmp(hash, expected, hash_length) == 0);
    p104_blake2b(out.pages, hash_length, guarded_at_start(memory, input, length), length);
    CHECK(memcmp(out.pages, expected, hash_length) == 0);
}

/* The input sequence of RFC 7693 appendix E. */
static void sequence(uint8_t *out, size_t length, uint32_t seed)
{
    uint32_t a = 0xdead4bad * seed;
    uint32_t b = 1;
    for (size_t index = 0; index < length; index++) {
        uint32_t sum = a + b;
        a = b;
        b = sum;
        out[index] = (uint8_t)(sum >> 24);
    }
}

/* As in appendix E, a hash of many hashes; they are chained, for together they are longer than one block. The result
 * is what hashlib comes to in the same way. */
static void test_every_length(void)
{
    uint8_t input[P104_BLAKE2B_BLOCK];
    uint8_t chained[64] = {0};
    uint8_t expected[64];
    for (size_t length = 0; length <= P104_BLAKE2B_BLOCK; length++) {
        for (size_t hash_length = 1; hash_length <= 64; hash_length += 21) {
            uint8_t both[P104_BLAKE2B_BLOCK] = {0};
            sequence(input, length, (uint32_t)(length + hash_length));
            p104_blake2b(both, hash_length, input, length);
            memcpy(both + 64, chained, sizeof chained);
            p104_blake2b(chained, sizeof chained, both, sizeof both);
        }
    }
    decode("5ef7db790f83e5c1c1b45b83a533ac1ae84c8630439a94e75774cc496fb65df5"
           "cf2d55b2bc5055dff7c590127cc3b31579684fab17ca7f0340d745e6dbd024f3", expected);
    CHECK(memcmp(chained, expected, sizeof chained) == 0);
}

int main(void)
{
    enum { COUNT = sizeof CASES / sizeof *CASES };
    guarded memory = guarded_new(P104_BLAKE2B_BLOCK);
    guarded out = guarded_new(64);
    for (int index = 0; index < COUNT; index++)
        check_hash(memory, out, &CASES[index]);
    test_every_length();
    printf("test_blake2b: %d cases\n", COUNT + 1);
    return 0;
}
