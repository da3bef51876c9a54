// What folded stacks call a frame: rules of the classic collapse script, so that its users find the names they know.
//
//   Lorg/a/B;.c(Ljava/lang/Object;)V   ->  org/a/B:.c          below a comm that begins with `java`
//   foo(int)::{lambda()#1}             ->  foo
//   net/http.(*Client).Do              ->  itself: a Go method
//   a->b->c                            ->  a, b_[i], c_[i]     inlined by a JIT compiler; `operator->` stays whole
//   no name, in /usr/lib/libc.so.6     ->  [libc.so.6]
//
// Where the classic script loses something, it is not followed: it drops functions of a program's own anonymous namespace, cuts
// `operator->` in two and garbles frames of deleted files.

export interface FrameStyle {
  /** Mark kernel frames with `_[k]`. */
  readonly marksKernel: boolean;
  /** Mark frames of generated code with `_[j]`. */
  readonly marksJit: boolean;
}

/** What a frame without a name is called; `object` is the mapping's file name, '' without one. `address` is shown where given. */
export function unnamedFrame(object: string, address: string | undefined, style: FrameStyle): string {
  const file = object === '' ? 'unknown' : object.slice(object.lastIndexOf('/') + 1).replace(/ \(deleted\)$/, '');
  const name = address === undefined ? `[${file}]` : `[${file} <${address}>]`;
  return marked(withoutSeparators(name), object, style);
}

/**
 * The frames that one name stands for, outermost first; mostly one, and none for names in parentheses.
 * @param object file name of the mapping; '' without one
 */
export function foldedFrames(name: string, object: string, isJava: boolean, style: FrameStyle): string[] {
  if (!isJava && !style.marksKernel && !style.marksJit && !SPECIAL.test(name)) return [name];
  if (name.startsWith('(') && !name.startsWith('(anonymous namespace)')) return [];
  const parts = name.includes('->') ? name.split(/(?<!\boperator)->/) : [name];
  while (parts.length > 1 && parts.at(-1) === '') parts.pop();
  return parts.map((part, index) => {
    const tidy = tidyName(part, isJava);
    if (index === 0) return marked(tidy, object, style);
    return tidy.includes('_[i]') ? tidy : `${tidy}_[i]`;
  });
}

/** Most names have none of what the rules are about. */
const SPECIAL = /[;\r\n"'(]|->/;

function marked(name: string, object: string, { marksKernel, marksJit }: FrameStyle): string {
  if (marksKernel && /^\[|vmlinux$/.test(object) && !object.includes('unknown')) return `${name}_[k]`;
  if (marksJit && /\/tmp\/perf-\d+\.map/.test(object) && !name.includes('_[j]')) return `${name}_[j]`;
  return name;
}

function tidyName(name: string, isJava: boolean): string {
  let tidy = withoutSeparators(name);
  if (tidy.includes('(') && !/\.\(.*\)\./.test(tidy)) tidy = tidy.replace(/\((?!anonymous namespace\)).*/, '');
  return isJava && tidy.startsWith('L') && tidy.includes('/') ? tidy.slice(1) : tidy;
}

/** Nothing that would end a frame or a line, and none of the quotes that would end an attribute of an SVG. */
function withoutSeparators(name: string): string {
  return /[;\r\n"']/.test(name)
    ? name
        .replaceAll(';', ':')
        .replace(/[\r\n]/g, ' ')
        .replace(/["']/g, '')
    : name;
}
