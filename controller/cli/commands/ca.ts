// `perftrawl ca init|issue|ls`: the small certificate authority.
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { Command } from '@commander-js/extra-typings';
import { CERTIFICATE_ROLES, type CertificateRole } from '../../../proto/certificate-role.js';
import { type IssuedCertificate, initCa, issueCertificate } from '../../ca/certificate-authority.js';
import { type ListedCertificate, listCertificates } from '../../ca/certificate-list.js';
import { configDirectory } from '../../directories.js';
import type { ListedIdentity } from '../../enroll/identities.js';
import { type CliSession, examples } from '../command.js';
import type { CommandContext } from '../context.js';
import { EXIT, type ExitCode } from '../exit-codes.js';
import { writeJson, writeLines } from '../io.js';
import { parseChoice, parseWhole } from '../options/numbers.js';
import { momentText } from '../render/time-text.js';

/** As commander hands them over. */
interface IssueFlags {
  readonly dir?: string | undefined;
  readonly address?: readonly string[] | undefined;
  readonly role: string;
  readonly days: string;
}

export interface IssueRequest {
  readonly directory: string | undefined;
  readonly name: string;
  readonly addresses: readonly string[];
  readonly role: CertificateRole;
  readonly days: number;
}

/** @throws UsageError */
function parseIssue(name: string, flags: IssueFlags): IssueRequest {
  return {
    directory: flags.dir,
    name,
    addresses: (flags.address ?? []).flatMap((list) => list.split(',')),
    role: parseChoice('--role', flags.role, CERTIFICATE_ROLES),
    days: parseWhole('--days', flags.days, 1, 3650),
  };
}

async function runInitCa(
  context: CommandContext,
  request: { readonly directory: string | undefined },
): Promise<ExitCode> {
  const made = await initCa(directoryOf(context, request.directory), context.io.now());
  await report(context, 'made the CA', made, [
    'next: a certificate for this controller, and one for each agent',
    '  perftrawl ca issue controller --role controller',
    '  perftrawl ca issue web1 --address web1.example.net,10.0.0.11',
  ]);
  return EXIT.ok;
}

async function runIssue(context: CommandContext, request: IssueRequest): Promise<ExitCode> {
  const { directory, name, addresses, role, days } = request;
  const made = await issueCertificate(
    directoryOf(context, directory),
    { name, addresses, role, days },
    context.io.now(),
  );
  const next =
    role === 'agent'
      ? [
          'next: copy it, its key and ca.crt to that host, delete the key here, and start there',
          `  perftrawl agent --listen 0.0.0.0:7451 --ca ca.crt --cert ${name}.crt --key ${name}.key`,
        ]
      : [];
  await report(context, `issued a certificate for ${role} ${name}`, made, next);
  return EXIT.ok;
}

/** Another directory than the usual one is listed as it is: what was revoked is known of the usual CA only. */
async function runListCertificates(
  context: CommandContext,
  request: { readonly directory: string | undefined },
): Promise<ExitCode> {
  const { directory } = request;
  const listed =
    directory === undefined
      ? await context.withApp((app) => app.identities.certificates())
      : await listCertificates(resolve(directory), context.io.now());
  if (context.isJson) await writeJson(context.io, listed);
  else if (listed.length === 0) await writeLines(context.io.stdout, ['no certificates but the root']);
  else await writeLines(context.io.stdout, listed.map(certificateLine));
  return EXIT.ok;
}

function certificateLine({ name, role, state, notAfter, serial }: ListedCertificate | ListedIdentity): string {
  return `${name}  ${role ?? 'no role'}  ${state}  until ${momentText(notAfter)} UTC  serial ${serial}`;
}

async function runRevoke(context: CommandContext, which: string): Promise<ExitCode> {
  return context.withApp(async (app) => {
    const revoked = await app.identities.revoke(which);
    if (context.isJson) await writeJson(context.io, { revoked });
    else if (revoked.length === 0) await writeLines(context.io.stdout, ['it was revoked before']);
    else await writeLines(context.io.stdout, revoked.map(certificateLine));
    return EXIT.ok;
  });
}

/** One per line: the file of `perftrawl agent --revoked`. */
async function runRevoked(context: CommandContext): Promise<ExitCode> {
  return context.withApp(async (app) => {
    const revoked = (await app.identities.certificates()).filter(({ state }) => state === 'revoked');
    if (context.isJson) await writeJson(context.io, { revoked });
    else
      await writeLines(
        context.io.stdout,
        revoked.map(({ fingerprint, role, name }) => `${fingerprint} # ${role} ${name}`),
      );
    return EXIT.ok;
  });
}

