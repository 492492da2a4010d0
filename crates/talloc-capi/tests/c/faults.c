// The reactions of a library to faults of C programs.
//
// `faults` runs every case in a child process and prints a line for each: the case, the outcome, and the first line of
// the child's standard error, separated by tabs. `faults CASE` runs one case in this process.
//
// - stopped: the library terminated the process with `abort`
// - crashed: a signal terminated the process
// - hung: the process ran for too long
// - corrupt: the contents of a block have changed, or a block lies outside of the memory for blocks
// - exposed: the program has read the former contents of a block
// - harmless: a call failed, or the program continued without damage

#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef PREFIXED
#include <tall_malloc.h>
#define malloc tall_malloc
#define calloc tall_calloc
#define realloc tall_realloc
#define reallocarray tall_reallocarray
#define free tall_free
#define aligned_alloc tall_aligned_alloc
#define posix_memalign tall_posix_memalign
#define memalign tall_memalign
#define malloc_usable_size tall_usable_size
#define free_sized tall_free_sized
#else
#include <malloc.h>
// Some C libraries do not have it.
extern void free_sized(void *block, size_t size) __attribute__((weak));
#endif

enum { CORRUPT = 3, EXPOSED = 4 };

// The time limits of a case in seconds: the elapsed time, and the processor time.
enum { PATIENCE = 30, WORK = 2 };

// The last size is for faults at the ends of large blocks of whole pages.
enum { SMALL = 24, MEDIUM = 2000, LARGE = 1 << 20, PAGES = 256 << 10 };

static void say(const char *text) {
    if (write(STDERR_FILENO, text, strlen(text)) < 0) _exit(CORRUPT);
}

static void fail(const char *text) {
    say(text);
    _exit(CORRUPT);
}

// Hides the origin of a pointer from the compiler.
static void *opaque(void *pointer) {
    void *volatile known = pointer;
    return known;
}

static size_t opaque_size(size_t size) {
    volatile size_t known = size;
    return known;
}

// The blocks of the program, each filled with one byte.

enum { MOST = 1024 };

static struct held {
    unsigned char *block;
    size_t size;
    unsigned char byte;
} held[MOST];

static int held_count;
static unsigned char next_byte;

static unsigned char *hold_at(unsigned char *block, size_t size) {
    if (block == NULL) fail("no memory\n");
    if (held_count == MOST) fail("too many blocks\n");
    next_byte = next_byte % 251 + 1;
    memset(block, next_byte, size);
    held[held_count++] = (struct held){block, size, next_byte};
    return block;
}

static unsigned char *hold(size_t size) {
    return hold_at(malloc(size), size);
}

static int is_intact(const struct held *one) {
    for (size_t at = 0; at < one->size; at++)
        if (one->block[at] != one->byte) return 0;
    return 1;
}

static void check(const struct held *one) {
    if (!is_intact(one)) fail("a block has changed\n");
}

static void forget(int index) {
    held[index] = held[--held_count];
}

// Removes a block from the list of the program's blocks.
static void *give_up(void *block) {
    for (int index = 0; index < held_count; index++)
        if (held[index].block == block) {
            forget(index);
            return opaque(block);
        }
    fail("no such block\n");
    return NULL;
}

// Frees a block, and returns the stale pointer.
static void *drop(void *block) {
    void *stale = give_up(block);
    free(block);
    return stale;
}

// Continues with blocks of the size of the fault, and of others.
static void go_on(size_t size) {
    uint64_t random = 88172645463325252;
    for (int index = 0; index < 40; index++) hold(size);
    for (int step = 0; step < 3000; step++) {
        random ^= random << 13, random ^= random >> 7, random ^= random << 17;
        if (held_count > 300 || (held_count > 0 && random % 2 == 0)) {
            int index = (int)(random >> 8) % held_count;
            index = index < 0 ? -index : index;
            check(&held[index]);
            free(held[index].block);
            forget(index);
        } else {
            hold(random % 4 == 1 ? size : (random >> 16) % 3000);
        }
    }
    while (held_count > 0) {
        check(&held[0]);
        free(held[0].block);
        forget(0);
    }
}

