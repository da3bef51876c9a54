// A short crash campaign; `npm run crash` runs long ones.
import { expect, it } from 'vitest';
import { runCampaign } from './campaign.js';

it('loses, doubles and leaves nothing, whatever is killed when', async () => {
  const lines: string[] = [];
  const result = await runCampaign({ rounds: 4, seed: 1, from: 1, say: (line) => lines.push(line) });
  expect(result.broken, lines.join('\n')).toEqual([]);
  expect(result.ends.get('succeeded') ?? 0).toBeGreaterThan(0);
  expect([...result.hits.values()].reduce((sum, hits) => sum + hits, 0)).toBeGreaterThan(2);
}, 600_000);
