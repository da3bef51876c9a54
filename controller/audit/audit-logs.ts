// Reading and verifying the audit logs: this controller's own, and those of its hosts.
import type { AgentApi } from '../../proto/agent-api.js';
import { AgentLogCheck } from '../../proto/agent-log-check.js';
import { type ChainEnd, type ChainedLine, type ChainReport, parseLine } from '../../proto/audit-chain.js';
import { matchesGlob } from '../../proto/glob.js';
import type { Answer, AuditLogs, AuditQuery, Host } from '../api.js';
import type { ReadableAudit } from './audit.js';
import type { AuditEntry, WrittenEntry } from './audit-entry.js';

/** Asks hosts at the same time, each with a deadline. */
export type AskHosts = <T>(
  hosts: readonly Host[],
  doing: string,
  signal: AbortSignal,
  question: (api: AgentApi, signal: AbortSignal, host: Host) => Promise<T>,
) => Promise<readonly Answer<T>[]>;

/** @param who verifies: the ends of the hosts' logs are written down as his */
export function auditLogs(audit: ReadableAudit, ask: AskHosts, who: string): AuditLogs {
  return {
    async entries(query) {
      const newest: WrittenEntry[] = [];
      for await (const entry of audit.entries(0)) {
        if (isWanted(entry, query)) keepNewest(newest, entry, query.limit);
      }
      return newest.slice(-query.limit);
    },

    verify: () => audit.verify(),

    ofHosts: (hosts, { since, jobId, limit }, signal) =>
      ask(hosts, 'reading the audit log of', signal, async (api, limited) => {
        const newest: ChainedLine[] = [];
        for await (const { lines } of api.readAudit({ fromSequence: 0, since }, limited)) {
          for (const entry of lines.map(parseLine)) {
            if (entry !== undefined && (jobId === '' || isOfJob(entry, jobId))) keepNewest(newest, entry, limit);
          }
        }
        return newest.slice(-limit);
      }),

    async verifyHosts(hosts, signal) {
      const known = await knownEnds(audit);
      const answers = await ask(hosts, 'verifying the audit log of', signal, (api, limited, { name }) =>
        verifyAgentLog(api, known.get(name), limited),
      );
      const ends = answers.flatMap((answer) =>
        answer.ok && answer.value.problems.length === 0 ? [[answer.host.name, answer.value.end] as const] : [],
      );
      await audit.append(verified(who, ends));
      return answers;
    },
  };
}

function isWanted({ time, who, jobId, hosts }: WrittenEntry, query: AuditQuery): boolean {
  if (time < query.since) return false;
  if (query.who !== '' && !matchesGlob(query.who, who)) return false;
  if (query.jobId !== '' && jobId !== query.jobId) return false;
  return query.host === '' || (hosts ?? []).includes(query.host);
}

/** Capture ids begin with the id of their job, also in the logs of agents that are not told of jobs. */
function isOfJob({ fields }: ChainedLine, jobId: string): boolean {
  const { captureId } = fields;
  return fields.jobId === jobId || (typeof captureId === 'string' && captureId.startsWith(`${jobId}.`));
}

/** Twice as many as wanted are kept at most, so that what is old goes in one step. */
function keepNewest<T>(list: T[], item: T, limit: number): void {
  list.push(item);
  if (list.length >= 2 * limit) list.splice(0, list.length - limit);
}

async function verifyAgentLog(api: AgentApi, known: ChainEnd | undefined, signal: AbortSignal): Promise<ChainReport> {
  const check = new AgentLogCheck(known);
  let head: ChainEnd | undefined;
  for await (const part of api.readAudit({ fromSequence: 0, since: 0 }, signal)) {
    head ??= part.head;
    for (const line of part.lines) check.push(line);
  }
  return check.end(head);
}

/** Where the log of each host ended when it was last found in order. */
async function knownEnds(audit: ReadableAudit): Promise<ReadonlyMap<string, ChainEnd>> {
  const ends = new Map<string, ChainEnd>();
  for await (const { what, detail } of audit.entries(0)) {
    if (what !== 'verify-hosts' || typeof detail?.ends !== 'object' || detail.ends === null) continue;
    for (const [host, end] of Object.entries(detail.ends)) {
      const isEnd = typeof end?.sequence === 'number' && typeof end.hash === 'string';
      if (isEnd) ends.set(host, { sequence: end.sequence, hash: end.hash });
    }
  }
  return ends;
}

function verified(who: string, ends: readonly (readonly [string, ChainEnd])[]): AuditEntry {
  return { who, what: 'verify-hosts', hosts: ends.map(([host]) => host), detail: { ends: Object.fromEntries(ends) } };
}
