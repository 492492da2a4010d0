/*
 * The talloc allocator.
 *
 * These functions do what the C standard, POSIX and the GNU C library say of those without `tall_`
 * in front. Blocks of theirs are freed by them, and blocks of `malloc` are not. All may be called by
 * any thread, but by no signal handler.
 *
 * A library that was built with the feature `override` has them under the names without `tall_`
 * (and `malloc_usable_size`, `malloc_trim`), which need no header but those of the C library; with
 * `prefixed`, which is the default, it has them as they are here.
 */
#ifndef TALL_MALLOC_H
#define TALL_MALLOC_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__) || defined(__clang__)
#define TALL_ATTRIBUTES(...) __attribute__((__VA_ARGS__))
#else
#define TALL_ATTRIBUTES(...)
#endif

/*
 * Allocates a block of `size` bytes, aligned to 16 bytes. One of no bytes is one of its own, too.
 * Returns NULL if there is not enough memory, and sets `errno` to ENOMEM.
 */
void *tall_malloc(size_t size) TALL_ATTRIBUTES(malloc, alloc_size(1));

/*
 * Allocates an array of `count` times `size` bytes, all zeros. Fails as `tall_malloc` does, and if
 * there cannot be so many bytes.
 */
void *tall_calloc(size_t count, size_t size) TALL_ATTRIBUTES(malloc, alloc_size(1, 2));

/*
 * Changes the size of a block, if need be by moving it. What is in it stays, as far as there is room.
 * NULL makes this `tall_malloc`; a size of zero frees the block, and returns NULL. Fails as
 * `tall_malloc` does; the block is as it was then.
 */
void *tall_realloc(void *ptr, size_t size) TALL_ATTRIBUTES(warn_unused_result, alloc_size(2));

/* `tall_realloc` to `count` times `size` bytes. Fails if there cannot be so many. */
void *tall_reallocarray(void *ptr, size_t count, size_t size)
    TALL_ATTRIBUTES(warn_unused_result, alloc_size(2, 3));

/* Frees a block; NULL is none. On Linux, `errno` stays as it is. */
void tall_free(void *ptr);

/* `tall_free` for those who know the block's size, or its alignment, too. */
void tall_free_sized(void *ptr, size_t size);
void tall_free_aligned_sized(void *ptr, size_t align, size_t size);

/*
 * Allocates a block that is aligned to `align`, a power of two. Fails as `tall_malloc` does, and with
 * EINVAL for another alignment.
 */
void *tall_aligned_alloc(size_t align, size_t size) TALL_ATTRIBUTES(malloc, alloc_size(2));

/* The same, aligned to the next power of two, if `align` is none. */
void *tall_memalign(size_t align, size_t size) TALL_ATTRIBUTES(malloc, alloc_size(2));

/*
 * Allocates a block that is aligned to `align`, a power of two and a multiple of sizeof(void *), and
 * writes its address to `place`. Returns zero, EINVAL for another alignment, or ENOMEM. Then nothing
 * is written, and `errno` stays as it is.
 */
int tall_posix_memalign(void **place, size_t align, size_t size)
    TALL_ATTRIBUTES(warn_unused_result);

/* Allocates a block that is aligned to a page. */
void *tall_valloc(size_t size) TALL_ATTRIBUTES(malloc, alloc_size(1));

/* Allocates whole pages. */
void *tall_pvalloc(size_t size) TALL_ATTRIBUTES(malloc);

/* How many bytes of a block can be used: as many as were asked for, or more. Of NULL, none. */
size_t tall_usable_size(void *ptr);

/* Gives the system back what is not needed; `keep` does not matter. Returns 1. */
int tall_trim(size_t keep);

/*
 * Checks the whole heap, and writes to an open file what is in it, or what is broken. Returns zero if
 * the heap is whole and this could be written, else -1. Takes time in proportion to all blocks, while
 * other threads wait.
 */
int tall_report(int file);

#undef TALL_ATTRIBUTES

#ifdef __cplusplus
}
#endif

#endif