// Runs a function in another thread, and waits for it.
static void in_thread(void *(*run)(void *), void *argument) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, run, argument) != 0) fail("no thread\n");
    pthread_join(thread, NULL);
}

static void *free_it(void *block) {
    free(block);
    return NULL;
}

// Allocates some blocks to surround the others.
static void crowd(size_t size) {
    for (int index = 0; index < 10; index++) hold(size);
}

// Double frees.

static void double_free(size_t size) {
    crowd(size);
    free(drop(hold(size)));
}

static void double_free_after_another(size_t size) {
    unsigned char *first = hold(size), *second = hold(size);
    void *stale = drop(first);
    drop(second);
    free(stale);
}

static void double_free_after_many(size_t size) {
    unsigned char *block = hold(size);
    for (int index = 0; index < 40; index++) hold(size);
    void *stale = drop(block);
    while (held_count > 0) drop(held[0].block);
    free(stale);
}

static void double_free_after_reuse(size_t size) {
    crowd(size);
    void *stale = drop(hold(size));
    hold(size);
    free(stale);
}

static void double_free_after_split(size_t size) {
    crowd(size);
    void *stale = drop(hold(size));
    for (int index = 0; index < 8; index++) hold(size / 2);
    free(stale);
}

static void double_free_in_thread(size_t size) {
    crowd(size);
    in_thread(free_it, drop(hold(size)));
}

static void double_free_by_threads(size_t size) {
    crowd(size);
    void *stale = give_up(hold(size));
    in_thread(free_it, stale);
    in_thread(free_it, stale);
}

static void double_free_at_once_by_threads(size_t size) {
    crowd(size);
    void *stale = give_up(hold(size));
    pthread_t threads[2];
    for (int index = 0; index < 2; index++)
        if (pthread_create(&threads[index], NULL, free_it, stale) != 0) fail("no thread\n");
    for (int index = 0; index < 2; index++) pthread_join(threads[index], NULL);
}

static void double_free_by_realloc(size_t size) {
    unsigned char *block = hold(size);
    crowd(size);
    void *stale = give_up(block);
    unsigned char *moved = realloc(block, 100 * size);
    if (moved == NULL || moved == stale) _exit(0);
    hold_at(moved, 100 * size);
    free(stale);
}

static void free_after_realloc_to_nothing(size_t size) {
    crowd(size);
    void *stale = give_up(hold(size));
    if (realloc(opaque(stale), 0) != NULL) _exit(0);
    free(stale);
}

// Frees of addresses that are not blocks.

static _Alignas(64) unsigned char fixed[4096];

static void free_stack(size_t size) {
    _Alignas(64) unsigned char local[4096];
    memset(local, 1, sizeof local);
    crowd(size);
    free(opaque(local + 64));
    go_on(size);
}

static void free_static(size_t size) {
    crowd(size);
    free(opaque(fixed + 64));
}

static void free_function(size_t size) {
    crowd(size);
    free(opaque((void *)(uintptr_t)&free_function));
}

static void free_page(size_t size) {
    crowd(size);
    char *pages = mmap(NULL, 1 << 16, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED) fail("no pages\n");
    free(opaque(pages + 4096));
}

static void free_nowhere(size_t size) {
    crowd(size);
    free(opaque((void *)0x5eadbeef0000));
}

static void free_one(size_t size) {
    crowd(size);
    free(opaque((void *)1));
}

static void free_interior_16(size_t size) {
    crowd(size);
    free(opaque(hold(size) + 16));
}

static void free_interior_8(size_t size) {
    crowd(size);
    free(opaque(hold(size) + 8));
}

static void free_unaligned(size_t size) {
    crowd(size);
    free(opaque(hold(size) + 1));
}

