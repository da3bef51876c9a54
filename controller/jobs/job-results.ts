// What a job has brought, merged or of one host: read from the store; while the job runs, merged from what there is so far.
import { fail } from '../../proto/failure.js';
import { DEFAULT_DECODE_LIMITS } from '../../proto/profile-codec.js';
import type { App, HostRun } from '../api.js';
import type { StoredJob } from '../store/control-store.js';
import { Aggregate, type Merged, wantedTypes } from './aggregate.js';
import { fetchArtifact, findArtifact } from './artifact-fetch.js';
import { findJob } from './job-lookup.js';
import { addStored, findStored, type JobRunTools } from './job-run.js';

type JobResults = Pick<App, 'profile' | 'series' | 'histograms' | 'text' | 'fetchArtifact'>;

export function jobResults(tools: JobRunTools): JobResults {
  const { control, samples } = tools;
  const { decode } = tools.limits;

  async function findRun(job: StoredJob, host: string): Promise<HostRun> {
    const runs = await control.hostRuns(job.id);
    const found = runs.find((candidate) => candidate.host === host);
    if (found !== undefined) return found;
    const names = runs.slice(0, 10).map((candidate) => candidate.host);
    throw fail('not-found', `host ${host} is not in job ${job.id}`, `its hosts are ${names.join(', ')}`);
  }

  async function soFar(job: StoredJob): Promise<Merged> {
    const aggregate = new Aggregate(wantedTypes(job.request.spec));
    const runs = await control.hostRuns(job.id);
    for (const { host, state } of runs) {
      if (state === 'succeeded') await addStored(aggregate, samples, job.id, host, decode);
    }
    return aggregate.finish(runs.filter(({ state }) => state !== 'succeeded').map(({ host }) => host));
  }

  return {
    async profile(jobId, host) {
      const job = await findJob(control, jobId);
      if (host === undefined && job.state === 'running') return (await soFar(job)).profile;
      if (host === undefined) return findStored(samples, job.id, undefined, DEFAULT_DECODE_LIMITS);
      await findRun(job, host);
      return findStored(samples, job.id, host, decode);
    },
    async series(jobId, host) {
      const job = await findJob(control, jobId);
      if (host === undefined && job.state === 'running') return (await soFar(job)).series;
      if (host !== undefined) await findRun(job, host);
      return samples.series({ jobId: job.id, host });
    },
    async histograms(jobId, host) {
      const job = await findJob(control, jobId);
      if (host === undefined && job.state === 'running') return (await soFar(job)).histograms;
      if (host !== undefined) await findRun(job, host);
      return samples.histograms({ jobId: job.id, host });
    },
    async text(jobId, host) {
      const job = await findJob(control, jobId);
      await findRun(job, host);
      return samples.text({ jobId: job.id, host });
    },
    async *fetchArtifact(jobId, hostName, name, offset, signal) {
      const job = await findJob(control, jobId);
      const hostRun = await findRun(job, hostName);
      const host = job.request.hosts.find((candidate) => candidate.name === hostName);
      if (host === undefined) throw fail('not-found', `host ${hostName} is not in job ${job.id}`);
      yield* fetchArtifact(host, hostRun.captureId, findArtifact(hostRun, name), offset, signal, tools);
    },
  };
}
