// The controller in this process: makes the adapters and ties them together. The only place that constructs them.
import { hostname, userInfo } from 'node:os';
import path from 'node:path';
import type { AgentApi } from '../proto/agent-api.js';
import { type Failure, fail, toFailure } from '../proto/failure.js';
import { DEFAULT_DECODE_LIMITS } from '../proto/profile-codec.js';
import { timeoutSignal } from '../proto/timeout-signal.js';
import type { AgentDelivery, Answer, App, Host, Job, JobRequest, RepeatableRequest } from './api.js';
import type { ApprovalRule } from './approval/approval.js';
import { jobApprovals } from './approval/job-approvals.js';
import { type ReadableAudit, storedAudit } from './audit/audit.js';
import { auditLogs } from './audit/audit-logs.js';
import { type Actor, auditedApp } from './audit/audited-app.js';
import { type Clock, systemClock } from './clock.js';
import type { DialIn } from './dial-in/dial-in.js';
import { identityServices } from './enroll/open-identities.js';
import type { Revocations } from './enroll/revocations.js';
import { HostPool } from './fleet/host-pool.js';
import type { Inventory } from './fleet/inventory.js';
import { readInventory } from './fleet/inventory-file.js';
import { matchesSelector, parseSelector } from './fleet/selector.js';
import { defaultIntakeLimits } from './jobs/capture-intake.js';
import { withDeadline } from './jobs/deadline.js';
import { fanOut, taskQueue } from './jobs/fan-out.js';
import { IntakeRoom } from './jobs/intake-room.js';
import { JobDesk } from './jobs/job-desk.js';
import { findJob } from './jobs/job-lookup.js';
import { jobResults } from './jobs/job-results.js';
import type { JobRunTools } from './jobs/job-run.js';
import { ModuleCache } from './jobs/module-cache.js';
import { processOwners } from './jobs/owner.js';
import { PendingReleases } from './jobs/pending-releases.js';
import type { QueueLimits } from './jobs/queue-policy.js';
import { storedTeams } from './jobs/stored-teams.js';
import { fireWatches, triggerWatch } from './jobs/trigger-watch.js';
import { storedQuestions } from './questions/answer-top.js';
import { type Alert, type AlertAnswer, answerAlerts } from './schedule/alerts.js';
import { mergeJobs } from './schedule/merged-job.js';
import { keepWhatIsToBeKept } from './schedule/retention.js';
import { decideDue, type SchedulerOptions } from './schedule/scheduler.js';
import { storedSchedules } from './schedule/stored-schedules.js';
import type { Ownership } from './store/control-store.js';
import type { QueueState } from './store/job-queue-store.js';
import { openStore } from './store/open-store.js';
import { patientDatabase } from './store/patient-database.js';
import { sqlApprovalStore } from './store/sql-approval-store.js';
import { sqlAuditStore } from './store/sql-audit-store.js';
import { sqlControlStore } from './store/sql-control-store.js';
import { sqlIdentityStore } from './store/sql-identity-store.js';
import { sqlJobQueue } from './store/sql-job-queue.js';
import { sqlReleaseStore } from './store/sql-release-store.js';
import { sqlSampleStore } from './store/sql-sample-store.js';
import { sqlScheduleStore } from './store/sql-schedule-store.js';
import { sqlUserStore } from './store/sql-user-store.js';
import { storeHealth } from './store/store-health.js';
import { fileFingerprint } from './transport/ca-fingerprint.js';
import { noDialIn } from './transport/dial-in.js';
import { type IdentityFiles, identityFilesIn, readIdentity } from './transport/identity.js';
import { localTransport } from './transport/local.js';
import { askingRetries } from './transport/retry.js';
import { readAgentPackage } from './transport/ssh/agent-package.js';
import type { AskSecret } from './transport/ssh/auth.js';
import { type SshTransport, sshTransport } from './transport/ssh/ssh-transport.js';
import { tlsTransport } from './transport/tls.js';
import type { Transport } from './transport/transport.js';
import { requesterRefusal } from './users/requester.js';
import { type Authenticator, storedUsers, type Users } from './users/users.js';

