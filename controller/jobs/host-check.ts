// What time it is on a host and how it is doing, asked over the connection that the capture uses.
import type { AgentApi } from '../../proto/agent-api.js';
import type { Milliseconds } from '../../proto/capture.js';
import type { HostHealth } from '../../proto/host-health.js';
import type { HostCheck } from '../api.js';
import type { Clock } from '../clock.js';

/** Of both clocks, each of which is read in whole milliseconds. */
const resolution: Milliseconds = 1;
const roundTrips = 4;

/**
 * Several round trips; the one with the least delay tells most about the clock: the host read it somewhere between question and answer, so
 * the middle is right to half the delay.
 * @throws FailureError of the connection, and of agents that cannot tell
 */
export async function checkHost(api: AgentApi, clock: Clock, signal: AbortSignal): Promise<HostCheck> {
  let best: HostCheck | undefined;
  let health: HostHealth | undefined;
  for (let trip = 0; trip < roundTrips; trip++) {
    const asked = clock.now();
    const reading = await api.readHealth(signal);
    const answered = clock.now();
    health = reading.health;
    const clockUncertainty = Math.max(0, answered - asked) / 2 + resolution;
    if (best === undefined || clockUncertainty < best.clockUncertainty) {
      best = { clockOffset: reading.clock - (asked + answered) / 2, clockUncertainty, health };
    }
  }
  if (best === undefined || health === undefined) throw new Error('a host is asked at least once');
  return { ...best, health };
}

type ClockReading = Pick<HostCheck, 'clockOffset' | 'clockUncertainty'>;

/** By how much the host's clock moved against ours, beyond what the measurement leaves open; 0 when that explains it. */
export function clockDrift(before: ClockReading, after: ClockReading): Milliseconds {
  const moved = after.clockOffset - before.clockOffset;
  const open = before.clockUncertainty + after.clockUncertainty;
  return Math.abs(moved) <= open ? 0 : Math.sign(moved) * (Math.abs(moved) - open);
}
