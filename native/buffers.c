/* buffers.c - see buffers.h. */

#include "buffers.h"

#include <pthread.h>
#include <stdlib.h>

enum {
    /* Buffers kept for the next use: what a busy server has in hand at a time. More are freed. */
    POOL_LIMIT = 64,
};

/* Last in, first out, so that the buffer used next is the one still in the processor's cache. A freed
 * 256 KiB block would go back to the system and cost its page faults again at the next use. */
static pthread_mutex_t pool_lock = PTHREAD_MUTEX_INITIALIZER;
static uint8_t *pool[POOL_LIMIT];
static size_t pool_used;

uint8_t *p104_buffer_take(void)
{
    uint8_t *buffer = NULL;
    pthread_mutex_lock(&pool_lock);
    if (pool_used > 0)
        buffer = pool[--pool_used];
    pthread_mutex_unlock(&pool_lock);
    return buffer ? buffer : malloc(P104_BUFFER_SIZE);
}

void p104_buffer_give_back(uint8_t *buffer)
{
    pthread_mutex_lock(&pool_lock);
    if (pool_used < POOL_LIMIT) {
        pool[pool_used++] = buffer;
        buffer = NULL;
    }
    pthread_mutex_unlock(&pool_lock);
    free(buffer);
}