export interface AppOptions {
  /** Directory of `perftrawl.db` and of the local agents' state; made when it is not there. */
  readonly dataDir: string;
  /** Directory of `inventory.yaml` and `ca/`; neither has to be there. */
  readonly configDir: string;
  /** Instead of `configDir/inventory.yaml`; this one has to be there. */
  readonly inventoryPath?: string;
  /** argv that runs the local agent: `[process.execPath, '…/bin/perftrawl', 'agent']`. */
  readonly agentCommand: readonly string[];
  /** Where jobs and results are kept; default: `perftrawl.db` in the data directory. */
  readonly store?: AppStoreOptions;
  /** How hosts are reached by ssh; absent: they are not. */
  readonly ssh?: AppSshOptions;
  /** Where agents that dial in are taken; absent: none are. */
  readonly dialIn?: AppDialInOptions;
  /**
   * Of a server, of which a file of SQLite has one at a time: jobs wait for their turn within these bounds. Absent: whoever asks for a job
   * runs it at once.
   */
  readonly queue?: QueueLimits;
  /** Jobs that have to wait for a second person; default: none. */
  readonly approve?: ApprovalRule;
  readonly clock?: Clock;
  /** Numbers from 0 up to, not including, 1. */
  readonly random?: () => number;
  /** Told while the agent is sent to a host for a question; jobs tell it in their events. */
  readonly onDelivery?: (host: string, delivery: AgentDelivery | undefined) => void;
  /** What nobody asked for and somebody should know; default: stderr. */
  readonly log?: (text: string) => void;
}

export interface AppDialInOptions {
  /** `HOST:PORT`. */
  readonly listen: string;
  /** Of role `server`; default: `ca/server.crt`, `ca/server.key` and `ca/ca.crt` of the configuration directory. */
  readonly identity?: IdentityFiles;
  /** One line about who came and went. */
  readonly log: (line: string) => void;
}

export interface AppStoreOptions {
  /** `postgres://…` or `sqlite:FILE`. */
  readonly name: string;
  /** Of PostgreSQL's own variables: PGPASSWORD and the like. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly homeDirectory: string;
}

export interface AppSshOptions {
  /** In place of ~/.ssh/config. */
  readonly configFile?: string;
  readonly homeDirectory: string;
  /** `SSH_AUTH_SOCK`. */
  readonly agentSocket: string | undefined;
  /** The built agent that is sent to hosts. */
  readonly agentScript: string;
  readonly askSecret: AskSecret;
}

/** The app as it is on the machine that has the store: what a server is made of. */
export interface LocalApp extends App {
  /** Agents that dial in, where `createApp` was told to take them. */
  readonly dialIn?: DialIn;
  readonly users: Users & Authenticator;
  /** To be asked about each certificate that somebody shows, also that of a user. */
  readonly revocations: Revocations;
  /** What was asked of this controller, and what came of it. */
  readonly audit: ReadableAudit;
  /** @param repeatable a request that makes one job, however often it comes */
  submit(request: JobRequest, repeatable?: RepeatableRequest): Promise<Job>;
  /** The job that a request has made before; undefined when it has not. @throws FailureError 'conflict' when its key was used for another */
  submitted(repeatable: RepeatableRequest): Promise<Job | undefined>;
  /** What waits and what runs, of all servers of the store. */
  queue(): Promise<QueueState>;
  /** Decide on the ticks of schedules that are due: their jobs are queued. @returns how many schedules were */
  decideDue(): Promise<number>;
  /** Have the schedules that alerts are for ask for jobs. */
  answerAlerts(alerts: readonly Alert[]): Promise<readonly AlertAnswer[]>;
  /** Merge and delete old results of schedules, as these say. */
  keepWhatIsToBeKept(signal: AbortSignal): Promise<void>;
  /** Id of the queued job whose turn it is: it is running then, and `run` has to follow. Undefined when there is none. */
  takeTurn(): Promise<string | undefined>;
  /** Running jobs whose owners are gone: somebody else's, or taken up by `run`. The oldest first. */
  orphans(): Promise<readonly Ownership[]>;
  /** Whichever controller runs the job ends it early and keeps what there is. */
  requestStop(id: string): Promise<void>;
  /** Why the store cannot be used at present; undefined when it can. Asked at most once a second. */
  health(): Promise<Failure | undefined>;
  /** The same app as used by somebody else: what he asks for is written down as his. */
  actingFor(actor: Actor): App;
}

