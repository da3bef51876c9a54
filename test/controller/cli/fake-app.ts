// An app without agents: it answers what a test gives it and remembers what it was asked. Streams and a whole command line around it.
import { createHash } from 'node:crypto';
import { Writable } from 'node:stream';
import type {
  Answer,
  App,
  Host,
  HostRun,
  Job,
  JobFilter,
  JobRequest,
  JobState,
  RemovedFile,
  RunOptions,
  TriggerCause,
} from '../../../controller/api.js';
import type { WrittenEntry } from '../../../controller/audit/audit-entry.js';
import { runCli } from '../../../controller/cli/cli.js';
import type { AppOptions } from '../../../controller/cli/context.js';
import type { CliIo } from '../../../controller/cli/io.js';
import type { EnrolledHost, EnrollToken, ListedIdentity } from '../../../controller/enroll/identities.js';
import type { TopAnswered, TopQuestion } from '../../../controller/questions/top-question.js';
import type { Schedule, Tick } from '../../../controller/schedule/schedule.js';
import type { Role } from '../../../controller/users/role.js';
import type { User } from '../../../controller/users/users.js';
import type { CounterSeries } from '../../../profile/counter-series.js';
import type { HistogramSeries } from '../../../profile/histogram-series.js';
import type { Profile } from '../../../profile/profile.js';
import type { TextLine } from '../../../profile/text-line.js';
import type { ChainedLine, ChainReport } from '../../../proto/audit-chain.js';
import type {
  ArtifactPart,
  CaptureSpec,
  Firing,
  HostDescription,
  PreflightResult,
  ProcessInfo,
  ProcessSelector,
  ScriptInfo,
} from '../../../proto/capture.js';
import { fail } from '../../../proto/failure.js';

export const WEB1: Host = {
  name: 'web1',
  labels: { role: 'web' },
  address: { transport: 'tls', host: '10.0.0.1', port: 7451 },
};
export const WEB2: Host = {
  name: 'web2',
  labels: { role: 'web' },
  address: { transport: 'tls', host: '10.0.0.2', port: 7451 },
};

const SPEC: CaptureSpec = {
  kind: 'record',
  target: { kind: 'system' },
  duration: 1000,
  events: [{ name: 'page-faults' }],
  callGraph: { mode: 'fp' },
  detail: { split: 'comm', keepTimestamps: false, lines: false },
  keepRaw: false,
};

export const SCRIPT: ScriptInfo = {
  name: 'pagefault-latency',
  summary: 'how long page faults take, by type',
  doc: 'Each fault is timed from\nentry to return.',
  parameters: [
    { name: 'pids', type: 'text', default: 'all', unit: '', doc: 'which processes' },
    { name: 'by', type: 'text', default: 'type', unit: '', doc: 'what to tell apart' },
    { name: 'least', type: 'integer', default: '', unit: 'ns', doc: 'faster ones are left out' },
  ],
  variants: [
    {
      name: 'kprobe',
      doc: 'no debuginfo',
      needs: ['kprobe:handle_mm_fault'],
      sha256: 'c0ffee',
      text: 'probe begin {}\n',
    },
    { name: 'dwarf', doc: 'all types', needs: ['debuginfo'], sha256: 'bead', text: 'probe end {}\n' },
  ],
  testedOn: ['6.1.0-13-amd64'],
  cost: '1.2 us per fault',
};

export function jobOf(state: JobState, spec: CaptureSpec = SPEC, hosts: readonly Host[] = [WEB1, WEB2]): Job {
  const request = { spec, hosts, selectorText: '', requester: 'me@here', maxParallel: 32, grace: 60_000, note: '' };
  return {
    id: 'job1',
    request,
    state,
    created: 1_700_000_000_000,
    started: 1_700_000_000_000,
    ended: state === 'running' ? 0 : 1_700_000_005_000,
  };
}

export function runOf(host: string, more: Partial<HostRun> = {}): HostRun {
  return {
    jobId: 'job1',
    host,
    captureId: `job1-${host}`,
    state: 'succeeded',
    captureState: 'done',
    sequence: 9,
    started: 1,
    ended: 2,
    failure: undefined,
    progress: { elapsed: 1000, samples: 1234, bytes: 4096, lost: 0 },
    losses: [],
    cost: {
      toolCpu: 20,
      agentCpu: 30,
      peakMemoryBytes: 50 << 20,
      recordedBytes: 4096,
      spooledBytes: 2048,
      wall: 1000,
    },
    artifacts: [],
    commandLines: [],
    parts: [],
    module: undefined,
    ...more,
  };
}