export function caCommand(session: CliSession) {
  const init = new Command('init')
    .description('make the root certificate; its key never leaves this machine')
    .option('--dir <directory>', 'where to keep it (default: ~/.config/perftrawl/ca)')
    .addHelpText('after', examples([{ does: 'once per fleet', line: 'perftrawl ca init' }]))
    .action(async (flags) => session.end(await runInitCa(session.context(), { directory: flags.dir })));
  const issue = new Command('issue')
    .description('issue a certificate for an agent, a controller, a server or a user')
    .argument('<name>', 'of the host in the inventory, or of the user')
    .option('--dir <directory>', 'where the CA is (default: ~/.config/perftrawl/ca)')
    .option(
      '--address <names>',
      'further DNS names and IP addresses it is good for; comma separated or several times',
      (value: string, previous: readonly string[] | undefined): readonly string[] => [...(previous ?? []), value],
    )
    .option('--role <role>', `${CERTIFICATE_ROLES.slice(0, -1).join(', ')} or ${CERTIFICATE_ROLES.at(-1)}`, 'agent')
    .option('--days <days>', 'how long it is good for', '365')
    .addHelpText(
      'after',
      examples([
        {
          does: 'an agent that is reached by name and by address',
          line: 'perftrawl ca issue web1 --address web1.example.net,10.0.0.11',
        },
        { does: 'this workstation', line: 'perftrawl ca issue controller --role controller' },
        { does: 'a server, by its name', line: 'perftrawl ca issue perf.example.net --role server' },
        { does: 'somebody who uses the server', line: 'perftrawl ca issue alice --role user' },
      ]),
    )
    .action(async (name, flags) => session.end(await runIssue(session.context(), parseIssue(name, flags))));
  const ls = new Command('ls')
    .description(
      'list the certificates beside the root and those of hosts that have enrolled, and whether they are still good',
    )
    .option('--dir <directory>', 'where the CA is (default: ~/.config/perftrawl/ca)')
    .addHelpText('after', examples([{ does: 'what ends when', line: 'perftrawl ca ls' }]))
    .action(async (flags) => session.end(await runListCertificates(session.context(), { directory: flags.dir })));
  const revoke = new Command('revoke')
    .description('end what certificates are good for, at once and for good; hosts that have them are cut off')
    .argument('<certificate>', 'a name (all that are good), a serial number or a SHA-256 fingerprint')
    .addHelpText('after', examples([{ does: 'the key of a host was stolen', line: 'perftrawl ca revoke db7' }]))
    .action(async (which) => session.end(await runRevoke(session.context(), which)));
  const revoked = new Command('revoked')
    .description('the fingerprints of revoked certificates, one per line, for agents that listen (--revoked)')
    .addHelpText(
      'after',
      examples([{ does: 'to be copied to the agents', line: 'perftrawl ca revoked > revoked.txt' }]),
    )
    .action(async () => session.end(await runRevoked(session.context())));
  return new Command('ca')
    .description('certificates: of agents, controllers, servers and users')
    .addCommand(init)
    .addCommand(issue)
    .addCommand(ls)
    .addCommand(revoke)
    .addCommand(revoked)
    .addHelpText(
      'after',
      examples([
        {
          does: 'from nothing to a trusted agent',
          line: 'perftrawl ca init && perftrawl ca issue controller --role controller && perftrawl ca issue web1',
        },
      ]),
    );
}

function directoryOf(context: CommandContext, given: string | undefined): string {
  return given === undefined
    ? join(configDirectory(context.io.env, context.io.homeDirectory || homedir()), 'ca')
    : resolve(given);
}

async function report(
  context: CommandContext,
  what: string,
  made: IssuedCertificate,
  next: readonly string[],
): Promise<void> {
  if (context.isJson) {
    await writeJson(context.io, made);
    return;
  }
  await writeLines(context.io.stdout, [
    what,
    `  certificate  ${made.certPath}`,
    `  key          ${made.keyPath}`,
    `  SHA-256      ${made.fingerprint}`,
    `  good until   ${momentText(made.notAfter)} UTC`,
    ...next,
  ]);
}
