// The verdict of a soak sees each of the ways in which one can go wrong.
import { describe, expect, it } from 'vitest';
import { HOST_WEIGHT } from './simulated-agent.js';
import { dueMoments, judgeSoak, type SoakFacts } from './soak-verdict.js';

const hosts = ['sim1', 'sim2'];
const ids = ['j1', 'j2', 'j3'];
const places = ids.flatMap((jobId) => hosts.map((host) => ({ jobId, host })));
const sound: SoakFacts = {
  ...{ every: 2000, created: 1999, until: 7000, hosts, pendingReleases: 0 },
  ticks: ids.map((jobId, at) => ({ due: 2000 * (at + 1), state: 'fired', reason: '', jobId, count: 1 })),
  jobs: ids.map((id) => ({ id, state: 'succeeded' })),
  runs: places.map((place) => ({ ...place, state: 'succeeded', captureId: `${place.jobId}-${place.host}` })),
  results: [...places, ...ids.map((jobId) => ({ jobId, host: '' }))],
  merged: new Map(ids.map((id) => [id, new Map(hosts.map((host) => [host, HOST_WEIGHT]))])),
  captures: places.map(({ jobId, host }) => ({
    ...{ host, captureId: `${jobId}-${host}`, begun: 1, repeated: 1, released: 1, stopped: 0, isLeft: false },
  })),
};

const changed = <T>(list: readonly T[], change: Partial<T>): T[] => [{ ...list[0], ...change }, ...list.slice(1)];
const twice = <T>(list: readonly T[]): T[] => [list[0], ...list];

describe('the verdict of a soak', () => {
  it('finds nothing in a sound one', () => {
    expect(judgeSoak(sound)).toEqual([]);
  });

  it('has the due moments of a schedule between its creation and its end', () => {
    expect(dueMoments({ every: 2000, created: 2000, until: 8000 })).toEqual([4000, 6000]);
    expect(dueMoments({ every: 2000, created: 1999, until: 8001 })).toEqual([2000, 4000, 6000, 8000]);
  });

  it.each<[string, Partial<SoakFacts>, string]>([
    ['a tick that is missing', { until: 8001 }, 'tick 1970-01-01T00:00:08.000Z is missing'],
    ['a tick that is there twice', { ticks: twice(sound.ticks) }, 'is there 2 times'],
    ['a tick at no due moment', { ticks: changed(sound.ticks, { due: 2001 }) }, 'nobody asked for tick'],
    ['a tick that was skipped', { ticks: changed(sound.ticks, { state: 'skipped' }) }, 'is skipped'],
    ['two ticks of one job', { ticks: changed(sound.ticks, { jobId: 'j2' }) }, 'job of a tick j2 is there 2 times'],
    ['a job without a tick', { jobs: [...sound.jobs, { id: 'j9', state: 'succeeded' }] }, 'nobody asked for job j9'],
    ['a job that failed', { jobs: changed(sound.jobs, { state: 'partial' }) }, 'job j1 is partial'],
    ['a host run that is missing', { runs: sound.runs.slice(1) }, 'host run j1 on sim1 is missing'],
    ['a host run that is lost', { runs: changed(sound.runs, { state: 'lost' }) }, 'j1 on sim1 is lost'],
    ['a result that is missing', { results: sound.results.slice(1) }, 'result j1 on sim1 is missing'],
    ['a result that is there twice', { results: twice(sound.results) }, 'result j1 on sim1 is there 2 times'],
    ['a merged result that is missing', { merged: new Map() }, 'host in the merged result of j1 sim1 is missing'],
    [
      'a host that was merged twice',
      { merged: new Map([...sound.merged, ['j1', new Map(hosts.map((host) => [host, 2 * HOST_WEIGHT]))]]) },
      'sim1 weighs 6',
    ],
    ['a capture that nobody wrote down', { captures: sound.captures.slice(1) }, 'capture j1-sim1 on sim1 is missing'],
    ['a capture that began twice', { captures: changed(sound.captures, { begun: 2 }) }, 'began 2 times'],
    ['a capture that was not released', { captures: changed(sound.captures, { released: 0 }) }, 'was released 0 times'],
    ['a capture that was stopped', { captures: changed(sound.captures, { stopped: 1 }) }, 'was stopped 1 times'],
    ['a capture that is left', { captures: changed(sound.captures, { isLeft: true }) }, 'is left'],
    ['a release that nobody was told of', { pendingReleases: 1 }, '1 captures may be released'],
  ])('sees %s', (_what, change, problem) => {
    expect(judgeSoak({ ...sound, ...change }).join('\n')).toContain(problem);
  });
});
