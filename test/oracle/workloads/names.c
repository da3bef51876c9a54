// Thread and process names that are hard to read out of text: spaces, dashes, parentheses, numbers, colons, slashes, UTF-8, one letter.
//
//   names ROUNDS
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const names[] = {
    "V8 Worker Thr",   "kworker/0:1-ev", "(sd-pam)",      "a-b_c.d",    "tmux: server", "x",         "java thread-1",
    "pool 7 thread 3", "12 34 56",       "[bracketed]",   "caf\xc3\xa9", "semi;colon",   "quo\"te's", "arrow->tip",
    "Chrome_~dThr#2",  "a  two spaces",  "ends in 42",    "#hash",      "eq=u,al",      "1",         "99/100",
};
enum { NAMES = sizeof names / sizeof names[0], PAGE = 4096, PAGES = 32 };

static int rounds;

__attribute__((noinline)) static void fault(void) {
  char *memory = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) abort();
  for (int i = 0; i < PAGES; i++) memory[i * PAGE] = 1;
  munmap(memory, PAGES * PAGE);
}

__attribute__((noinline)) static void *named(void *name) {
  prctl(PR_SET_NAME, name, 0, 0, 0);
  for (int i = 0; i < rounds; i++) fault();
  return NULL;
}

int main(int argc, char **argv) {
  rounds = argc > 1 ? atoi(argv[1]) : 10;
  pthread_t threads[NAMES];
  for (int i = 0; i < NAMES; i++) {
    if (pthread_create(&threads[i], NULL, named, (void *)names[i]) != 0) abort();
  }
  for (int i = 0; i < NAMES; i++) pthread_join(threads[i], NULL);
  for (int i = 0; i < NAMES; i++) {
    pid_t child = fork();
    if (child == 0) {
      named((void *)names[i]);
      _exit(0);
    }
    if (child < 0 || waitpid(child, NULL, 0) != child) abort();
  }
  return 0;
}
