// What a capture ran on and with, of what a host tells about itself: bounded, for it is kept with every host run.
import type { HostDescription } from '../../proto/capture.js';
import type { HostMachine } from '../api.js';

/** Of a name, a version, a path. */
const mostText = 300;
const mostTools = 20;

export function hostMachine(description: HostDescription): HostMachine {
  const { cpuCount, memoryBytes, tools } = description;
  return {
    hostname: cut(description.hostname),
    kernelRelease: cut(description.kernelRelease),
    kernelBuildId: cut(description.kernelBuildId),
    architecture: cut(description.architecture),
    osName: cut(description.osName),
    ...{ cpuCount, memoryBytes },
    agentVersion: cut(description.agentVersion),
    tools: tools
      .slice(0, mostTools)
      .map(({ name, version, path }) => ({ name: cut(name), version: cut(version), path: cut(path) })),
  };
}

function cut(text: string): string {
  return text.slice(0, mostText);
}
