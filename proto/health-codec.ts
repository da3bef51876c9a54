// What time it is on a host and how it is doing: plain value to message and back.
import type { perftrawl } from './generated/perftrawl.js';
import type { HealthReading } from './host-health.js';

export function healthToMessage({ clock, monotonic, health }: HealthReading): perftrawl.v1.HealthReading.$Properties {
  const { uptime, pressure, ...same } = health;
  return {
    ...same,
    ...{ clockMs: clock, monotonicMs: monotonic, uptimeMs: uptime },
    ...(pressure && { pressure: { ...pressure } }),
  };
}

export function healthFromMessage(message: perftrawl.v1.HealthReading.$Properties): HealthReading {
  const { pressure, inodesFree } = message;
  return {
    clock: message.clockMs ?? 0,
    monotonic: message.monotonicMs ?? 0,
    health: {
      cpuCount: message.cpuCount ?? 0,
      load1: message.load1 ?? 0,
      memoryTotalBytes: message.memoryTotalBytes ?? 0,
      memoryAvailableBytes: message.memoryAvailableBytes ?? 0,
      ...(pressure ? { pressure: { cpu: pressure.cpu ?? 0, memory: pressure.memory ?? 0, io: pressure.io ?? 0 } } : {}),
      diskFreeBytes: message.diskFreeBytes ?? 0,
      ...(typeof inodesFree === 'number' ? { inodesFree } : {}),
      uptime: message.uptimeMs ?? 0,
      bootId: message.bootId ?? '',
    },
  };
}
