/*
 * The talloc allocator.
 *
 * Each function does what the C standard, POSIX or the GNU C library specify for the function of the
 * same name without `tall_`. A block must be freed by `tall_free`, never by `free`, and `tall_free` must
 * not be given a block of `malloc`. All functions may be called by any thread, but not by a signal
 * handler.
 *
 * No name in this header starts with `talloc_`: that is the prefix of another library, Samba's talloc.
 * Programs may use both.
 *
 * A library that was built with the feature `override` has the functions under the C library's names,
 * which need no header but the C library's.
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
 * Allocates a block of `size` bytes, aligned to 16 bytes. A size of zero is valid: the block is
 * distinct from all others, and must be freed. In a library that was built with the feature `checked`,
 * a read or write of that block ends the program. Returns NULL if there is not enough memory, and sets
 * `errno` to ENOMEM.
 */
void *tall_malloc(size_t size) TALL_ATTRIBUTES(malloc, alloc_size(1));

/*
 * Allocates an array of `count` elements of `size` bytes, filled with zeros. Fails like `tall_malloc`,
 * also if the product overflows.
 */
void *tall_calloc(size_t count, size_t size) TALL_ATTRIBUTES(malloc, alloc_size(1, 2));

/*
 * Changes the size of a block, and moves it if necessary. Keeps the contents, up to the smaller size.
 * With NULL, acts as `tall_malloc`; with a size of zero, frees the block and returns NULL. If it fails,
 * like `tall_malloc`, the block is unchanged. The new block is aligned to 16 bytes, whatever the
 * alignment of the old one.
 */
void *tall_realloc(void *ptr, size_t size) TALL_ATTRIBUTES(warn_unused_result, alloc_size(2));

/* `tall_realloc` to `count` elements of `size` bytes. Fails if the product overflows. */
void *tall_reallocarray(void *ptr, size_t count, size_t size)
    TALL_ATTRIBUTES(warn_unused_result, alloc_size(2, 3));

/* Frees a block. Ignores NULL. On Linux, preserves `errno`. */
void tall_free(void *ptr);

/* `tall_free`, with the size, or the alignment and the size, that the block was allocated with. */
void tall_free_sized(void *ptr, size_t size);
void tall_free_aligned_sized(void *ptr, size_t align, size_t size);

/*
 * Allocates a block aligned to `align`, a power of two. Fails like `tall_malloc`, and with EINVAL if
 * `align` is not a power of two.
 */
void *tall_aligned_alloc(size_t align, size_t size) TALL_ATTRIBUTES(malloc, alloc_size(2));

/* The same, but rounds `align` up to a power of two. */
void *tall_memalign(size_t align, size_t size) TALL_ATTRIBUTES(malloc, alloc_size(2));

/*
 * Allocates a block aligned to `align`, a power of two and a multiple of sizeof(void *), and stores its
 * address in `*place`. Returns zero, EINVAL for another alignment, or ENOMEM. On failure, `*place` is
 * unchanged. `errno` is always preserved.
 */
int tall_posix_memalign(void **place, size_t align, size_t size)
    TALL_ATTRIBUTES(warn_unused_result);

/* Allocates a block aligned to a page. */
void *tall_valloc(size_t size) TALL_ATTRIBUTES(malloc, alloc_size(1));

/* Allocates whole pages, at least one. */
void *tall_pvalloc(size_t size) TALL_ATTRIBUTES(malloc);

/* The number of usable bytes in a block, at least its size. Zero for NULL. */
size_t tall_usable_size(void *ptr);

/* Returns unused memory to the system. Ignores `keep`. Returns 1. */
int tall_trim(size_t keep);

/*
 * Checks the whole heap, and writes its statistics, or the error found, to an open file descriptor.
 * Returns zero if the heap is consistent and the text could be written, else -1. Takes time in
 * proportion to the number of blocks, during which other threads may have to wait.
 */
int tall_report(int file);

/*
 * Statistics, by the meaning that the GNU C library gives them. Free blocks that are kept for requests of
 * the same size are its fast bins.
 */
struct tall_mallinfo2 {
    size_t arena;    /* Bytes of the arenas, and of the extents of aligned blocks. */
    size_t ordblks;  /* Free pieces that can become blocks of any size. */
    size_t smblks;   /* Free blocks that are kept for requests of the same size. */
    size_t hblks;    /* Blocks that are mapped individually. */
    size_t hblkhd;   /* Bytes of these. */
    size_t usmblks;  /* Zero. */
    size_t fsmblks;  /* Bytes of the free blocks that are kept. */
    size_t uordblks; /* Bytes in allocated blocks, except those that are mapped. */
    size_t fordblks; /* Free bytes. */
    size_t keepcost; /* Free bytes at the end of the arenas. */
};

/*
 * The statistics of the heaps of all threads. Takes time in proportion to the number of free pieces. Where
 * the system has no `membarrier`, heaps of other living threads are not counted.
 */
struct tall_mallinfo2 tall_mallinfo2(void);

/*
 * Writes statistics to `stream`, a FILE, in the XML of `malloc_info`. Returns zero, EINVAL if `options` is
 * not zero, or -1 with `errno` set.
 */
int tall_malloc_info(int options, void *stream);

/* Writes statistics to the standard error, in the format of `malloc_stats`. */
void tall_malloc_stats(void);

#undef TALL_ATTRIBUTES

#ifdef __cplusplus
}
#endif

#endif
