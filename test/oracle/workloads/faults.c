// Page faults from many distinct deep stacks: a walk through eight functions steered by a random number, a touched page at its end.
//
//   faults SAMPLES DEPTH PATHS [LOAD [RATE]]   about SAMPLES faults, DEPTH frames each, from PATHS different call paths;
//                                              LOAD is how many rounds of arithmetic go before each fault,
//                                              RATE how many faults there are at most in a second (0: as many as can be)
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

enum { PAGE = 4096, REGION_PAGES = 4096 };

static unsigned char *region;
static unsigned long page;
static unsigned long load;
static volatile unsigned long sink;

__attribute__((noinline)) static void touch(void) {
  if (page == REGION_PAGES) {
    madvise(region, (size_t)REGION_PAGES * PAGE, MADV_DONTNEED);
    page = 0;
  }
  for (unsigned long i = 0; i < load; i++) sink = sink * 31 + i;
  region[page++ * PAGE] = 1;
}

static void walk(uint64_t path, unsigned depth);

// The addition after the call keeps it from becoming a jump, which would take the frame away.
#define STEP(name)                                                        \
  __attribute__((noinline)) static void name(uint64_t path, unsigned depth) { \
    walk(path * 6364136223846793005u + 1442695040888963407u, depth - 1);  \
    sink += depth;                                                        \
  }
STEP(parse_request)
STEP(plan_query)
STEP(scan_table)
STEP(hash_join)
STEP(sort_rows)
STEP(encode_reply)
STEP(grow_heap)
STEP(copy_rows)

__attribute__((noinline)) static void walk(uint64_t path, unsigned depth) {
  static void (*const steps[])(uint64_t, unsigned) = {
      parse_request, plan_query, scan_table, hash_join, sort_rows, encode_reply, grow_heap, copy_rows,
  };
  if (depth < 2) {
    touch();
  } else {
    steps[path >> 61](path, depth - 1);
  }
  sink += depth;
}

// Sleep until `count` faults are due, in steps of a few milliseconds.
static void keep_pace(const struct timespec *start, unsigned long count, unsigned long rate) {
  struct timespec due = *start;
  uint64_t nanoseconds = (uint64_t)due.tv_nsec + (uint64_t)((double)count / (double)rate * 1e9);
  due.tv_sec += (time_t)(nanoseconds / 1000000000u);
  due.tv_nsec = (long)(nanoseconds % 1000000000u);
  clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
}

int main(int argc, char **argv) {
  if (argc < 4) {
    fprintf(stderr, "usage: faults SAMPLES DEPTH PATHS [LOAD [RATE]]\n");
    return 2;
  }
  unsigned long samples = strtoul(argv[1], NULL, 10);
  unsigned depth = (unsigned)strtoul(argv[2], NULL, 10);
  unsigned long paths = strtoul(argv[3], NULL, 10);
  load = argc > 4 ? strtoul(argv[4], NULL, 10) : 0;
  unsigned long rate = argc > 5 ? strtoul(argv[5], NULL, 10) : 0;
  struct timespec start;
  clock_gettime(CLOCK_MONOTONIC, &start);
  region = mmap(NULL, (size_t)REGION_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (region == MAP_FAILED) {
    perror("mmap");
    return 1;
  }
  madvise(region, (size_t)REGION_PAGES * PAGE, MADV_NOHUGEPAGE);
  for (unsigned long i = 0; i < samples; i++) {
    if (rate != 0 && i % 512 == 0) keep_pace(&start, i, rate);
    walk((i % paths + 1) * 0x9e3779b97f4a7c15u, depth);
  }
  return 0;
}
