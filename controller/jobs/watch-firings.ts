// What watches have started on their hosts, each taken up by a job of its own: exactly one, also when a controller dies in between.
import type { Firing, RecordSpec } from '../../proto/capture.js';
import { FailureError, fail } from '../../proto/failure.js';
import { firingId, lookBackId, lookBackOf, recordingOf } from '../../proto/watch-parts.js';
import type { Host, HostRun, JobRequest, TakenFiring } from '../api.js';
import type { Clock } from '../clock.js';
import type { ControlStore, StoredJob } from '../store/control-store.js';
import { causeText } from './firing-text.js';
import { derivedJobId } from './job-id.js';
import { newRun } from './new-run.js';
import { ofStore } from './of-store.js';
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
    for (const firing of firings) this.#runJobsOf(firing);
  }

  /** The watch on `host` has fired; told again after each broken connection and to each controller. @throws FailureError 'bad-data', StoreFailed */
  async take(host: Host, record: RunRecord, firing: Firing): Promise<void> {
    const { firings = [], captureId } = record.run;
    if (firings.some(({ number }) => number === firing.number)) return;
    const taken = await this.#taken(host, captureId, firing);
    await ofStore(() => record.update({ firings: [...firings, taken] }));
    this.#runJobsOf(taken);
  }

  /** Resolves when all of them have ended, or are left to another controller. @throws what the stores threw */
  async settled(abandon: AbortSignal): Promise<void> {
    await Promise.all(this.#running);
    abandon.throwIfAborted();
    if (this.#defects.length > 0) throw this.#defects[0];
  }

  #runJobsOf({ jobId, lookBackJobId }: TakenFiring): void {
    for (const id of [jobId, lookBackJobId]) if (id !== undefined) this.#run(id);
  }

  async #taken(host: Host, watchCapture: string, firing: Firing): Promise<TakenFiring> {
    const { capture, number, lookBackId: before } = firing;
    const { spec } = this.#watch.request;
    if (spec.kind !== 'watch') throw fail('internal', `job ${this.#watch.id} is no watch`);
    const kept = lookBackOf(spec);
    const isRight =
      (!capture.ok || capture.captureId === firingId(watchCapture, number)) &&
      (before === undefined || (kept !== undefined && before === lookBackId(watchCapture, number)));
    if (!isRight) {
      const ids = [capture.ok ? capture.captureId : '', before ?? ''].filter((id) => id !== '').join(', ');
      throw fail('bad-data', `the agent does not keep the rules: firing ${number} records as '${ids}'`);
    }
    const write = (what: RecordSpec, id: string) => ofStore(() => this.#write(host, firing, what, id));
    const jobId = capture.ok ? await write(recordingOf(spec), capture.captureId) : undefined;
    const lookBackJobId = kept === undefined || before === undefined ? undefined : await write(kept, before);
    return {
      ...firing,
      ...(jobId === undefined ? {} : { jobId }),
      ...(lookBackJobId === undefined ? {} : { lookBackJobId }),
    };
  }

  #requestOf(host: Host, { number, cause }: Firing, spec: RecordSpec, captureId: string): JobRequest {
    const { requester, grace, team, labels } = this.#watch.request;
    const isBefore = captureId.endsWith(`.b${number}`);
    const what = `${isBefore ? `the ${spec.duration / 1000} s before ` : ''}firing ${number} of ${this.#watch.id}`;
    return {
      ...{ spec, hosts: [host], selectorText: `name=${host.name}`, requester, maxParallel: 1, grace },
      note: `${what}: ${causeText(cause)}`,
      ...(team === undefined ? {} : { team }),
      ...(labels === undefined ? {} : { labels }),
      firing: { watchId: this.#watch.id, number, captureId },
    };
  }

  /** The job that takes up a capture: made now, or by a controller before this one. */
  async #write(host: Host, firing: Firing, spec: RecordSpec, captureId: string): Promise<string> {
    const { control, clock } = this.#options;
    const request = this.#requestOf(host, firing, spec, captureId);
    for (let attempt = 0; attempt < mostAttempts; attempt++) {
      const id = derivedJobId(firing.time, captureId, attempt);
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
