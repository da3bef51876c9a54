// `fold` and `agent` run without the controller: bin/perftrawl starts them itself. They are listed here for the help.
import { Command } from '@commander-js/extra-typings';
import { type CliSession, examples } from '../command.js';
import { UsageError } from '../usage-error.js';

export function foldCommand(_session: CliSession) {
  return elsewhere(
    'fold',
    'perf.data or `perf script` text to folded stacks on stdout; replaces `perf script | stackcollapse-perf.pl`',
  ).addHelpText(
    'after',
    examples([
      { does: 'a recording', line: 'perftrawl fold perf.data > out.folded' },
      { does: 'no file at all', line: 'perf record -a -g -o - sleep 5 | perftrawl fold - > out.folded' },
      { does: 'all its options', line: 'perftrawl fold --help' },
    ]),
  );
}

export function agentCommand(_session: CliSession) {
  return elsewhere('agent', 'serve captures of this host, on stdio, a unix socket or a port with mTLS').addHelpText(
    'after',
    examples([
      {
        does: 'on a host whose address in the inventory is tls://…:7451',
        line: 'perftrawl agent --listen 0.0.0.0:7451 --ca ca.crt --cert web1.crt --key web1.key',
      },
      { does: 'all its options', line: 'perftrawl agent --help' },
    ]),
  );
}

export function policyCommand(_session: CliSession) {
  return elsewhere('policy', 'check a policy file, what a host allows; or print an example').addHelpText(
    'after',
    examples([
      { does: 'is it sound, and what holds with it?', line: 'perftrawl policy check policy.yaml --network' },
      { does: 'all its options', line: 'perftrawl policy --help' },
    ]),
  );
}

function elsewhere(name: string, description: string) {
  return new Command(name)
    .description(description)
    .argument('[arguments...]')
    .helpOption(false)
    .allowUnknownOption()
    .action(() => {
      throw new UsageError(`${name}: put it first, as in \`perftrawl ${name} …\`; it takes none of the global options`);
    });
}
