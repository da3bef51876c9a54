// The teams of a server over its queue.
import { fail } from '../../proto/failure.js';
import type { JobQueueStore } from '../store/job-queue-store.js';
import { checkTeamName, type Teams } from '../users/team.js';

const mostWeight = 1000;
const mostCount = 1_000_000;

export function storedTeams(queue: Pick<JobQueueStore, 'teams' | 'setTeam' | 'resetTeam'>): Teams {
  return {
    list: () => queue.teams(),
    async set(team) {
      checkTeamName(team.name);
      const { weight, mostJobs, mostHosts } = team;
      if (!(weight > 0 && weight <= mostWeight)) {
        throw fail('bad-request', `a team cannot have the weight ${weight}`, `give one above 0, ${mostWeight} at most`);
      }
      for (const count of [mostJobs, mostHosts]) {
        if (Number.isInteger(count) && count >= 0 && count <= mostCount) continue;
        throw fail('bad-request', `${count} is no bound for a team`, 'give a whole number; 0 sets no bound');
      }
      await queue.setTeam(team);
      return team;
    },
    async reset(name) {
      if (await queue.resetTeam(name)) return;
      throw fail('not-found', `team '${name.slice(0, 80)}' has no quota`, '`perftrawl teams ls` lists the teams');
    },
  };
}