/** For connections, and for the answer to a short question. */
const connectTimeout = 10_000;
const askTimeout = 30_000;
/** For a store that is away when somebody asks for something: then he is refused. */
const requestPatience = 10_000;
/** On top, for hosts to which the agent may first have to be made and sent. */
const sendAllowance = 150_000;
/** For ending the job before, where the next one of a schedule comes instead of it. */
const replaceTimeout = 120_000;
const handshakesAtOnce = 16;
/** Hosts that are asked at the same time. */
const askedAtOnce = 32;

/** @throws FailureError 'bad-request' for the inventory, and those of openStore */
export async function createApp(options: AppOptions): Promise<LocalApp> {
  const { dataDir, configDir, agentCommand, approve = 'none', clock = systemClock, random = Math.random } = options;
  const log = options.log ?? ((text: string) => void process.stderr.write(`perftrawl: ${text}\n`));
  const inventory = await readInventory(configDir, options.inventoryPath);
  const caDirectory = path.join(configDir, 'ca');
  const identityFiles = { ...identityFilesIn(caDirectory, 'controller'), ...inventory.identity };
  const place = options.store ?? {
    name: `sqlite:${path.join(dataDir, 'perftrawl.db')}`,
    env: {},
    homeDirectory: dataDir,
  };
  const database = await openStore({
    ...{ store: place.name, env: place.env, homeDirectory: place.homeDirectory, userName: userInfo().username },
    ...{ isServing: options.queue !== undefined, clock, random },
  });
  const ssh = options.ssh === undefined ? undefined : openSsh(options.ssh, inventory, dataDir);
  const awaited = patientDatabase(database, clock, { patience: requestPatience }).database;
  const audit = storedAudit(sqlAuditStore(awaited), () => clock.now());
  const identity = await identityServices({
    ...{ store: sqlIdentityStore(database), audit, clock, caDirectory, inventory: inventory.hosts },
    log,
  }).catch(async (error: unknown) => {
    await database.close();
    throw error;
  });
  const dialIn =
    options.dialIn === undefined
      ? undefined
      : await identity
          .listen({
            ...{ listen: options.dialIn.listen, log: options.dialIn.log },
            readIdentity: () => readIdentity(options.dialIn?.identity ?? identityFilesIn(caDirectory, 'server')),
          })
          .catch(async (error: unknown) => {
            await identity.close();
            await database.close();
            throw error;
          });
  const pool = new HostPool({
    transports: {
      local: localTransport({
        agentCommand,
        stateDirectory: path.join(dataDir, 'agents'),
        startTimeout: connectTimeout,
      }),
      tls: tlsTransport({
        ...{ readIdentity: () => readIdentity(identityFiles), connectTimeout },
        ...{ inTurn: taskQueue(handshakesAtOnce).add, revocations: identity.revocations },
      }),
      ssh: ssh ?? unreachableBySsh,
      'dial-in': dialIn?.transport ?? noDialIn,
    },
    clock,
    random,
    ...(options.onDelivery === undefined ? {} : { onDelivery: options.onDelivery }),
  });
  const control = sqlControlStore(database);
  const samples = sqlSampleStore(database);
  const patient = patientDatabase(database, clock, {
    onWait: ({ message, remedy }) => log(`waiting for the store: ${message} (${remedy})`),
  });
  const health = storeHealth(database, clock);
  const releases = new PendingReleases({ agents: pool, store: sqlReleaseStore(patient.database), clock });
  const owners = processOwners({ random, pid: process.pid, procRoot: '/proc' });
  const modules = new ModuleCache(path.join(dataDir, 'modules'), () => clock.now());
  const localName = `${userInfo().username}@${hostname()}`;
  const decisions = sqlApprovalStore(database);
  const tools: JobRunTools = {
    ...{ control: sqlControlStore(patient.database), samples: sqlSampleStore(patient.database) },
    ...{ agents: releases, clock, random, modules, releases, storeAway: patient.away },
    limits: defaultIntakeLimits,
    room: new IntakeRoom(),
    async runFiring(jobId, options) {
      const job = await control.job(jobId);
      const isOthers = job === undefined || job.state !== 'running' || owners.isAlive(job.owner, job.ownerSilence);
      if (!isOthers) await desk.run(jobId, options);
    },
    async originOf(jobId) {
      const decision = await sqlApprovalStore(patient.database).decision(jobId);
      const approvers = decision?.kind === 'approved' ? [decision.who] : [];
      return { jobId, controller: localName, approvers };
    },
  };
  function ask<T>(
    hosts: readonly Host[],
    doing: string,
    signal: AbortSignal,
    question: (api: AgentApi, signal: AbortSignal, host: Host) => Promise<T>,
  ): Promise<readonly Answer<T>[]> {
    return fanOut(hosts, askedAtOnce, async (host): Promise<Answer<T>> => {
      try {
        const timeout = host.address.transport === 'ssh' ? askTimeout + sendAllowance : askTimeout;
        const value = await withDeadline(clock, timeout, signal, `${doing} ${host.name}`, (limited) =>
          releases.ask(host, askingRetries, limited, (api, attempt) => question(api, attempt, host)),
        );
        return { host, ok: true, value };
      } catch (error) {
        return { host, ok: false, failure: toFailure(error) };
      }
    });
  }

  const queue = sqlJobQueue(database);
  const desk = new JobDesk({ tools, control, owners, approve, ask, queue, limits: options.queue });
  const schedules = sqlScheduleStore(database);
  const leaseholder = `${localName} ${process.pid} ${Math.floor(random() * 2 ** 48).toString(36)}`;
  const hostsOf = (selectorText: string): readonly Host[] => {
    const selector = parseSelector(selectorText);
    return identity.hosts().filter((host) => matchesSelector(host, selector));
  };
  const users = storedUsers({
    // Who asks is only read; a user who was added could not be added again.
    ...{ store: { ...sqlUserStore(awaited), add: sqlUserStore(database).add }, now: () => clock.now() },
    caSha256: () => fileFingerprint(identityFiles.ca),
    localName,
  });
  const scheduling: SchedulerOptions = {
    ...{ store: schedules, control, hosts: hostsOf, clock, log },
    newJob: (request) => desk.newJob(request, 'queued'),
    refusalOf: requesterRefusal(users),
    fireWatches(names, cause) {
      const signal = timeoutSignal(replaceTimeout);
      fireWatches(names, cause, { control, ask, random }, signal).catch((error: unknown) => {
        log(`watches are not triggered: ${toFailure(error).message}`);
      });
    },
    cancel(id) {
      desk.cancel(id, timeoutSignal(replaceTimeout)).catch((error: unknown) => {
        log(`job ${id} is not ended for the one that comes instead of it: ${toFailure(error).message}`);
      });
    },
  };
  const approvals = jobApprovals({
    ...{ decisions, now: () => clock.now() },
    findJob: (id) => findJob(control, id),
    async cancelReleased(id) {
      await desk.run(id, { signal: new AbortController().signal, onEvent: () => undefined });
    },
  });

  const unaudited: LocalApp = {
    ...(dialIn === undefined ? {} : { dialIn }),
    users,
    audit,
    auditLogs: auditLogs(audit, ask, localName),
    actingFor: (actor) => auditedApp(unaudited, audit, actor),
    revocations: identity.revocations,
    identities: identity.identities,
    approvals,
    teams: storedTeams(queue),
    schedules: storedSchedules({
      ...{ store: schedules, now: () => clock.now(), hosts: hostsOf },
      submit: (request, repeatable) => desk.submit(request, repeatable),
      submitted: (repeatable) => desk.submitted(repeatable),
      check: (request) => void desk.newJob(request, 'queued'),
    }),
    hosts: hostsOf,
    describe: (hosts, signal) => ask(hosts, 'describing', signal, (api, limited) => api.describe(limited)),
    listProcesses: (hosts, selector, signal) =>
      ask(hosts, 'listing the processes of', signal, (api, limited) => api.listProcesses(selector, limited)),
    preflight: (hosts, spec, signal) =>
      ask(hosts, 'checking the capture on', signal, (api, limited) => api.preflight(spec, limited)),
    scripts: (hosts, signal) =>
      ask(hosts, 'listing the SystemTap scripts of', signal, (api, limited) => api.listScripts(limited)),

    submit: (request, repeatable) => desk.submit(request, repeatable),
    submitted: (repeatable) => desk.submitted(repeatable),
    run: (id, runOptions) => desk.run(id, runOptions),
    resume: (id, runOptions) => desk.resume(id, runOptions),
    cancel: (id, signal) => desk.cancel(id, signal),
    trigger: (jobId, hosts, cause, signal) => triggerWatch(jobId, hosts, cause, { control, ask, random }, signal),
    job: (id) => desk.job(id),
    jobs: (filter) => desk.jobs(filter),
    queue: () => queue.state(),
    takeTurn: () => desk.takeTurn(),
    keepWhatIsToBeKept: (signal) =>
      keepWhatIsToBeKept(
        {
          ...{ store: schedules, control, samples, audit, clock, log, owner: leaseholder },
          merge: mergeJobs({ control, samples, decode: DEFAULT_DECODE_LIMITS, log }),
          deleteJob: (id) => desk.deleteJob(id),
        },
        signal,
      ),
    decideDue: () => decideDue(scheduling),
    answerAlerts: (alerts) => answerAlerts(alerts, scheduling),
    orphans: () => desk.orphans(),
    requestStop: (id) => control.requestStop(id),
    health: () => health(),
    hostRuns: async (jobId) => control.hostRuns((await findJob(control, jobId)).id),
    deleteJob: (jobId) => desk.deleteJob(jobId),

    ...jobResults(tools),
    questions: storedQuestions(control, samples),

    cleanHosts: (hosts, isForced, signal) =>
      ask(hosts, 'cleaning', signal, async (api, limited, host) => {
        if (ssh === undefined || host.address.transport !== 'ssh') {
          throw fail('bad-request', `${host.name} is not reached by ssh: nothing was sent there`);
        }
        const kept = isForced ? [] : await api.listCaptures(limited);
        if (kept.length > 0) {
          const ids = kept.slice(0, 5).map(({ captureId }) => captureId);
          throw fail(
            'conflict',
            `${host.name} still has ${kept.length} captures: ${ids.join(', ')}`,
            'fetch them (perftrawl jobs resume) or delete their jobs, or lose them with --force',
          );
        }
        await releases.discard(host, api);
        return ssh.clean(host, limited);
      }),
    async close() {
      desk.close();
      await releases.settle();
      await pool.close();
      await dialIn?.close();
      await identity.close();
      await database.close();
    },
  };
  return auditedApp(unaudited, audit, { who: localName });
}

function openSsh(options: AppSshOptions, inventory: Inventory, dataDir: string): SshTransport {
  return sshTransport({
    ...options,
    configFile: options.configFile ?? inventory.sshConfig ?? '',
    agentPackage: once(() => readAgentPackage(options.agentScript, path.join(dataDir, 'agent-executables'))),
    connectTimeout,
  });
}

const unreachableBySsh: Transport = {
  open: (host) => Promise.reject(fail('bad-request', `${host.name} is reached by ssh, and this controller is not`)),
};

/** The same promise for every caller; another try after a failure. */
function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make().catch((error: unknown) => {
      made = undefined;
      throw error;
    });
    return made;
  };
}
