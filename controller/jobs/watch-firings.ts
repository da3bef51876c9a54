// What watches have started on their hosts, each taken up by a job of its own: exactly one, also when a controller dies in between.
import type { Firing } from '../../proto/capture.js';
import { FailureError, fail } from '../../proto/failure.js';
import { firingId, recordingOf } from '../../proto/watch-parts.js';
import type { Host, HostRun, JobRequest, TakenFiring } from '../api.js';
import type { Clock } from '../clock.js';
import type { ControlStore, StoredJob } from '../store/control-store.js';
import { causeText } from './firing-text.js';
import { derivedJobId } from './job-id.js';
import { newRun } from './new-run.js';
import type { RunRecord } from './run-record.js';

export interface WatchFiringsOptions {
  readonly control: ControlStore;
  readonly clock: Clock;
  /** Run a job to its end, unless somebody does so already. */
  readonly run: (jobId: string) => Promise<void>;
}

/** Ids that happen to be taken by other jobs are passed over. */
const mostAttempts = 16;

/** Of one job. */
export class WatchFirings {
  readonly #watch: StoredJob;
  readonly #options: WatchFiringsOptions;
  readonly #running: Promise<void>[] = [];
  readonly #defects: unknown[] = [];

  constructor(watch: StoredJob, options: WatchFiringsOptions) {
    this.#watch = watch;
    this.#options = options;
  }

  /** Go on with what an earlier controller took up. */
  resume({ firings = [] }: HostRun): void {
    for (const { jobId } of firings) if (jobId !== undefined) this.#run(jobId);
  }

  /** The watch on `host` has fired; told again after each broken connection and to each controller. @throws FailureError 'bad-data' */
  async take(host: Host, record: RunRecord, firing: Firing): Promise<void> {
    const { firings = [], captureId } = record.run;
    if (firings.some(({ number }) => number === firing.number)) return;
    const taken = await this.#taken(host, captureId, firing);
    await record.update({ firings: [...firings, taken] });
    if (taken.jobId !== undefined) this.#run(taken.jobId);
  }

  /** Resolves when all of them have ended, or are left to another controller. @throws what the stores threw */
  async settled(abandon: AbortSignal): Promise<void> {
    await Promise.all(this.#running);
    abandon.throwIfAborted();
    if (this.#defects.length > 0) throw this.#defects[0];
  }

  async #taken(host: Host, watchCapture: string, firing: Firing): Promise<TakenFiring> {
    const { capture, number, time, cause } = firing;
    if (!capture.ok) return firing;
    const { captureId } = capture;
    const { spec, requester, grace, team, labels } = this.#watch.request;
    if (spec.kind !== 'watch' || captureId !== firingId(watchCapture, number)) {
      throw fail('bad-data', `the agent does not keep the rules: firing ${number} records as '${captureId}'`);
    }
    const note = `firing ${number} of ${this.#watch.id}: ${causeText(cause)}`;
    const request: JobRequest = {
      ...{
        spec: recordingOf(spec),
        hosts: [host],
        selectorText: `name=${host.name}`,
        requester,
        maxParallel: 1,
        grace,
        note,
      },
      ...(team === undefined ? {} : { team }),
      ...(labels === undefined ? {} : { labels }),
      firing: { watchId: this.#watch.id, number, captureId },
    };
    return { ...firing, jobId: await this.#write(request, captureId, host, time) };
  }

  /** The job that takes up a capture: made now, or by a controller before this one. */
  async #write(request: JobRequest, captureId: string, host: Host, time: number): Promise<string> {
    const { control, clock } = this.#options;
    for (let attempt = 0; attempt < mostAttempts; attempt++) {
      const id = derivedJobId(time, captureId, attempt);
      const created = clock.now();
      const job: StoredJob = {
        ...{
          id,
          request,
          state: 'running',
          created,
          started: created,
          ended: 0,
          owner: '',
          ownerSilence: 0,
          isCancelRequested: false,
        },
      };
      try {
        await control.createJob(job, [{ ...newRun(id, host), captureId }]);
        return id;
      } catch (error) {
        if (!(error instanceof FailureError) || error.failure.code !== 'conflict') throw error;
      }
      if ((await control.job(id))?.request.firing?.captureId === captureId) return id;
    }
    throw fail('internal', `no free id for the job of ${captureId} in ${mostAttempts} attempts`);
  }

  #run(jobId: string): void {
    this.#running.push(
      this.#options.run(jobId).catch((error: unknown) => {
        // Another controller was faster, or this one is about to leave.
        if (!(error instanceof FailureError && error.failure.code === 'conflict')) this.#defects.push(error);
      }),
    );
  }
}
