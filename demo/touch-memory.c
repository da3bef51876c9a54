// A program with something to find: three ways to touch memory, each with its own page faults. Ends by itself after ARG seconds.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

enum { PAGE = 4096, TABLE_PAGES = 600, BUCKET_PAGES = 250, ROW_PAGES = 50 };

static unsigned char *fresh_pages(size_t pages) {
  void *memory = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    perror("mmap");
    exit(1);
  }
  // One fault per page, also where huge pages are on.
  madvise(memory, pages * PAGE, MADV_NOHUGEPAGE);
  return memory;
}

__attribute__((noinline)) static void touch_page(unsigned char *page) { *(volatile unsigned char *)page += 1; }

/* Two thirds of the faults: page after page. */
__attribute__((noinline)) static void load_table(void) {
  unsigned char *table = fresh_pages(TABLE_PAGES);
  for (size_t page = 0; page < TABLE_PAGES; page++) touch_page(table + page * PAGE);
  munmap(table, TABLE_PAGES * PAGE);
}

/* A quarter: in no order. */
__attribute__((noinline)) static void build_hash(void) {
  unsigned char *buckets = fresh_pages(BUCKET_PAGES);
  uint32_t random = 1;
  for (size_t i = 0; i < BUCKET_PAGES; i++) {
    random = random * 1664525u + 1013904223u;
    touch_page(buckets + (random >> 8) % BUCKET_PAGES * PAGE);
  }
  munmap(buckets, BUCKET_PAGES * PAGE);
}

/* The rest: the same pages, given back and taken again. */
__attribute__((noinline)) static void copy_rows(void) {
  unsigned char *rows = fresh_pages(ROW_PAGES);
  for (int round = 0; round < 2; round++) {
    for (size_t page = 0; page < ROW_PAGES; page++) touch_page(rows + page * PAGE);
    madvise(rows, ROW_PAGES * PAGE, MADV_DONTNEED);
  }
  munmap(rows, ROW_PAGES * PAGE);
}

__attribute__((noinline)) static void serve_query(void) {
  load_table();
  build_hash();
  copy_rows();
}

int main(int argc, char **argv) {
  const time_t end = time(NULL) + (argc > 1 ? atoi(argv[1]) : 60);
  const struct timespec pause = {0, 50 * 1000 * 1000};
  while (time(NULL) < end) {
    serve_query();
    nanosleep(&pause, NULL);
  }
  return 0;
}
