// Names with ranges: `db[01-20]` stands for db01, db02, … db20, and `web[1-3,7]` for web1, web2, web3, web7.

/** Most names that one pattern may stand for. */
const mostNames = 100_000;

export class HostRangeError extends Error {
  override readonly name = 'HostRangeError';
}

const range = /\[([0-9]+(?:-[0-9]+)?(?:,[0-9]+(?:-[0-9]+)?)*)\]/;

/** Every name that a pattern stands for, in order; several ranges multiply. A pattern without a range stands for itself. */
export function expandRange(pattern: string): readonly string[] {
  const found = range.exec(pattern);
  if (found === null) return [pattern];
  const head = pattern.slice(0, found.index);
  const tails = expandRange(pattern.slice(found.index + found[0].length));
  const numbers = found[1].split(',').flatMap((part) => numbersOf(part, pattern));
  if (numbers.length * tails.length > mostNames) {
    throw new HostRangeError(`'${pattern}' stands for more than ${mostNames} names`);
  }
  return numbers.flatMap((number) => tails.map((tail) => head + number + tail));
}

function numbersOf(part: string, pattern: string): readonly string[] {
  const [from, to = from] = part.split('-');
  const first = Number(from);
  const last = Number(to);
  if (last < first) throw new HostRangeError(`'${pattern}': the range ${part} counts down`);
  if (last - first >= mostNames) throw new HostRangeError(`'${pattern}' stands for more than ${mostNames} names`);
  return Array.from({ length: last - first + 1 }, (_, i) => String(first + i).padStart(from.length, '0'));
}
