// Which file a host is sent: the script where it has a Node, else the executable, if that would run there.
import { fail } from '../../../proto/failure.js';
import type { AgentFile, AgentPackage, HostNeeds } from './agent-package.js';
import { compareVersions } from './executable-needs.js';
import type { RemoteFacts } from './remote-script.js';

/** @throws FailureError 'refused' for another system than Linux, 'tool-missing' for a host on which neither runs */
export async function agentFor(
  facts: RemoteFacts,
  host: string,
  pack: Pick<AgentPackage, 'runsOn' | 'script' | 'executable'>,
): Promise<AgentFile> {
  if (facts.system !== 'Linux') {
    throw fail('refused', `${host} runs ${facts.system}: perf is a tool of Linux`, 'leave that host out');
  }
  if (facts.node !== '') return pack.script();
  const obstacle = obstacleOf(facts, pack.runsOn);
  if (obstacle === undefined) return pack.executable();
  const old = facts.oldNode === '' ? '' : ` (only ${facts.oldNode.replace(' ', ' as ')})`;
  throw fail(
    'tool-missing',
    `${host} has no Node of version 20 or newer${old}, and the agent with Node inside does not run there: ${obstacle.why}`,
    obstacle.remedy,
  );
}

interface Obstacle {
  readonly why: string;
  readonly remedy: string;
}

const install = 'install Node 20 or newer there';

/** What a host does not tell is no obstacle. */
function obstacleOf({ machine, libc }: RemoteFacts, needs: HostNeeds | undefined): Obstacle | undefined {
  if (needs === undefined) {
    return { why: `none can be made on ${process.platform} ${process.arch}`, remedy: install };
  }
  if (machine !== needs.machine) {
    return { why: `it needs a processor of type ${needs.machine}, that of the host is ${machine}`, remedy: install };
  }
  const { glibc, musl, lacks } = libc;
  const least = needs.glibc;
  if (least !== undefined && glibc === '' && musl !== '') {
    return {
      why: `it needs glibc ${least} or newer, the host has musl (${musl}) in its place`,
      remedy: `${install} (Alpine: apk add nodejs)`,
    };
  }
  if (least !== undefined && glibc !== '' && compareVersions(glibc, least) < 0) {
    return {
      why: `it needs glibc ${least} or newer, the host has ${glibc}`,
      remedy: `${install}, one that is built for glibc ${glibc}`,
    };
  }
  if (lacks.length === 0) return undefined;
  const packages = lacks.includes('libstdc++.so.6') ? 'libstdc++ (Debian: apt-get install libstdc++6)' : 'that';
  return { why: `it needs ${lacks.join(', ')}, not there`, remedy: `${install}, or ${packages}` };
}
