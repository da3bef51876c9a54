// The controller in this process: makes the adapters and ties them together. The only place that constructs them.
import { hostname, userInfo } from 'node:os';
import path from 'node:path';
import type { AgentApi } from '../proto/agent-api.js';
import { fail, toFailure } from '../proto/failure.js';
import type { AgentDelivery, Answer, App, Host, HostRun, Job, RunOptions } from './api.js';
import { type ApprovalRule, scriptsToRead } from './approval/approval.js';
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
import { newJobId } from './jobs/job-id.js';
import { checkRequest, findJob, listJobs, toJob } from './jobs/job-lookup.js';
import { jobResults } from './jobs/job-results.js';
import { isEnded, type JobRunTools, runJob } from './jobs/job-run.js';
import { ModuleCache } from './jobs/module-cache.js';
import { processOwners } from './jobs/owner.js';
import { PendingReleases } from './jobs/pending-releases.js';
import { storedQuestions } from './questions/answer-top.js';
import type { StoredJob } from './store/control-store.js';
import { openStore } from './store/open-store.js';
import { sqlApprovalStore } from './store/sql-approval-store.js';
import { sqlAuditStore } from './store/sql-audit-store.js';
import { sqlControlStore } from './store/sql-control-store.js';
import { sqlIdentityStore } from './store/sql-identity-store.js';
import { sqlReleaseStore } from './store/sql-release-store.js';
import { sqlSampleStore } from './store/sql-sample-store.js';
import { sqlUserStore } from './store/sql-user-store.js';
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
  /** The app is a server's: of a file of SQLite there is one at a time. */
  readonly isServing?: boolean;
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
  /** Ids of jobs that were decided on, by whatever process, and that nobody has taken up since; the oldest first. */
  unstarted(limit: number): Promise<readonly string[]>;
  /** The same app as used by somebody else: what he asks for is written down as his. */
  actingFor(actor: Actor): App;
}

/** For connections, and for the answer to a short question. */
const connectTimeout = 10_000;
const askTimeout = 30_000;
/** On top, for hosts to which the agent may first have to be made and sent. */
const sendAllowance = 150_000;
const handshakesAtOnce = 16;
/** Hosts that are asked at the same time. */
const askedAtOnce = 32;
const cancelPoll = 200;