static void free_below(size_t size) {
    crowd(size);
    free(opaque(hold(size) - 16));
}

static void free_forged(size_t size) {
    crowd(size);
    // A fake block within a block, with data that resembles a header.
    uint64_t *block = (uint64_t *)hold_at(malloc(256), 0);
    for (int index = 0; index < 32; index++) block[index] = 0x41;
    free(opaque(block + 4));
}

// Writes beyond the ends of blocks.

enum end { OWN, NEIGHBOUR, NONE };

// Finds two adjacent blocks among some, if there are any.
static void neighbours(size_t size, unsigned char **lower, unsigned char **upper) {
    crowd(size);
    *lower = held[0].block;
    *upper = held[1].block;
    for (int low = 0; low < held_count; low++)
        for (int high = 0; high < held_count; high++) {
            uintptr_t from = (uintptr_t)held[low].block, to = (uintptr_t)held[high].block;
            uintptr_t least = (uintptr_t)*upper - (uintptr_t)*lower;
            if (to > from && (*upper < *lower || to - from < least)) {
                *lower = held[low].block;
                *upper = held[high].block;
            }
        }
}

static void beyond(size_t size, size_t bytes, int is_above, enum end end) {
    unsigned char *lower, *upper;
    neighbours(size, &lower, &upper);
    unsigned char *start = is_above ? lower + size : upper - bytes;
    memset(opaque(start), 'A', bytes);
    unsigned char *own = is_above ? lower : upper, *other = is_above ? upper : lower;
    int is_harmless = 1;
    for (int index = 0; index < held_count; index++) is_harmless &= is_intact(&held[index]);
    if (end == OWN) drop(own);
    if (end == NEIGHBOUR) drop(other);
    hold(size);
    go_on(size);
    if (!is_harmless) fail("a block had changed\n");
}

#define BEYOND(bytes)                                                                                                 \
    static void over_##bytes##_own(size_t size) { beyond(size, bytes, 1, OWN); }                                      \
    static void over_##bytes##_neighbour(size_t size) { beyond(size, bytes, 1, NEIGHBOUR); }                          \
    static void over_##bytes##_malloc(size_t size) { beyond(size, bytes, 1, NONE); }                                  \
    static void under_##bytes##_own(size_t size) { beyond(size, bytes, 0, OWN); }                                     \
    static void under_##bytes##_neighbour(size_t size) { beyond(size, bytes, 0, NEIGHBOUR); }

BEYOND(1)
BEYOND(8)
BEYOND(16)
BEYOND(64)

// Writes beyond the end of a block into a free chunk.
static void over_free(size_t size, uint64_t word) {
    unsigned char *lower, *upper;
    neighbours(size, &lower, &upper);
    drop(upper);
    for (uint64_t *at = opaque(lower + size), *end = at + 4; at < end; at++) *at = word;
    drop(lower);
}

static void over_free_with_text(size_t size) { over_free(size, 0x4141414141414141); }
static void over_free_with_zeros(size_t size) { over_free(size, 0); }
static void over_free_with_addresses(size_t size) { over_free(size, (uintptr_t)fixed + 64); }

// Accesses at the ends of a large block of whole pages.

static volatile unsigned char *pages_of(size_t size) {
    crowd(size);
    return opaque(hold(size));
}

static void write_above(size_t size) { pages_of(size)[size] = 'A'; }
static void write_below(size_t size) { pages_of(size)[-1] = 'A'; }
static void read_above(size_t size) { (void)pages_of(size)[size]; }
static void read_below(size_t size) { (void)pages_of(size)[-1]; }

static void write_stale(size_t size) {
    crowd(size);
    volatile unsigned char *stale = drop(hold(size));
    hold(size);
    stale[size / 2] = 'A';
}

static void read_stale(size_t size) {
    crowd(size);
    volatile unsigned char *stale = drop(hold(size));
    hold(size);
    (void)stale[size / 2];
}

