/* Loads the library, allocates in a thread, and unloads the library before the thread ends. */
#include <dlfcn.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>

static const char *path;

static void *allocate(void *argument) {
    (void)argument;
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) return NULL;
    void *(*allocate)(size_t) = (void *(*)(size_t))dlsym(library, "tall_malloc");
    void (*release)(void *) = (void (*)(void *))dlsym(library, "tall_free");
    void *block = allocate(100);
    release(block);
    dlclose(library);
    return block;
}

int main(int count, char **arguments) {
    if (count != 2) return 2;
    path = arguments[1];
    pthread_t thread;
    void *block = NULL;
    if (pthread_create(&thread, NULL, allocate, NULL) != 0) return 3;
    pthread_join(thread, &block);
    if (block == NULL) return 4;
    puts("ended");
    return 0;
}