export const FAILED_RUN = runOf('web2', {
  state: 'failed',
  cost: undefined,
  failure: { code: 'unreachable', message: 'web2 does not answer', remedy: 'start its agent' },
});

function userOf(name: string, role: Role): User {
  return { name, role, team: 'default', created: 1_700_000_000_000, expires: 0, revoked: 0, hasToken: true };
}

const TOKEN: EnrollToken = {
  ...{
    id: '0123456789abcdef',
    labels: { role: 'db' },
    namePattern: 'db*',
    uses: 50,
    used: 2,
    certificateLife: 604_800_000,
  },
  ...{ mayReplace: false, created: 1_700_000_000_000, expires: 1_700_003_600_000, revoked: 0 },
};

const CERTIFICATE: ListedIdentity = {
  ...{ name: 'db1', role: 'dial-in-agent', serial: '0a', fingerprint: 'c0ffee', notAfter: 1_700_600_000_000 },
  ...{ state: 'revoked', from: 'enrolled' },
};

export const ENROLLED: EnrolledHost = {
  ...{ name: 'db1', labels: { role: 'db' }, fingerprint: 'c0ffee', serial: '0a', keySha256: 'bead', tokenId: TOKEN.id },
  ...{ certificateLife: 604_800_000, enrolled: 1_700_000_000_000, renewed: 1_700_000_000_000 },
  ...{ lastSeen: 1_700_000_000_000, address: '10.0.0.7' },
};

export class FakeApp implements App {
  inventory: readonly Host[] = [WEB1, WEB2];
  endState: JobState = 'succeeded';
  runs: readonly HostRun[] = [runOf('web1'), runOf('web2')];
  merged: Profile | undefined;
  ofHost: Profile | undefined;
  counters: CounterSeries | undefined;
  /** Of all hosts; those of one under its name. */
  histogramsOf: Readonly<Record<string, HistogramSeries>> = {};
  /** By host. */
  lines: Readonly<Record<string, readonly TextLine[]>> = {};
  catalogue: Answer<readonly ScriptInfo[]>[] = [];
  known: Job | undefined = jobOf('succeeded');
  descriptions: Answer<HostDescription>[] = [];
  preflights: Answer<PreflightResult>[] = [];
  stapPreflights: Answer<PreflightResult>[] = [];
  processes: Answer<readonly ProcessInfo[]>[] = [];
  triggered: Answer<Firing>[] = [];
  auditEntries: readonly WrittenEntry[] = [];
  auditReport: ChainReport = { lines: 2, end: { sequence: 2, hash: 'ab'.repeat(32) }, problems: [] };
  hostEntries: Answer<readonly ChainedLine[]>[] = [];
  hostReports: Answer<ChainReport>[] = [];
  artifact = Buffer.from('0123456789');
  artifactHash = createHash('sha256').update(this.artifact).digest('hex');
  /** What happens while the job runs. */
  during: (options: RunOptions, app: FakeApp) => Promise<void> = async () => undefined;
  /** Names of the methods called, with what matters. */
  readonly calls: string[] = [];
  submitted: JobRequest | undefined;
  selector: ProcessSelector | undefined;
  isClosed = false;