// Changes the size of a block where some libraries store it.
static void size_grown(size_t size) {
    crowd(size);
    uint64_t *block = opaque(hold(size));
    block[-1] = 0x1001;
    drop(block);
}

static void size_shrunk(size_t size) {
    crowd(size);
    uint64_t *block = opaque(hold(size));
    block[-1] = 0x21;
    drop(block);
}

// Writes to freed blocks.

static void write_first_8(size_t size) {
    crowd(size);
    memset(drop(hold(size)), 'A', 8);
}

static void write_second_8(size_t size) {
    crowd(size);
    memset((char *)drop(hold(size)) + 8, 'A', 8);
}

static void write_all(size_t size) {
    crowd(size);
    memset(drop(hold(size)), 'A', size);
}

static void *write_it(void *block) {
    memset(block, 'A', 16);
    return NULL;
}

static void write_in_thread(size_t size) {
    crowd(size);
    in_thread(write_it, drop(hold(size)));
}

// Links a freed block to memory that is not a block, and checks whether that memory is allocated.
static void link_to(size_t size, void *target) {
    unsigned char *blocks[10];
    for (int index = 0; index < 10; index++) blocks[index] = hold(size);
    crowd(size);
    for (int index = 0; index < 9; index++) drop(blocks[index]);
    *(void **)drop(blocks[9]) = target;
    for (int index = 0; index < 30; index++) {
        unsigned char *block = malloc(size);
        if (block >= (unsigned char *)target - 64 && block < (unsigned char *)target + 64)
            fail("a block is where the program said\n");
        hold_at(block, size);
    }
}

static void link_to_static(size_t size) {
    link_to(size, fixed + 64);
}

static void link_to_stack(size_t size) {
    _Alignas(64) unsigned char local[4096];
    memset(local, 0, sizeof local);
    link_to(size, local + 64);
    go_on(size);
}

static void link_to_block(size_t size) {
    link_to(size, hold(size));
}

static void link_to_itself(size_t size) {
    crowd(size);
    void **stale = drop(hold(size));
    *stale = stale;
    hold(size), hold(size), hold(size);
}

// Reallocations of addresses that are not blocks.

static void realloc_freed(size_t size) {
    crowd(size);
    void *moved = realloc(drop(hold(size)), 3 * size);
    if (moved != NULL) hold_at(moved, 3 * size);
}

static void realloc_interior(size_t size) {
    crowd(size);
    void *moved = realloc(opaque(hold(size) + 16), 3 * size);
    if (moved != NULL) hold_at(moved, 3 * size);
}

static void realloc_unaligned(size_t size) {
    crowd(size);
    void *moved = realloc(opaque(hold(size) + 1), 3 * size);
    if (moved != NULL) hold_at(moved, 3 * size);
}

static void realloc_static(size_t size) {
    crowd(size);
    void *moved = realloc(opaque(fixed + 64), 3 * size);
    if (moved != NULL) hold_at(moved, 3 * size);
}

// Without this function in the C library, there is no fault.
static void free_with(size_t size, size_t wrong) {
    crowd(size);
    void *block = hold(size);
#ifndef PREFIXED
    if (free_sized == NULL) return;
#endif
    free_sized(give_up(block), opaque_size(wrong));
}

static void free_with_larger(size_t size) {
    free_with(size, 3 * size);
}

static void free_with_smaller(size_t size) {
    free_with(size, size / 3);
}

static void realloc_in_thread_freed(size_t size) {
    crowd(size);
    void *stale = give_up(hold(size));
    in_thread(free_it, stale);
    void *moved = realloc(stale, 3 * size);
    if (moved != NULL) hold_at(moved, 3 * size);
}

// Requests that must fail.

static void refused(void *block) {
    if (opaque(block) != NULL) fail("it was not refused\n");
    if (errno != ENOMEM && errno != EINVAL) fail("no error is told\n");
}

