// What folded stacks call a frame: rules of the classic collapse script, so that its users find the names they know.
//
//   Lorg/a/B;.c(Ljava/lang/Object;)V   ->  org/a/B:.c          below a comm that begins with `java`
//   foo(int)::{lambda()#1}             ->  foo
//   net/http.(*Client).Do              ->  itself: a Go method
//   a->b->c                            ->  a, b_[i], c_[i]     inlined by a JIT compiler; `operator->` stays whole
//   no name, in /usr/lib/libc.so.6     ->  [libc.so.6]

export interface FrameStyle {
  /** Mark kernel frames with `_[k]`. */
  readonly marksKernel: boolean;
  /** Mark frames of generated code with `_[j]`. */
  readonly marksJit: boolean;
}

/** What frames without a name are called; `object` is the mapping's file name, '' without one. `address` is shown where given. */
export function unnamedFrame(object: string, address: string | undefined): string {
  const name = object === '' ? 'unknown' : object.slice(object.lastIndexOf('/') + 1);
  return address === undefined ? `[${name}]` : `[${name} <${address}>]`;
}

/**
 * The frames that one name stands for, outermost first; mostly one, and none for names in parentheses.
 * @param object file name of the mapping; '' without one
 */
export function foldedFrames(name: string, object: string, isJava: boolean, style: FrameStyle): string[] {
  if (name.startsWith('(') && !name.startsWith('(anonymous namespace)')) return [];
  const parts = name.includes('->') ? name.split(/(?<!\boperator)->/) : [name];
  while (parts.length > 1 && parts.at(-1) === '') parts.pop();
  return parts.map((part, index) => {
    const tidy = tidyName(part, isJava);
    if (index > 0) return tidy.includes('_[i]') ? tidy : `${tidy}_[i]`;
    if (style.marksKernel && /^\[|vmlinux$/.test(object) && !object.includes('unknown')) return `${tidy}_[k]`;
    if (style.marksJit && /\/tmp\/perf-\d+\.map/.test(object) && !tidy.includes('_[j]')) return `${tidy}_[j]`;
    return tidy;
  });
}

function tidyName(name: string, isJava: boolean): string {
  let tidy = name.replaceAll(';', ':').replace(/[\r\n]/g, ' ');
  if (tidy.includes('(') && !/\.\(.*\)\./.test(tidy)) tidy = tidy.replace(/\((?!anonymous namespace\)).*/, '');
  tidy = tidy.replace(/["']/g, '');
  return isJava && tidy.startsWith('L') && tidy.includes('/') ? tidy.slice(1) : tidy;
}