  hosts(selectorText: string): readonly Host[] {
    const wanted = /^name=(.*)$/.exec(selectorText)?.[1];
    return this.inventory.filter((host) => wanted === undefined || host.name === wanted);
  }
  async describe(): Promise<readonly Answer<HostDescription>[]> {
    return this.descriptions;
  }
  async listProcesses(
    _hosts: readonly Host[],
    selector: ProcessSelector,
  ): Promise<readonly Answer<readonly ProcessInfo[]>[]> {
    this.selector = selector;
    return this.processes;
  }
  async preflight(_hosts: readonly Host[], spec: CaptureSpec): Promise<readonly Answer<PreflightResult>[]> {
    return spec.kind === 'stap' ? this.stapPreflights : this.preflights;
  }
  async scripts(hosts: readonly Host[]): Promise<readonly Answer<readonly ScriptInfo[]>[]> {
    this.calls.push(`scripts of ${hosts.map(({ name }) => name).join(' ')}`);
    return this.catalogue;
  }
  async submit(request: JobRequest): Promise<Job> {
    this.submitted = request;
    this.known = { ...jobOf('running'), request };
    return this.known;
  }
  async run(jobId: string, options: RunOptions): Promise<Job> {
    this.calls.push(`run ${jobId}`);
    return this.#end(options);
  }
  async resume(jobId: string, options: RunOptions): Promise<Job> {
    this.calls.push(`resume ${jobId}`);
    return this.#end(options);
  }
  async cancel(jobId: string): Promise<Job> {
    this.calls.push(`cancel ${jobId}`);
    this.endState = 'cancelled';
    return { ...(await this.job(jobId)), state: 'cancelled' };
  }
  async trigger(
    jobId: string,
    hosts: readonly string[],
    { who, reason }: TriggerCause,
  ): Promise<readonly Answer<Firing>[]> {
    this.calls.push(`trigger ${jobId} on [${hosts.join(' ')}] for ${who}: ${reason}`);
    return this.triggered;
  }
  async job(id: string): Promise<Job> {
    if (this.known === undefined || (id !== 'last' && !this.known.id.startsWith(id))) {
      throw fail('not-found', `there is no job ${id}`, '`perftrawl jobs ls` lists them');
    }
    return this.known;
  }
  async jobs({ schedule, before }: JobFilter): Promise<readonly Job[]> {
    if (this.known === undefined || before !== undefined) return [];
    return schedule === undefined || schedule === this.known.request.schedule?.name ? [this.known] : [];
  }
  async hostRuns(): Promise<readonly HostRun[]> {
    return this.runs;
  }
  async deleteJob(jobId: string): Promise<void> {
    this.calls.push(`delete ${jobId}`);
  }
  async profile(_jobId: string, host?: string): Promise<Profile | undefined> {
    return host === undefined ? this.merged : this.ofHost;
  }
  async series(): Promise<CounterSeries | undefined> {
    return this.counters;
  }
  async histograms(_jobId: string, host?: string): Promise<HistogramSeries | undefined> {
    return this.histogramsOf[host ?? 'all'];
  }
  async text(_jobId: string, host: string): Promise<readonly TextLine[]> {
    return this.lines[host] ?? [];
  }
  async cleanHosts(hosts: readonly Host[]): Promise<readonly Answer<readonly RemovedFile[]>[]> {
    return hosts.map((host) => ({
      host,
      ok: true,
      value: [{ path: '/root/.cache/perftrawl/agent-1.cjs', kibibytes: 7 }],
    }));
  }

  async *fetchArtifact(_job: string, host: string, name: string, offset: number): AsyncGenerator<ArtifactPart> {
    this.calls.push(`fetch ${host} ${name} from ${offset}`);
    yield { data: this.artifact.subarray(offset, offset + 4) };
    yield { data: this.artifact.subarray(offset + 4), end: { sha256: this.artifactHash, size: this.artifact.length } };
  }
  readonly users: App['users'] = {
    add: async ({ name, role }) => ({ user: userOf(name, role), token: 'ptu.token' }),
    list: async () => [userOf('alice', 'operator')],
    revoke: async (name) => ({ ...userOf(name, 'viewer'), revoked: 1 }),
    whoami: async () => ({ name: 'alice', role: 'operator', team: 'default', by: 'token', expires: 0 }),
  };
  readonly schedules: App['schedules'] = {
    add: async (definition, requester) => {
      this.calls.push(`schedule ${JSON.stringify(definition)}`);
      this.schedule = {
        definition,
        requester,
        state: 'active',
        created: 1_700_000_000_000,
        nextDue: 1_700_000_400_000,
      };
      return this.schedule;
    },
    list: async () => [this.aSchedule()],
    get: async () => this.aSchedule(),
    remove: async (name) => void this.calls.push(`remove schedule ${name}`),
    pause: async () => ({ ...this.aSchedule(), state: 'paused', nextDue: 0 }),
    resume: async () => this.aSchedule(),
    runNow: async (name, requester) => {
      this.calls.push(`run schedule ${name} for ${requester}`);
      return 'job1';
    },
    next: async (_name, count) => [1_700_000_400_000, 1_700_086_800_000].slice(0, count),
    history: async () => this.ticks,
  };
  schedule: Schedule | undefined;
  ticks: Tick[] = [];
  aSchedule(): Schedule {
    if (this.schedule === undefined) throw fail('not-found', 'there is no such schedule');
    return this.schedule;
  }
  readonly teams: App['teams'] = {
    list: async () => [{ name: 'db', weight: 2, mostJobs: 0, mostHosts: 500 }],
    set: async (team) => {
      this.calls.push(`team ${JSON.stringify(team)}`);
      return team;
    },
    reset: async (name) => void this.calls.push(`reset team ${name}`),
  };
  readonly identities: App['identities'] = {
    createToken: async (request) => {
      this.calls.push(`token ${JSON.stringify(request)}`);
      return { token: TOKEN, text: 'pte.token' };
    },
    tokens: async () => [TOKEN],
    revokeToken: async (id) => ({ ...TOKEN, id, revoked: 1 }),
    certificates: async () => [{ ...CERTIFICATE, state: 'good' }, CERTIFICATE],
    revoke: async (which) => [{ ...CERTIFICATE, name: which }],
    enrolledHosts: async () => [ENROLLED],
    forgetHost: async (name) => ({ ...ENROLLED, name }),
  };
  readonly approvals: App['approvals'] = {
    get: async (jobId) => ({
      ...{ jobId, requester: 'bob@there', requestSha256: 'abc', hosts: ['web1'], expires: 1, decision: undefined },
      scripts: [
        {
          name: 'own.stp',
          text: 'probe begin {}\n',
          sha256: 'def',
          arguments: [],
          isGuru: true,
          command: ['sleep', '1'],
        },
      ],
    }),
    approve: async (jobId, who, sha256) => void this.calls.push(`approve ${jobId} ${sha256} as ${who.split('@')[0]}`),
    reject: async (jobId, who, reason) => void this.calls.push(`reject ${jobId} as ${who.split('@')[0]}: ${reason}`),
  };
  topAnswer: TopAnswered = {
    ...{ event: 'page-faults', type: { type: 'page-faults', unit: 'count' }, groups: [], leftOut: [], losses: [] },
    ...{ captures: 0, jobs: 0, hosts: 0, samples: 0, weight: 0, recorded: 0, firstJob: 0, lastJob: 0, sampling: [] },
  };
  topQuestion: TopQuestion | undefined;
  readonly questions: App['questions'] = {
    top: async (question, { onProgress }) => {
      this.topQuestion = question;
      onProgress?.({ done: 0, of: 12 });
      return this.topAnswer;
    },
  };
  readonly auditLogs: App['auditLogs'] = {
    entries: async (query) => {
      this.calls.push(`audit ${JSON.stringify(query)}`);
      return this.auditEntries;
    },
    verify: async () => this.auditReport,
    ofHosts: async (hosts, query) => {
      this.calls.push(`audit of ${hosts.map(({ name }) => name).join(' ')} ${JSON.stringify(query)}`);
      return this.hostEntries;
    },
    verifyHosts: async () => this.hostReports,
  };
  async close(): Promise<void> {
    this.isClosed = true;
  }