static void calloc_overflow(size_t size) {
    crowd(size);
    refused(calloc(opaque_size(SIZE_MAX / 2 + 2), 2));
    refused(calloc(opaque_size((size_t)1 << 33), (size_t)1 << 33));
}

static void reallocarray_overflow(size_t size) {
    crowd(size);
    refused(reallocarray(held[0].block, opaque_size(SIZE_MAX / 2 + 2), 2));
    refused(reallocarray(NULL, opaque_size((size_t)1 << 33), (size_t)1 << 33));
}

static void huge_sizes(size_t size) {
    crowd(size);
    for (size_t less = 0; less < 100; less++) {
        refused(malloc(opaque_size(SIZE_MAX - less)));
        refused(malloc(opaque_size(PTRDIFF_MAX - less)));
        refused(realloc(held[0].block, opaque_size(SIZE_MAX - less)));
        refused(memalign(4096, opaque_size(SIZE_MAX - less)));
    }
}

static void bad_alignments(size_t size) {
    crowd(size);
    void *block = NULL;
    const size_t alignments[] = {0, 1, 3, 24, 4097, SIZE_MAX};
    for (int index = 0; index < 6; index++)
        if (posix_memalign(&block, opaque_size(alignments[index]), size) != EINVAL)
            fail("it was not refused\n");
    refused(memalign(opaque_size(SIZE_MAX / 2 + 2), size));
    refused(aligned_alloc(opaque_size(SIZE_MAX / 2 + 1), size));
}

// Sizes of addresses that are not blocks.

static void measure(void *block) {
    volatile size_t usable = malloc_usable_size(block);
    (void)usable;
}

static void measure_freed(size_t size) {
    crowd(size);
    measure(drop(hold(size)));
}

static void measure_interior(size_t size) {
    crowd(size);
    measure(opaque(hold(size) + 8));
}

static void measure_static(size_t size) {
    crowd(size);
    measure(opaque(fixed + 64));
}

static void measure_null(size_t size) {
    crowd(size);
    if (malloc_usable_size(opaque(NULL)) != 0) fail("null has a size\n");
}

// Reads of memory that the program does not own.

static int count(const unsigned char *bytes, size_t size, unsigned char byte) {
    int equal = 0;
    for (size_t at = 0; at < size; at++) equal += bytes[at] == byte;
    return equal;
}

static void read_freed(size_t size) {
    crowd(size);
    unsigned char *block = hold(size);
    unsigned char byte = *block;
    if (count(drop(block), size, byte) > (int)size / 4) _exit(EXPOSED);
}

static void read_new(size_t size) {
    crowd(size);
    unsigned char *block = hold(size);
    unsigned char byte = *block;
    drop(block);
    for (int index = 0; index < 10; index++) {
        unsigned char *new = malloc(size);
        if (count(opaque(new), size, byte) > (int)size / 4) _exit(EXPOSED);
        hold_at(new, size);
    }
}

// Blocks of size zero.

static unsigned char *empty(size_t size) {
    crowd(size);
    unsigned char *block = malloc(opaque_size(0));
    if (block == NULL) fail("no memory\n");
    return opaque(block);
}

static unsigned char *freed_empty(size_t size) {
    unsigned char *block = empty(size);
    free(block);
    return opaque(block);
}

static void read_byte(const volatile unsigned char *byte) {
    (void)*byte;
}

static void write_byte(volatile unsigned char *byte) {
    *byte = 'A';
}

static void read_empty(size_t size) { read_byte(empty(size)); }
static void write_empty(size_t size) { write_byte(empty(size)); }
static void read_freed_empty(size_t size) { read_byte(freed_empty(size)); }
static void write_freed_empty(size_t size) { write_byte(freed_empty(size)); }
static void double_free_empty(size_t size) { free(freed_empty(size)); }
static void free_interior_empty(size_t size) { free(opaque(empty(size) + 8)); }

static void realloc_freed_empty(size_t size) {
    void *moved = realloc(freed_empty(size), size);
    if (moved != NULL) hold_at(moved, size);
}

