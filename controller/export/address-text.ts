// Addresses of locations as text.
import type { Profile } from '../../profile/profile.js';

/** All 64 bits in hex without `0x`, as perf prints addresses. */
export function addressText({ locations }: Profile, location: number): string {
  const high = locations.addressHi[location].toString(16);
  const low = locations.addressLo[location].toString(16);
  return high === '0' ? low : high + low.padStart(8, '0');
}
