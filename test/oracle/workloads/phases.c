// Two phases, told apart by the names of their functions: `calm` burns CPU without a fault, and after SIGUSR1 `storm` faults without end.
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <time.h>

enum { PAGE = 4096, PAGES = 256 };

static volatile sig_atomic_t stormy;
static volatile unsigned long sink;

static void turn(int signal) {
  (void)signal;
  stormy = 1;
}

// The addition after the loop keeps what follows from becoming a jump, which would take the frame away.
__attribute__((noinline)) static void calm(void) {
  while (!stormy)
    for (int i = 0; i < 100000; i++) sink += (unsigned long)i;
  sink++;
}

__attribute__((noinline)) static void storm(volatile unsigned char *region) {
  const struct timespec pause = {0, 1000000};
  for (;;) {
    for (int page = 0; page < PAGES; page++) region[(size_t)page * PAGE] = 1;
    madvise((void *)region, (size_t)PAGES * PAGE, MADV_DONTNEED);
    for (int i = 0; i < 1000000; i++) sink += (unsigned long)i;
    nanosleep(&pause, NULL);
  }
}

int main(void) {
  signal(SIGUSR1, turn);
  volatile unsigned char *region =
      mmap(NULL, (size_t)PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  calm();
  storm(region);
}