#define SIZES(name, run) {name ", small", run, SMALL}, {name ", medium", run, MEDIUM}, {name ", large", run, LARGE}

#define ENDS(bytes)                                                                                                   \
    {"overflow by " #bytes ", free", over_##bytes##_own, SMALL},                                                      \
        {"overflow by " #bytes ", free the neighbour", over_##bytes##_neighbour, SMALL},                              \
        {"overflow by " #bytes ", allocate", over_##bytes##_malloc, SMALL},                                           \
        {"overflow by " #bytes " of a medium block, free", over_##bytes##_own, MEDIUM},                               \
        {"underflow by " #bytes ", free", under_##bytes##_own, SMALL},                                                \
        {"underflow by " #bytes ", free the neighbour", under_##bytes##_neighbour, SMALL},                            \
        {"underflow by " #bytes " of a medium block, free", under_##bytes##_own, MEDIUM}

static const struct test {
    const char *name;
    void (*run)(size_t);
    size_t size;
} tests[] = {
    {"no fault", crowd, SMALL},
    SIZES("double free", double_free),
    SIZES("double free after another", double_free_after_another),
    SIZES("double free after many", double_free_after_many),
    SIZES("double free after reuse", double_free_after_reuse),
    SIZES("double free after reuse by halves", double_free_after_split),
    SIZES("double free in another thread", double_free_in_thread),
    SIZES("double free by two threads", double_free_by_threads),
    {"double free by two threads at once", double_free_at_once_by_threads, SMALL},
    {"free after realloc", double_free_by_realloc, SMALL},
    {"free after realloc to nothing", free_after_realloc_to_nothing, SMALL},
    {"free the stack", free_stack, SMALL},
    {"free a static", free_static, SMALL},
    {"free a function", free_function, SMALL},
    {"free a page", free_page, SMALL},
    {"free what is not mapped", free_nowhere, SMALL},
    {"free address 1", free_one, SMALL},
    {"free byte 16 of a block", free_interior_16, MEDIUM},
    {"free byte 8 of a block", free_interior_8, MEDIUM},
    {"free byte 1 of a block", free_unaligned, MEDIUM},
    {"free byte 16 of a large block", free_interior_16, LARGE},
    {"free below a block", free_below, SMALL},
    {"free a forged block", free_forged, SMALL},
    SIZES("free with a larger size", free_with_larger),
    SIZES("free with a smaller size", free_with_smaller),
    ENDS(1),
    ENDS(8),
    ENDS(16),
    ENDS(64),
    {"overflow into a free block, text", over_free_with_text, SMALL},
    {"overflow into a free block, zeros", over_free_with_zeros, SMALL},
    {"overflow into a free block, addresses", over_free_with_addresses, SMALL},
    {"overflow into a free medium block, text", over_free_with_text, MEDIUM},
    {"overflow into a free medium block, zeros", over_free_with_zeros, MEDIUM},
    {"overflow into a free medium block, addresses", over_free_with_addresses, MEDIUM},
    {"pages: write the byte above", write_above, PAGES},
    {"pages: write the byte below", write_below, PAGES},
    {"pages: read the byte above", read_above, PAGES},
    {"pages: read the byte below", read_below, PAGES},
    {"pages: write a freed block", write_stale, PAGES},
    {"pages: read a freed block", read_stale, PAGES},
    {"a header with a larger size", size_grown, SMALL},
    {"a header with a smaller size", size_shrunk, MEDIUM},
    SIZES("write the first 8 bytes of a freed block", write_first_8),
    SIZES("write the second 8 bytes of a freed block", write_second_8),
    SIZES("write all of a freed block", write_all),
    {"write a freed block in another thread", write_in_thread, SMALL},
    {"link a freed block to a static", link_to_static, SMALL},
    {"link a freed block to the stack", link_to_stack, SMALL},
    {"link a freed block to a live one", link_to_block, SMALL},
    {"link a freed block to itself", link_to_itself, SMALL},
    {"link a freed medium block to a static", link_to_static, MEDIUM},
    SIZES("realloc of a freed block", realloc_freed),
    {"realloc of a block freed by another thread", realloc_in_thread_freed, SMALL},
    {"realloc of byte 16 of a block", realloc_interior, MEDIUM},
    {"realloc of byte 1 of a block", realloc_unaligned, MEDIUM},
    {"realloc of a static", realloc_static, SMALL},
    {"calloc overflow", calloc_overflow, SMALL},
    {"reallocarray overflow", reallocarray_overflow, SMALL},
    {"huge sizes", huge_sizes, SMALL},
    {"bad alignments", bad_alignments, SMALL},
    {"size of a freed block", measure_freed, SMALL},
    {"size of byte 8 of a block", measure_interior, MEDIUM},
    {"size of a static", measure_static, SMALL},
    {"size of null", measure_null, SMALL},
    SIZES("read a freed block", read_freed),
    SIZES("read a new block", read_new),
    {"read a block of size zero", read_empty, SMALL},
    {"write a block of size zero", write_empty, SMALL},
    {"read a freed block of size zero", read_freed_empty, SMALL},
    {"write a freed block of size zero", write_freed_empty, SMALL},
    {"double free of a block of size zero", double_free_empty, SMALL},
    {"free byte 8 of a block of size zero", free_interior_empty, SMALL},
    {"realloc of a freed block of size zero", realloc_freed_empty, SMALL},
};

enum { TESTS = sizeof tests / sizeof *tests };

// Checking large blocks takes long.
static void run(const struct test *test) {
    const struct itimerval timer = {{0, 0}, {WORK, 0}};
    setitimer(ITIMER_VIRTUAL, &timer, NULL);
    alarm(PATIENCE);
    test->run(test->size);
    if (test->size < PAGES) {
        go_on(test->size);
    } else {
        for (int index = 0; index < 20; index++) hold(test->size);
        for (int index = 0; index < held_count; index++) check(&held[index]);
        while (held_count > 0) drop(held[0].block);
        go_on(MEDIUM);
    }
}

static const char *outcome(int status) {
    if (WIFSIGNALED(status)) {
        switch (WTERMSIG(status)) {
        case SIGABRT:
            return "stopped";
        case SIGALRM:
        case SIGVTALRM:
            return "hung";
        default:
            return "crashed";
        }
    }
    switch (WEXITSTATUS(status)) {
    case 0:
        return "harmless";
    case EXPOSED:
        return "exposed";
    default:
        return "corrupt";
    }
}

// Runs a case in a child process, and prints the outcome.
static void try_out(const struct test *test) {
    int ends[2];
    if (pipe(ends) != 0) exit(1);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        const struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        close(ends[0]);
        dup2(ends[1], STDERR_FILENO);
        run(test);
        _exit(0);
    }
    close(ends[1]);
    char text[512];
    size_t length = 0;
    ssize_t bytes;
    char more[512];
    while ((bytes = read(ends[0], more, sizeof more)) > 0)
        for (ssize_t at = 0; at < bytes && length < sizeof text - 1; at++) text[length++] = more[at];
    close(ends[0]);
    text[length] = '\0';
    text[strcspn(text, "\n\t")] = '\0';
    int status;
    if (waitpid(child, &status, 0) != child) exit(1);
    printf("%s\t%s\t%s\n", test->name, outcome(status), text);
}

int main(int count, char **arguments) {
    static char buffer[4096];
    setvbuf(stdout, buffer, _IOLBF, sizeof buffer);
    // Makes the C library print its messages to standard error.
    setenv("LIBC_FATAL_STDERR_", "1", 1);
    for (int index = 0; index < TESTS; index++) {
        if (count < 2)
            try_out(&tests[index]);
        else if (strcmp(arguments[1], tests[index].name) == 0)
            run(&tests[index]);
    }
    return 0;
}
