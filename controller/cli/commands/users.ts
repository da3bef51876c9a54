// `perftrawl users add|ls|revoke|whoami`: who may use a server, and as what.
import { Command } from '@commander-js/extra-typings';
import { ROLES, type Role } from '../../users/role.js';
import type { NewUser, User } from '../../users/users.js';
import { type CliSession, examples } from '../command.js';
import type { CommandContext } from '../context.js';
import { EXIT, type ExitCode } from '../exit-codes.js';
import { writeJson, writeLines } from '../io.js';
import { parseLifetime } from '../options/duration.js';
import { parseChoice } from '../options/numbers.js';
import { fitTable } from '../render/fit-table.js';
import { momentText } from '../render/time-text.js';

/** As commander hands them over. */
interface AddFlags {
  readonly role: string;
  readonly team?: string | undefined;
  readonly ttl?: string | undefined;
  /** False with `--no-token`. */
  readonly token: boolean;
}

/** @throws UsageError */
function parseAdd(name: string, flags: AddFlags): NewUser {
  const role: Role = parseChoice('--role', flags.role, ROLES);
  const ttl = flags.ttl === undefined ? undefined : parseLifetime('--ttl', flags.ttl);
  return { name, role, ...(flags.team === undefined ? {} : { team: flags.team }), ttl, withToken: flags.token };
}

async function runAdd(context: CommandContext, request: NewUser): Promise<ExitCode> {
  return context.withApp(async (app) => {
    const { user, token } = await app.users.add(request);
    if (context.isJson) {
      await writeJson(context.io, { user, ...(token === undefined ? {} : { token }) });
      return EXIT.ok;
    }
    const until = user.expires === 0 ? '' : ` until ${momentText(user.expires)} UTC`;
    await writeLines(context.io.stderr, [
      `${user.name} is ${user.role} now${until}`,
      token === undefined
        ? `known by a certificate: perftrawl ca issue ${user.name} --role user`
        : 'the token below is shown this once; give it to PERFTRAWL_TOKEN or to --token-file',
    ]);
    if (token !== undefined) await writeLines(context.io.stdout, [token]);
    return EXIT.ok;
  });
}

async function runList(context: CommandContext): Promise<ExitCode> {
  const { io } = context;
  return context.withApp(async (app) => {
    const users = await app.users.list();
    if (context.isJson) {
      await writeJson(io, { users });
      return EXIT.ok;
    }
    const columns = [
      ...[
        { heading: 'USER' },
        { heading: 'ROLE' },
        { heading: 'TEAM' },
        { heading: 'BY' },
        { heading: 'CREATED (UTC)' },
      ],
      { heading: 'STATE', isFlexible: true as const },
    ];
    const rows = users.map((user) => [
      ...[user.name, user.role, user.team, user.hasToken ? 'token' : 'certificate', momentText(user.created)],
      stateText(user, io.now()),
    ]);
    await writeLines(io.stdout, fitTable(columns, rows, io.columns));
    return EXIT.ok;
  });
}

function stateText({ expires, revoked }: User, now: number): string {
  if (revoked !== 0) return `revoked ${momentText(revoked)}`;
  if (expires === 0) return 'good';
  return expires <= now ? `ended ${momentText(expires)}` : `good until ${momentText(expires)}`;
}

async function runRevoke(context: CommandContext, name: string): Promise<ExitCode> {
  return context.withApp(async (app) => {
    const user = await app.users.revoke(name);
    if (context.isJson) await writeJson(context.io, { user });
    else await writeLines(context.io.stdout, [`revoked ${user.name}`]);
    return EXIT.ok;
  });
}

async function runWhoami(context: CommandContext): Promise<ExitCode> {
  return context.withApp(async (app) => {
    const caller = await app.users.whoami();
    if (context.isJson) {
      await writeJson(context.io, caller);
      return EXIT.ok;
    }
    const until = caller.expires === 0 ? '' : `, until ${momentText(caller.expires)} UTC`;
    await writeLines(context.io.stdout, [`${caller.name}, ${caller.role}, known by ${caller.by}${until}`]);
    return EXIT.ok;
  });
}

export function usersCommand(session: CliSession) {
  const add = new Command('add')
    .description('let somebody use the server; prints a token, once')
    .argument('<name>', 'small letters, digits, dots and dashes')
    .option('--role <role>', 'viewer (reads), operator (captures) or admin (keeps users, deletes)', 'viewer')
    .option('--team <team>', 'whose quota his jobs count against (default: default)')
    .option('--ttl <duration>', 'how long it is good, such as 30d (default: until revoked)')
    .option('--no-token', 'known by a client certificate of that name only')
    .addHelpText(
      'after',
      examples([{ does: 'a colleague who captures', line: 'perftrawl users add alice --role operator --ttl 30d' }]),
    )
    .action(async (name, flags) => session.end(await runAdd(session.context(), parseAdd(name, flags))));
  const list = new Command('ls')
    .description('list the users, also those who were revoked')
    .addHelpText('after', examples([{ does: 'who may do what?', line: 'perftrawl users ls' }]))
    .action(async () => session.end(await runList(session.context())));
  const revoke = new Command('revoke')
    .description('end what a user may do, at once and for good')
    .argument('<user>', 'the name')
    .addHelpText('after', examples([{ does: 'a token was lost', line: 'perftrawl users revoke alice' }]))
    .action(async (name) => session.end(await runRevoke(session.context(), name)));
  const whoami = new Command('whoami')
    .description('who the server takes you for')
    .addHelpText('after', examples([{ does: 'does my token work?', line: 'perftrawl users whoami' }]))
    .action(async () => session.end(await runWhoami(session.context())));
  return new Command('users')
    .description('who may use the server, and as what')
    .addCommand(list, { isDefault: true })
    .addCommand(add)
    .addCommand(revoke)
    .addCommand(whoami)
    .addHelpText('after', examples([{ does: 'a dashboard that only reads', line: 'perftrawl users add grafana' }]));
}