/** @throws FailureError 'bad-request' for the inventory, and those of openStore */
export async function createApp(options: AppOptions): Promise<LocalApp> {
  const { dataDir, configDir, agentCommand, approve = 'none', clock = systemClock, random = Math.random } = options;
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
    ...{ isServing: options.isServing ?? false, clock, random },
  });
  const ssh = options.ssh === undefined ? undefined : openSsh(options.ssh, inventory, dataDir);
  const audit = storedAudit(sqlAuditStore(database), () => clock.now());
  const identity = await identityServices({
    ...{ store: sqlIdentityStore(database), audit, clock, caDirectory, inventory: inventory.hosts },
    log: options.log ?? ((text) => void process.stderr.write(`perftrawl: ${text}\n`)),
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
  const releases = new PendingReleases({ agents: pool, store: sqlReleaseStore(database), clock });
  const owners = processOwners({ now: clock.now, random, pid: process.pid, procRoot: '/proc' });
  const modules = new ModuleCache(path.join(dataDir, 'modules'), () => clock.now());
  const localName = `${userInfo().username}@${hostname()}`;
  const decisions = sqlApprovalStore(database);
  const tools: JobRunTools = {
    ...{ control, samples, agents: releases, clock, random, modules, releases },
    limits: defaultIntakeLimits,
    room: new IntakeRoom(),
    async originOf(jobId) {
      const decision = await decisions.decision(jobId);
      const approvers = decision?.kind === 'approved' ? [decision.who] : [];
      return { jobId, controller: localName, approvers };
    },
  };
  /** Owners that `submit` wrote down: they hold a job until it is run. */
  const submitted = new Set<string>();

  async function take(job: StoredJob): Promise<string> {
    if (job.state === 'awaiting-approval') {
      const remedy = `somebody else has to read it: perftrawl jobs approve ${job.id}`;
      throw fail('refused', `job ${job.id} waits for approval`, remedy);
    }
    if (job.state !== 'running') throw fail('conflict', `job ${job.id} has ended: it ${stateText(job)}`);
    if (!submitted.has(job.owner) && owners.isAlive(job.owner, job.ownerSeen)) {
      throw fail('conflict', `job ${job.id} is run by another process`, 'wait for it, or cancel it');
    }
    const owner = owners.claim();
    if (!(await control.claimJob(job.id, job.owner, owner, clock.now()))) {
      owners.release(owner);
      throw fail('conflict', `job ${job.id} was just taken up by another process`, 'wait for it, or cancel it');
    }
    submitted.delete(job.owner);
    owners.release(job.owner);
    return owner;
  }

  async function run(id: string, runOptions: RunOptions): Promise<Job> {
    const job = await findJob(control, id);
    const owner = await take(job);
    try {
      await runJob(job, owner, runOptions, tools);
    } finally {
      owners.release(owner);
    }
    const ended = toJob(await findJob(control, job.id), owners);
    runOptions.onEvent({ kind: 'job', job: ended });
    return ended;
  }

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

  const approvals = jobApprovals({
    ...{ decisions, now: () => clock.now() },
    findJob: (id) => findJob(control, id),
    async cancelReleased(id) {
      await run(id, { signal: new AbortController().signal, onEvent: () => undefined });
    },
  });
  const users = storedUsers({
    ...{ store: sqlUserStore(database), now: () => clock.now() },
    caSha256: () => fileFingerprint(identityFiles.ca),
    localName,
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
    hosts(selectorText) {
      const selector = parseSelector(selectorText);
      return identity.hosts().filter((host) => matchesSelector(host, selector));
    },
    describe: (hosts, signal) => ask(hosts, 'describing', signal, (api, limited) => api.describe(limited)),
    listProcesses: (hosts, selector, signal) =>
      ask(hosts, 'listing the processes of', signal, (api, limited) => api.listProcesses(selector, limited)),
    preflight: (hosts, spec, signal) =>
      ask(hosts, 'checking the capture on', signal, (api, limited) => api.preflight(spec, limited)),
    scripts: (hosts, signal) =>
      ask(hosts, 'listing the SystemTap scripts of', signal, (api, limited) => api.listScripts(limited)),

    async submit(request) {
      checkRequest(request);
      const created = clock.now();
      const id = newJobId(created, random);
      const waits = scriptsToRead(request.spec, approve).length > 0;
      const owner = waits ? '' : owners.claim();
      const runs = request.hosts.map((host) => newRun(id, host));
      const job: StoredJob = {
        ...{ id, request, state: waits ? 'awaiting-approval' : 'running', created, ended: 0, owner },
        ...{ ownerSeen: created, isCancelRequested: false },
      };
      await control.createJob(job, runs);
      if (!waits) submitted.add(owner);
      return toJob(job, owners);
    },
    run,
    resume: run,

    async cancel(id, signal) {
      const job = await findJob(control, id);
      if (job.state === 'awaiting-approval') await control.cancelAwaiting(job.id);
      else if (job.state !== 'running') return toJob(job, owners);
      await control.requestCancel(job.id);
      const runs = (await control.hostRuns(job.id)).filter(
        (hostRun) => !isEnded(hostRun) && hostRun.state !== 'waiting',
      );
      const captureOf = new Map(runs.map((hostRun) => [hostRun.host, hostRun.captureId]));
      const hosts = job.request.hosts.filter((host) => captureOf.has(host.name));
      // Whether an agent could be told shows in the state of its host run, which the owner of the job writes.
      await ask(hosts, 'cancelling the capture on', signal, (api, limited, host) =>
        api.stopCapture(captureOf.get(host.name) ?? '', true, limited),
      );
      for (;;) {
        const now = await findJob(control, job.id);
        if (now.state !== 'running') return toJob(now, owners);
        if (submitted.has(now.owner) || !owners.isAlive(now.owner, now.ownerSeen)) {
          return run(job.id, { signal, onEvent: () => undefined });
        }
        if ((await clock.sleep(cancelPoll, signal)) === 'aborted') {
          throw fail('deadline', `job ${job.id} is being cancelled by the process that runs it, and has not ended yet`);
        }
      }
    },

    async job(id) {
      return toJob(await findJob(control, id), owners);
    },
    jobs: (filter) => listJobs(control, owners, filter),
    unstarted: (limit) => control.unowned(limit),
    async hostRuns(jobId) {
      return control.hostRuns((await findJob(control, jobId)).id);
    },
    async deleteJob(jobId) {
      const job = await findJob(control, jobId);
      if (toJob(job, owners).state === 'running') {
        throw fail('conflict', `job ${job.id} is running`, `cancel it first: perftrawl jobs cancel ${job.id}`);
      }
      const runs = new Map((await control.hostRuns(job.id)).map((hostRun) => [hostRun.host, hostRun]));
      await fanOut(job.request.hosts, askedAtOnce, async (host) => {
        const hostRun = runs.get(host.name);
        if (hostRun === undefined) return;
        // Of one that has ended only artifacts are left; what an interrupted job began nobody will fetch.
        const isHeld = isEnded(hostRun) ? hostRun.artifacts.length > 0 : hostRun.state !== 'waiting';
        if (isHeld) await releases.drop(host, hostRun);
      });
      await samples.deleteJob(job.id);
      await control.deleteJob(job.id);
    },

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
      for (const owner of submitted) owners.release(owner);
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

function newRun(jobId: string, host: Host): HostRun {
  return {
    ...{ jobId, host: host.name, captureId: `${jobId}.${host.name}`, state: 'waiting', captureState: undefined },
    ...{ sequence: 0, started: 0, ended: 0, failure: undefined, losses: [], cost: undefined },
    ...{ artifacts: [], commandLines: [], parts: [], module: undefined },
    progress: { elapsed: 0, samples: 0, bytes: 0, lost: 0 },
  };
}

function stateText(job: StoredJob): string {
  return job.state === 'cancelled' ? 'was cancelled' : `${job.state === 'partial' ? 'partly ' : ''}${job.state}`;
}
