/* Forks: with `fork signal`, in a signal handler that interrupts the library; with `fork handlers`, with fork handlers
   that allocate while other threads allocate, too. */
#define _DEFAULT_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tall_malloc.h"

enum { FORKS = 300, THREADS = 3, PATIENCE_S = 30 };

static atomic_int forks, failures, is_over, handled;

/* Allocates and frees blocks of many sizes. */
static void allocate(unsigned seed, int rounds) {
    void *blocks[64] = {0};
    for (int i = 0; i < rounds; i++) {
        seed = seed * 1664525 + 1013904223;
        void **place = &blocks[seed >> 8 & 63];
        size_t size = 16 + (seed >> 16) % ((seed & 0x10000000) ? 500 : 60000);
        tall_free(*place);
        *place = (seed & 0x400) ? tall_malloc(size) : tall_aligned_alloc(64, size);
        if (*place == NULL) failures++;
    }
    for (int i = 0; i < 64; i++) tall_free(blocks[i]);
}

/* Forks, and expects the child to succeed. */
static void fork_once(int allocates) {
    pid_t child = fork();
    if (child == 0) {
        alarm(PATIENCE_S);
        if (allocates) allocate(1, 1000);
        _exit(failures ? 1 : 0);
    }
    int status = 1;
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0) failures++;
    forks++;
}

/* The interrupted function may not be called again, so the child does not allocate. */
static void on_signal(int number) {
    (void)number;
    fork_once(0);
}

static void in_handler(void) {
    void *block = tall_malloc(100);
    if (block == NULL) failures++;
    tall_free(block);
    handled++;
}

static void *work(void *argument) {
    while (!is_over) allocate((unsigned)(size_t)argument, 500);
    return NULL;
}

int main(int count, char **arguments) {
    if (count != 2) return 2;
    if (strcmp(arguments[1], "signal") == 0) {
        struct sigaction action = {.sa_handler = on_signal};
        struct itimerval often = {{0, 1000}, {0, 1000}};
        if (sigaction(SIGALRM, &action, NULL) != 0) return 4;
        if (setitimer(ITIMER_REAL, &often, NULL) != 0) return 5;
        for (unsigned seed = 0; forks < FORKS; seed++) allocate(seed, 1000);
    } else {
        /* The handlers are installed before the first allocation. */
        if (pthread_atfork(in_handler, in_handler, in_handler) != 0) return 6;
        pthread_t threads[THREADS];
        for (size_t i = 0; i < THREADS; i++) {
            if (pthread_create(&threads[i], NULL, work, (void *)i) != 0) return 7;
        }
        while (forks < FORKS) fork_once(1);
        is_over = 1;
        for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
        if (handled != 2 * FORKS) return 8;
    }
    if (failures != 0) return 9;
    puts("forked");
    return 0;
}
