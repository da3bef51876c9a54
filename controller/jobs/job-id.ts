// Ids of jobs: short, sortable by time, safe in file names and capture ids, easy to read out loud.

/** Crockford's base 32 in lower case: no i, l, o, u. */
const digits = '0123456789abcdefghjkmnpqrstvwxyz';
const timeDigits = 7;
const randomDigits = 4;

/** Seconds since 1970 in seven digits (sortable for a thousand years), then four random ones: `1nf0c2kx7qa`. */
export function newJobId(now: number, random: () => number): string {
  let id = '';
  let seconds = Math.floor(now / 1000);
  for (let i = 0; i < timeDigits; i++) {
    id = digits[seconds % 32] + id;
    seconds = Math.floor(seconds / 32);
  }
  for (let i = 0; i < randomDigits; i++) id += digits[Math.floor(random() * 32)];
  return id;
}
