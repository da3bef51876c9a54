// A log that strangers cannot fill: what they cause is told so many times a minute, and then how often more it happened.
import type { Clock } from '../clock.js';

const perMinute = 30;
const minute = 60_000;

export function boundedLog(log: (line: string) => void, clock: Clock): (line: string) => void {
  let since = clock.monotonic();
  let told = 0;
  let left = 0;
  return (line) => {
    const now = clock.monotonic();
    if (now - since >= minute) {
      if (left > 0) log(`${left} more lines about refused connections were left out`);
      [since, told, left] = [now, 0, 0];
    }
    if (told >= perMinute) left++;
    else {
      told++;
      log(line);
    }
  };
}
