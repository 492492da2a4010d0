/* Loads a plugin that allocates, and unloads it before the thread that has used it ends. Then loads and unloads it more
   often than there are thread-specific keys. */
#define _DEFAULT_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RELOADS = 1100, KEYS_LEFT = 1000 };

static const char *path;
static pthread_barrier_t barrier;

/* Loads the plugin and uses it. */
static void *load(void) {
    void *plugin = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (plugin == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        exit(10);
    }
    int (*work)(void);
    void *symbol = dlsym(plugin, "work");
    memcpy(&work, &symbol, sizeof work);
    if (work() != 0) exit(11);
    return plugin;
}

static void *use(void *argument) {
    (void)argument;
    void *plugin = load();
    pthread_barrier_wait(&barrier);
    /* The main thread unloads the plugin here. */
    pthread_barrier_wait(&barrier);
    return plugin;
}

/* Returns the size of the address space in pages. */
static long pages(void) {
    long all;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL || fscanf(file, "%ld", &all) != 1) exit(12);
    fclose(file);
    return all;
}

int main(int count, char **arguments) {
    if (count != 2) return 2;
    path = arguments[1];
    pthread_t thread;
    void *plugin = NULL;
    if (pthread_barrier_init(&barrier, NULL, 2) != 0) return 3;
    if (pthread_create(&thread, NULL, use, NULL) != 0) return 4;
    pthread_barrier_wait(&barrier);
    if ((plugin = dlopen(path, RTLD_NOW)) == NULL || dlclose(plugin) != 0 || dlclose(plugin) != 0) return 5;
    pthread_barrier_wait(&barrier);
    if (pthread_join(thread, &plugin) != 0 || plugin == NULL) return 6;

    dlclose(load());
    long before = pages();
    for (int i = 0; i < RELOADS; i++) dlclose(load());
    if (pages() > before + 1000) return 7;
    pthread_key_t key;
    int keys = 0;
    while (pthread_key_create(&key, NULL) == 0) keys++;
    if (keys < KEYS_LEFT) return 8;
    puts("ended");
    return 0;
}
