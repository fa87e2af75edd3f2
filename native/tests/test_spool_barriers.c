/* Data synced, then named, then the directory synced, then answered: whatever kills the machine in between, no
 * instance is lost that was answered. Seen through the sync calls themselves, which this program takes over. */

#include <pthread.h>
#include <semaphore.h>
#include <sys/syscall.h>

#include "spool_peer.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char calls[64];    /* each call's letter and how many files had their name at that time */
static size_t calls_used;
static int peer = -1;     /* must have no answer while a call runs */
static int opening_syncs; /* of folders, while a spool opens */
static char failing;      /* the letter of the call that fails once */
static int failing_errno;
static sem_t *entered;    /* not NULL: the next call posts it and waits for `released` */
static sem_t released;

/* Note the call. Returns 0, or -1 with errno when it is to fail. */
static int note(char letter)
{
    uint8_t one;
    pthread_mutex_lock(&lock);
    CHECK(calls_used + 2 < sizeof calls);
    calls[calls_used++] = letter;
    calls[calls_used++] = (char)('0' + files_in("instances/0f"));
    calls[calls_used] = 0;
    CHECK(peer < 0 || recv(peer, &one, 1, MSG_PEEK | MSG_DONTWAIT) < 0);
    int fails = failing == letter;
    failing = fails ? 0 : failing;
    sem_t *waiting = entered;
    entered = NULL;
    pthread_mutex_unlock(&lock);
    if (waiting) {
        sem_post(waiting);
        while (sem_wait(&released) < 0)
            ;
    }
    if (fails)
        errno = failing_errno;
    return fails ? -1 : 0;
}

int fdatasync(int descriptor)
{
    return note('d') < 0 ? -1 : (int)syscall(SYS_fdatasync, descriptor);
}

int fsync(int descriptor)
{
    opening_syncs += peer < 0;
    if (syscall(SYS_fsync, descriptor) < 0) /* p104_spool_open calls it when there is no folder to look into */
        return -1;
    return peer < 0 ? 0 : note('f');
}

int syncfs(int descriptor)
{
    return note('s') < 0 ? -1 : (int)syscall(SYS_syncfs, descriptor);
}

/* From now on, `letter` fails once with this error; 0: none does. */
static void watch(pair made, char letter, int error)
{
    pthread_mutex_lock(&lock);
    peer = made.peer;
    calls_used = 0;
    calls[0] = 0;
    failing = letter;
    failing_errno = error;
    pthread_mutex_unlock(&lock);
}

static int called(const char *expected)
{
    pthread_mutex_lock(&lock);
    int same = strcmp(calls, expected) == 0;
    if (!same)
        fprintf(stderr, "calls %s, expected %s\n", calls, expected);
    pthread_mutex_unlock(&lock);
    return same;
}

static void end(p104_spool *spool, pair made)
{
    p104_spool_close(spool);
    pair_free(made);
    peer = -1;
    remove_files();
}

/* A start may be killed between making a folder and syncing its name: the next one, which finds the folder
 * there, must not take the name for safe. */
static void test_every_opening_syncs_the_folders(void)
{
    for (int round = 0; round < 2; round++) {
        opening_syncs = 0;
        p104_spool_close(open_spool(P104_DURABILITY_SYNC));
        CHECK(opening_syncs == 2); /* instances/, for its shelves, and the storage folder */
    }
    remove_files();
}

static void test_order(void)
{
    p104_spool *spool = open_spool(P104_DURABILITY_SYNC);
    pair made = pair_new();
    watch(made, 0, 0);
    CHECK(store_small(spool, made, 0, 'a', 's').kind == P104_STORED);
    check_answer(made);
    CHECK(called("d0f1"));

    watch(made, 0, 0); /* a duplicate leans on a file that may never have been synced */
    CHECK(store_small(spool, made, 0, 'a', 's').duplicate);
    check_answer(made);
    CHECK(called("d1f1"));
    end(spool, made);

    spool = open_spool(P104_DURABILITY_OS);
    made = pair_new();
    watch(made, 0, 0);
    CHECK(store_small(spool, made, 0, 'a', 's').kind == P104_STORED);
    CHECK(store_small(spool, made, 0, 'a', 's').duplicate);
    CHECK(called(""));
    end(spool, made);
}

static void test_an_interrupted_sync_is_repeated(void)
{
    p104_spool *spool = open_spool(P104_DURABILITY_SYNC);
    pair made = pair_new();
    watch(made, 'd', EINTR);
    CHECK(store_small(spool, made, 0, 'a', 's').kind == P104_STORED);
    check_answer(made);
    CHECK(called("d0d0f1"));
    watch(made, 'f', EINTR);
    CHECK(store_small(spool, made, 0, 'b', 's').kind == P104_STORED);
    check_answer(made);
    CHECK(called("d1f2f2"));
    end(spool, made);
}