  async #end(options: RunOptions): Promise<Job> {
    await this.during(options, this);
    const job = { ...(await this.job('last')), state: this.endState, ended: 1_700_000_005_000 };
    this.known = job;
    return job;
  }
}

export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Surroundings {
  readonly app?: FakeApp;
  readonly isTty?: boolean;
  readonly env?: Readonly<Record<string, string>>;
  /** Hands out the two stages of Ctrl-C. */
  readonly stop?: AbortController;
  readonly cancel?: AbortController;
  /** Told what the command asks for when it opens the app. */
  readonly onOpen?: (options: AppOptions) => void;
}

/** Run `perftrawl ...argv` with the fake app. */
export async function run(argv: readonly string[], surroundings: Surroundings = {}): Promise<Outcome> {
  const out = new Collector();
  const err = new Collector();
  const { app = new FakeApp(), isTty = false } = surroundings;
  const io: CliIo = {
    stdout: out,
    stderr: err,
    isStdoutTty: isTty,
    isStderrTty: isTty,
    columns: 120,
    progressColumns: 120,
    env: { TERM: 'xterm', ...surroundings.env },
    interrupt: {
      stop: (surroundings.stop ?? new AbortController()).signal,
      cancel: (surroundings.cancel ?? new AbortController()).signal,
    },
    now: () => 1_700_000_000_000,
    homeDirectory: '/home/me',
    userName: 'me',
  };
  const code = await runCli(argv, {
    io,
    version: '1.2.3',
    openApp: async (options) => {
      surroundings.onOpen?.(options);
      return app;
    },
    openUpkeep: () => Promise.reject(new Error('no store is looked after here')),
    openServer: async (_appOptions, options) => {
      const { listen, agents, approve } = options;
      app.calls.push(`serve ${listen.host}:${listen.port} approve ${approve}`);
      return {
        address: listen,
        ...(agents === undefined ? {} : { agents: `${agents.host}:${agents.port}` }),
        close: async () => void app.calls.push('stop serving'),
      };
    },
  });
  return { code, stdout: out.text, stderr: err.text };
}

class Collector extends Writable {
  text = '';
  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.text += chunk.toString();
    done();
  }
}
