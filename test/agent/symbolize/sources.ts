// Programs whose symbols the tests name: aliases, weak and static functions, templates, lambdas, closures, inlined calls.

export const C_SOURCE = {
  name: 'main.c',
  text: `
#include <stdlib.h>
#include <string.h>
__attribute__((noinline)) static int inner(int n) { volatile int s = 0; for (int i = 0; i < n; i++) s += i; return s; }
__attribute__((noinline)) int outer(int n) { return inner(n) + 1; }
int aliased(int n) __attribute__((alias("outer")));
int _underscored(int n) __attribute__((alias("outer")));
int weak_alias(int n) __attribute__((weak, alias("outer")));
__asm__(".text\\n.globl unsized_label\\nunsized_label: nop\\nnop\\nnop\\n.type sizeless,@function\\nsizeless: nop\\nnop\\nret\\n");
int main(int argc, char **argv) { char *p = malloc(64); strncpy(p, argv[0], 63); int r = outer(argc * 1000); free(p); return r == 7; }
`,
};

export const CXX_SOURCE = {
  name: 'main.cc',
  text: `
#include <functional>
#include <map>
#include <string>
#include <vector>
namespace { struct Hidden { __attribute__((noinline)) int twice(int a) const { return a * 2; } }; }
template <class T, int N> struct Box {
  template <class U> __attribute__((noinline)) T add(U u) { return T(u) + N; }
  __attribute__((noinline)) explicit operator bool() const { return N; }
};
struct Shape { Shape(int); virtual ~Shape(); bool operator<(const Shape &) const; int operator()(int); int x; };
Shape::Shape(int a) : x(a) {} Shape::~Shape() { x = 0; }
bool Shape::operator<(const Shape &o) const { return x < o.x; } int Shape::operator()(int a) { return a + x; }
__attribute__((noinline)) std::string text(std::vector<std::map<std::string, int>> const &v, void (*f)(int, char)) {
  return std::to_string(v.size());
}
template <typename F> __attribute__((noinline)) auto call(F f) -> decltype(f(1)) { return f(1); }
extern "C" int camlStdlib__List__map_123(int a) { return a; }
extern "C" int camlFoo__bar$2bbaz_9(int a) { return a; }
extern "C" int clone(int a) __asm__("_Z3abci.constprop.0.isra.1"); int clone(int a) { return a; }
int main(int c, char **) {
  Hidden h; Box<long, 3> b; Shape s(c);
  return h.twice(c) + b.add<short>(c) + (bool)b + (s < s) + s(c) + text({}, nullptr).size() +
         call([&](int q) { return q + c; }) + call(std::function<int(int)>([](int z) { return z; }));
}
`,
};

/** Names that rustc 1.95 gave to functions of its standard library: v0 mangling (`_R`) and legacy mangling (`_ZN…17h…E`). */
const RUST_NAMES = [
  '_RINvMNtCsgEmfK2I1SDS_4core3stre18trim_start_matchesReECsgY6Mt91CT9J_14rustc_demangle',
  '_RINvNtCsgEmfK2I1SDS_4core3ptr13drop_in_placeINtNtCslNYArtu3iFV_5alloc4sync3ArcINtNtNtNtCsjrHSEGnQ3l9_3std4sync6poison5mutex5MutexINtNtBL_3vec3VechEEEEB1n_',
  '_RINvNtNtNtNtCsgEmfK2I1SDS_4core5slice4sort6shared9smallsort12sort4_stableNtNtCs4X4t9plMPHF_9addr2line8function22InlinedFunctionAddressNCINvMNtCslNYArtu3iFV_5alloc5sliceSB19_7sort_byNCNvMs1_B1b_INtB1b_8FunctionINtNtNtCsduwmD7cSIQq_5gimli4read12endian_slice11EndianSliceNtNtB3s_9endianity12LittleEndianEE5parse0E0ECsjrHSEGnQ3l9_3std',
  '_RNvCsfLfy6EI15iL_7___rustc19___rust_alloc_zeroed',
  '_RNvMs3_NtCslNYArtu3iFV_5alloc7raw_vecINtB5_6RawVecTNtNtNtCsjrHSEGnQ3l9_3std3ffi6os_str8OsStringBN_EE8grow_oneBT_',
  '_RNvNtCslNYArtu3iFV_5alloc7raw_vec17capacity_overflow',
  '_RNvNtNtNtNtNtCsjrHSEGnQ3l9_3std3sys3pal4unix14stack_overflow3imp12make_handler',
  '_ZN103_$LT$alloc..vec..into_iter..IntoIter$LT$T$C$A$GT$$u20$as$u20$core..iter..traits..iterator..Iterator$GT$9size_hint17h0e3197f84a66fa4dE',
  '_ZN157_$LT$$LT$alloc..vec..into_iter..IntoIter$LT$T$C$A$GT$$u20$as$u20$core..ops..drop..Drop$GT$..drop..DropGuard$LT$T$C$A$GT$$u20$as$u20$core..ops..drop..Drop$GT$4drop17hb2a422590d323f14E',
  '_ZN1r4main28_$u7b$$u7b$closure$u7d$$u7d$17h4dfd0b239fe0b425E',
  '_ZN3std3sys9backtrace28__rust_begin_short_backtrace17hb8e0473d96dacc95E',
  '_ZN48_$LT$$u5b$T$u5d$$u20$as$u20$core..fmt..Debug$GT$3fmt17h922f93d1afbb2072E',
  '_ZN4core3fmt3num50_$LT$impl$u20$core..fmt..Debug$u20$for$u20$i32$GT$3fmt17h5aedc15e6c230a4bE',
  '_ZN4core3ops8function6FnOnce40call_once$u7b$$u7b$vtable.shim$u7d$$u7d$17h42e08618e5619cfaE',
];

export const RUST_SOURCE = {
  name: 'rust.c',
  text: `${RUST_NAMES.map(
    (name, index) => `int f${index}(int) __asm__("${name}"); int f${index}(int n) { return n * ${index} + 1; }`,
  ).join('\n')}
int main(int argc, char **argv) { return argc == f0(argc); }
`,
};

export const INLINE_SOURCE = {
  name: 'inline.c',
  text: `volatile int sink;
static inline __attribute__((always_inline)) void innermost(int n) {
  sink += n;
}
static inline __attribute__((always_inline)) void middle(int n) {
  innermost(n * 3);
}
int main(int argc, char **argv) {
  middle(argc);
  return 0;
}
`,
};
