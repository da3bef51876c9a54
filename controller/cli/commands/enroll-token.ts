// `perftrawl enroll-token [create]|ls|revoke`: what hosts need to become part of the fleet by themselves.
import { Command } from '@commander-js/extra-typings';
import type { EnrollToken, NewEnrollToken } from '../../enroll/identities.js';
import { type CliSession, examples } from '../command.js';
import type { CommandContext } from '../context.js';
import { EXIT, type ExitCode } from '../exit-codes.js';
import { writeJson, writeLines } from '../io.js';
import { parseLifetime } from '../options/duration.js';
import { parseWhole } from '../options/numbers.js';
import { fitTable } from '../render/fit-table.js';
import { momentText } from '../render/time-text.js';
import { UsageError } from '../usage-error.js';

/** As commander hands them over. */
interface CreateFlags {
  readonly labels?: string | undefined;
  readonly ttl: string;
  readonly uses: string;
  readonly namePattern: string;
  readonly days: string;
  readonly replace?: true | undefined;
}

const DAY = 86_400_000;

/** @throws UsageError */
function parseCreate(flags: CreateFlags): NewEnrollToken {
  return {
    labels: parseLabels(flags.labels ?? ''),
    namePattern: flags.namePattern,
    ttl: parseLifetime('--ttl', flags.ttl),
    uses: parseWhole('--uses', flags.uses, 1, 100_000),
    certificateLife: parseWhole('--days', flags.days, 1, 3650) * DAY,
    mayReplace: flags.replace === true,
  };
}

/** `role=db,region=eu` */
function parseLabels(text: string): Readonly<Record<string, string>> {
  const pairs = text === '' ? [] : text.split(',').map((pair) => pair.split('='));
  const wrong = pairs.find(([key = '', ...value]) => key.trim() === '' || value.length !== 1);
  if (wrong !== undefined) throw new UsageError(`--labels: '${wrong.join('=')}' is no label, such as role=db`);
  return Object.fromEntries(pairs.map(([key = '', value = '']) => [key.trim(), value.trim()]));
}

async function runCreate(context: CommandContext, request: NewEnrollToken): Promise<ExitCode> {
  return context.withApp(async (app) => {
    const { token, text } = await app.identities.createToken(request);
    if (context.isJson) {
      await writeJson(context.io, { token, text });
      return EXIT.ok;
    }
    await writeLines(context.io.stderr, [
      `token ${token.id}: for ${token.uses} hosts called ${token.namePattern}, until ${momentText(token.expires)} UTC`,
      'it is shown this once; on each host:',
      '  perftrawl agent enroll --server HOST:PORT --token-file FILE',
    ]);
    await writeLines(context.io.stdout, [text]);
    return EXIT.ok;
  });
}

async function runList(context: CommandContext): Promise<ExitCode> {
  const { io } = context;
  return context.withApp(async (app) => {
    const tokens = await app.identities.tokens();
    if (context.isJson) {
      await writeJson(io, { tokens });
      return EXIT.ok;
    }
    const columns = [
      ...[{ heading: 'TOKEN' }, { heading: 'HOSTS' }, { heading: 'NAMES' }, { heading: 'LABELS' }],
      { heading: 'STATE', isFlexible: true as const },
    ];
    const rows = tokens.map((token) => {
      const labels = Object.entries(token.labels).map(([key, value]) => `${key}=${value}`);
      return [
        token.id,
        `${token.used} of ${token.uses}`,
        token.namePattern,
        labels.join(' '),
        stateText(token, io.now()),
      ];
    });
    await writeLines(io.stdout, fitTable(columns, rows, io.columns));
    return EXIT.ok;
  });
}

function stateText({ revoked, expires, used, uses, mayReplace }: EnrollToken, now: number): string {
  if (revoked !== 0) return `revoked ${momentText(revoked)}`;
  if (expires <= now) return `ended ${momentText(expires)}`;
  if (used >= uses) return 'used up';
  return `good until ${momentText(expires)}${mayReplace ? ', may replace' : ''}`;
}

async function runRevoke(context: CommandContext, id: string): Promise<ExitCode> {
  return context.withApp(async (app) => {
    const token = await app.identities.revokeToken(id);
    if (context.isJson) await writeJson(context.io, { token });
    else await writeLines(context.io.stdout, [`revoked ${token.id}; the ${token.used} hosts that have used it stay`]);
    return EXIT.ok;
  });
}

export function enrollTokenCommand(session: CliSession) {
  const create = new Command('create')
    .description('make a token by which hosts become part of the fleet; prints it, once')
    .option('--labels <labels>', 'what its hosts are labelled with, such as role=db,region=eu')
    .option('--ttl <duration>', 'how long it is good', '1h')
    .option('--uses <hosts>', 'for how many hosts', '1')
    .option('--name-pattern <glob>', 'how its hosts have to be called', '*')
    .option('--days <days>', 'how long their certificates are good; agents renew them by themselves', '7')
    .option('--replace', 'its hosts may take names that others have enrolled with, who are cut off then')
    .addHelpText(
      'after',
      examples([
        { does: 'for fifty database hosts', line: 'perftrawl enroll-token --labels role=db --ttl 1h --uses 50' },
        { does: 'db7 was installed anew', line: 'perftrawl enroll-token --name-pattern db7 --replace' },
      ]),
    )
    .action(async (flags) => session.end(await runCreate(session.context(), parseCreate(flags))));
  const list = new Command('ls')
    .description('list the tokens; never their secrets')
    .addHelpText('after', examples([{ does: 'which are still good?', line: 'perftrawl enroll-token ls' }]))
    .action(async () => session.end(await runList(session.context())));
  const revoke = new Command('revoke')
    .description('end a token; hosts that have used it stay')
    .argument('<token>', 'its id, as `ls` shows it')
    .addHelpText('after', examples([{ does: 'it has leaked', line: 'perftrawl enroll-token revoke 0123456789abcdef' }]))
    .action(async (id) => session.end(await runRevoke(session.context(), id)));
  return new Command('enroll-token')
    .description('tokens by which hosts become part of the fleet and dial in')
    .addCommand(create, { isDefault: true })
    .addCommand(list)
    .addCommand(revoke)
    .addHelpText(
      'after',
      examples([{ does: 'for one host, within the hour', line: 'perftrawl enroll-token --labels role=web' }]),
    );
}
