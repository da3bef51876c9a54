// Globs on names: `*` any characters, `?` one character. Time grows with pattern × text at most, whatever the pattern.

export function matchesGlob(pattern: string, text: string): boolean {
  let p = 0;
  let t = 0;
  /** After the last star: where its pattern goes on, and how much text it has taken. */
  let star = -1;
  let taken = 0;
  while (t < text.length) {
    if (p < pattern.length && pattern[p] === '*') {
      star = ++p;
      taken = t;
    } else if (p < pattern.length && (pattern[p] === '?' || pattern[p] === text[t])) {
      p++;
      t++;
    } else if (star >= 0) {
      p = star;
      t = ++taken;
    } else {
      return false;
    }
  }
  while (pattern[p] === '*') p++;
  return p === pattern.length;
}