static void test_a_failed_sync_of_data(void)
{
    p104_spool *spool = open_spool(P104_DURABILITY_SYNC);
    pair made = pair_new();
    watch(made, 'd', EIO);
    p104_completion one = store_small(spool, made, 0, 'a', 's');
    CHECK(one.kind == P104_FAILED && one.error == EIO);
    CHECK(files_in("instances/0f") == 0 && files_in("parts") == 0);
    check_no_answer(made);
    CHECK(store_small(spool, made, 0, 'a', 's').kind == P104_STORED);
    end(spool, made);
}

/* The name is taken back; who was on the way meanwhile may have lost bytes too; who comes later has not. */
static void test_a_failed_sync_of_names(void)
{
    p104_spool *spool = open_spool(P104_DURABILITY_SYNC);
    pair made = pair_new();
    pair other = pair_new();
    command(other);
    size_t length = pdu(data_set, 2, 'o', 1000);
    CHECK(begin(spool, other, 2, 0, 's') == P104_CARRIED);
    CHECK(next_completion(spool).kind == P104_PAUSED);

    watch(made, 'f', EIO);
    p104_completion one = store_small(spool, made, 0, 'a', 's');
    CHECK(one.kind == P104_FAILED && one.error == EIO);
    CHECK(files_in("instances/0f") == 0 && files_in("parts") == 1);
    check_no_answer(made);

    transmit(other.peer, data_set, length);
    CHECK(p104_store_resume(spool, 2) == P104_CARRIED);
    one = settled(spool);
    CHECK(one.id == 2 && one.kind == P104_FAILED && one.error == EIO);
    check_no_answer(other);
    CHECK(files_in("instances/0f") == 0 && files_in("parts") == 0);
    CHECK(store_small(spool, made, 0, 'a', 's').kind == P104_STORED);
    check_answer(made);
    pair_free(other);
    end(spool, made);
}

/* Four stores that are written while the barrier of another runs. With one thread, the last one's RECEIVED tells
 * that at least three wait for the next barrier. Returns how many of the five were stored. */
static int store_in_one_barrier(p104_spool *spool, pair *pairs, char letter)
{
    enum { ALL = 5 };
    sem_t reached;
    CHECK(sem_init(&reached, 0, 0) == 0);
    watch(pairs[ALL - 1], letter, EIO);
    pthread_mutex_lock(&lock);
    entered = &reached;
    pthread_mutex_unlock(&lock);
    for (int index = 0; index < ALL; index++) {
        command(pairs[index]);
        size_t length = pdu(data_set, 2, (uint8_t)('A' + index), 1000);
        CHECK(begin(spool, pairs[index], (uint64_t)index, P104_PIPELINED, 's') == P104_CARRIED);
        transmit(pairs[index].peer, data_set, length);
        CHECK(settled(spool).kind == P104_RECEIVED);
        if (index == 0)
            while (sem_wait(&reached) < 0)
                ;
    }
    sem_post(&released);
    int stored = 0;
    for (int index = 0; index < ALL; index++) {
        p104_completion one = next_completion(spool);
        CHECK(one.kind == P104_STORED || (one.kind == P104_FAILED && one.error == EIO));
        stored += one.kind == P104_STORED;
    }
    sem_destroy(&reached);
    return stored;
}

/* One syncfs for all data and one for all names (Linux 5.8 and later). */
static void test_one_barrier_for_many(void)
{
    int error;
    for (int fails = 0; fails < 2; fails++) {
        p104_spool *spool = p104_spool_open(root, P104_DURABILITY_SYNC, 1, TAGS, 1, &error);
        pair pairs[5];
        for (int index = 0; index < 5; index++)
            pairs[index] = pair_new();
        pair other = pair_new(); /* on the way meanwhile: its lost bytes may be what a failure reported */
        command(other);
        CHECK(begin(spool, other, 9, 0, 's') == P104_CARRIED);
        CHECK(next_completion(spool).kind == P104_PAUSED);
        int stored = store_in_one_barrier(spool, pairs, fails ? 's' : 0);
        CHECK(strncmp(calls, "d0f1s1", 6) == 0);
        CHECK(fails || (calls[6] == 's' && calls[7] >= '4'));
        watch(other, 0, 0);
        CHECK(stored == (fails ? 1 : 5) && files_in("instances/0f") == stored && files_in("parts") == 1);
        transmit(other.peer, data_set, pdu(data_set, 2, 'o', 1000));
        CHECK(p104_store_resume(spool, 9) == P104_CARRIED);
        CHECK(settled(spool).kind == (fails ? P104_FAILED : P104_STORED));
        pair_free(other);
        for (int index = 1; index < 5; index++) {
            if (fails)
                check_no_answer(pairs[index]);
            else
                check_answer(pairs[index]);
            pair_free(pairs[index]);
        }
        end(spool, pairs[0]);
    }
}

int main(void)
{
    CHECK(mkdtemp(root));
    CHECK(sem_init(&released, 0, 0) == 0);
    test_every_opening_syncs_the_folders();
    test_order();
    test_an_interrupted_sync_is_repeated();
    test_a_failed_sync_of_data();
    test_a_failed_sync_of_names();
    test_one_barrier_for_many();
    CHECK(rmdir(root) == 0);
    printf("test_spool_barriers: 6 cases\n");
    return 0;
}
