// `perftrawl jobs approve|reject`: the second person reads a script, then decides.
import { hostname } from 'node:os';
import { Command } from '@commander-js/extra-typings';
import type { Approval } from '../../approval/approval.js';
import { printable } from '../../views/printable.js';
import { type CliSession, examples } from '../command.js';
import type { CommandContext } from '../context.js';
import { EXIT, type ExitCode } from '../exit-codes.js';
import { writeJson, writeLines } from '../io.js';
import { momentText } from '../render/time-text.js';

export interface ApproveRequest {
  readonly job: string;
  /** What the approver has read; undefined: show it, decide nothing. */
  readonly sha256: string | undefined;
}

export interface RejectRequest {
  readonly job: string;
  readonly reason: string;
}

async function runApprove(context: CommandContext, request: ApproveRequest): Promise<ExitCode> {
  const { io, isJson } = context;
  return context.withApp(async (app) => {
    const { id } = await app.job(request.job);
    if (request.sha256 === undefined) {
      const approval = await app.approvals.get(id);
      if (isJson) await writeJson(io, { approval });
      else await writeLines(io.stdout, approvalLines(approval));
      return EXIT.ok;
    }
    await app.approvals.approve(id, whoOf(context), request.sha256);
    const job = await app.job(id);
    if (isJson) await writeJson(io, { job });
    else await writeLines(io.stdout, [`approved job ${job.id}; it is ${job.state}`]);
    return EXIT.ok;
  });
}

async function runReject(context: CommandContext, request: RejectRequest): Promise<ExitCode> {
  return context.withApp(async (app) => {
    const { id } = await app.job(request.job);
    await app.approvals.reject(id, whoOf(context), request.reason);
    const job = await app.job(id);
    if (context.isJson) await writeJson(context.io, { job });
    else await writeLines(context.io.stdout, [`rejected job ${job.id}; it is ${job.state}`]);
    return EXIT.ok;
  });
}

/** A server knows better than its client who that is. */
function whoOf({ io }: CommandContext): string {
  return `${io.userName}@${hostname()}`;
}

function approvalLines(approval: Approval): string[] {
  const { jobId, requester, scripts, hosts, expires, decision, requestSha256 } = approval;
  const decided = decision === undefined ? `until ${momentText(expires)} UTC` : `${decision.kind} by ${decision.who}`;
  return [
    `job ${jobId} of ${printable(requester)} on ${hosts.length} hosts: ${hosts.slice(0, 20).join(', ')}`,
    `  approval  ${decided}`,
    ...scripts.flatMap(({ name, text, sha256, isGuru, arguments: given, command }) => [
      `  script    ${printable(name)}${isGuru ? ' (guru: it may do anything to the kernel)' : ''}`,
      ...(given.length === 0 ? [] : [`  arguments ${printable(JSON.stringify(given))}`]),
      ...(command.length === 0 ? [] : [`  command   ${printable(JSON.stringify(command))}`]),
      ...(text === '' ? ['  of the catalogue; `perftrawl stap show` has its text'] : [`  SHA-256   ${sha256}`, '']),
      ...(text === '' ? [] : text.split('\n').map((line) => `    ${printable(line)}`)),
    ]),
    ...(decision === undefined
      ? [
          'nothing is decided yet. After you have read it:',
          `  perftrawl jobs approve ${jobId} --sha256 ${requestSha256}`,
        ]
      : []),
  ];
}

export function approveCommand(session: CliSession) {
  return new Command('approve')
    .description('show the script that a job of somebody else waits with; with --sha256 let it run')
    .argument('<job>', 'its id, the beginning of it, or `last`')
    .option('--sha256 <hash>', 'of the request, as shown: what you approve is exactly that')
    .addHelpText('after', examples([{ does: 'read it first', line: 'perftrawl jobs approve last' }]))
    .action(async (job, flags) => session.end(await runApprove(session.context(), { job, sha256: flags.sha256 })));
}

export function rejectCommand(session: CliSession) {
  return new Command('reject')
    .description('let a job that waits for approval never run')
    .argument('<job>', 'its id, the beginning of it, or `last`')
    .requiredOption('--reason <text>', 'for the requester and for the record')
    .addHelpText(
      'after',
      examples([{ does: 'with the reason', line: "perftrawl jobs reject last --reason 'it probes every malloc'" }]),
    )
    .action(async (job, flags) => session.end(await runReject(session.context(), { job, reason: flags.reason })));
}
