// C++ names as profilers meet them: templates, namespaces (also anonymous), lambdas, operators with and without "->", std::function.
//
//   shapes ROUNDS   each round faults in pages below every kind of name
#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

constexpr std::size_t kPage = 4096;
constexpr std::size_t kPages = 64;
static volatile unsigned long sink;

__attribute__((noinline)) void touch_pages() {
  void *memory = mmap(nullptr, kPages * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) std::abort();
  auto *bytes = static_cast<volatile unsigned char *>(memory);
  for (std::size_t i = 0; i < kPages; i++) bytes[i * kPage] = 1;
  for (unsigned i = 0; i < 20000; i++) sink = sink * 31 + i;
  munmap(memory, kPages * kPage);
}

namespace {

struct Hidden {
  __attribute__((noinline)) void work(int depth) {
    if (depth > 0) work(depth - 1);
    touch_pages();
  }
};

}  // namespace

namespace geometry::shapes {

template <typename T, int Sides>
struct Polygon {
  T length;
  __attribute__((noinline)) Polygon operator+(const Polygon &other) const {
    touch_pages();
    return {length + other.length};
  }
  __attribute__((noinline)) bool operator<(const Polygon &other) const {
    touch_pages();
    return length < other.length;
  }
  __attribute__((noinline)) T operator()(T scale) const {
    touch_pages();
    return length * scale * Sides;
  }
  __attribute__((noinline)) const Polygon *operator->() const {
    touch_pages();
    return this;
  }
  __attribute__((noinline)) explicit operator bool() const {
    touch_pages();
    return length > 0;
  }
  __attribute__((noinline)) T operator[](std::pair<int, std::string> key) const {
    touch_pages();
    return length + key.first;
  }
};

template <typename... Shapes>
__attribute__((noinline)) double total(const Shapes &...shapes) {
  touch_pages();
  return (shapes.length + ... + 0.0);
}

}  // namespace geometry::shapes

__attribute__((noinline)) static void one_round(int round) {
  using geometry::shapes::Polygon;
  Polygon<double, 4> square{round + 1.0};
  Polygon<double, 4> other{2.0};
  Polygon<std::uint64_t, 3> triangle{7};

  sink += static_cast<unsigned long>((square + other).length);
  sink += square < other;
  sink += static_cast<unsigned long>(square(2.0));
  sink += static_cast<unsigned long>(square->length);
  sink += static_cast<bool>(triangle);
  sink += triangle[{round, "key"}];
  sink += static_cast<unsigned long>(geometry::shapes::total(square, triangle));

  Hidden{}.work(3);
  auto lambda = [round](const std::vector<int> &values) __attribute__((noinline)) {
    touch_pages();
    return round + static_cast<int>(values.size());
  };
  std::function<int(const std::vector<int> &)> boxed = lambda;
  sink += static_cast<unsigned long>(boxed({1, 2, 3}));

  std::vector<Polygon<double, 4>> many(5, square);
  std::sort(many.begin(), many.end());
  std::map<std::string, std::unique_ptr<Hidden>> named;
  named.emplace("a; \"b\" 'c'", std::make_unique<Hidden>());
  named.begin()->second->work(1);
}

int main(int argc, char **argv) {
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 20;
  for (int round = 0; round < rounds; round++) one_round(round);
  std::printf("%lu\n", static_cast<unsigned long>(sink));
}
