// A short soak; `npm run soak` runs long ones.
import { expect, it } from 'vitest';
import { runSoak } from './soak-campaign.js';

it('fires each tick once and loses and doubles no host run when one of two servers is killed and comes back', async () => {
  const result = await runSoak({ agents: 10, seconds: 20, every: 2, seed: 1, say: () => undefined });
  expect(result.problems).toEqual([]);
  expect(result.ticks).toBeGreaterThan(2);
  expect(result.hostRuns).toBe(10 * result.ticks);
  expect(result.orphaned).toBeGreaterThan(0);
  expect(result.takenUp).toBe(result.orphaned);
});
