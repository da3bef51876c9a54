// `perftrawl completion bash|zsh|fish`: a script for the shell, which asks `perftrawl complete-words` for candidates.
import { Command } from '@commander-js/extra-typings';
import { type CliSession, examples } from '../command.js';
import type { CommandContext } from '../context.js';
import { EXIT, type ExitCode } from '../exit-codes.js';
import { write, writeJson } from '../io.js';
import { parseChoice } from '../options/numbers.js';

export type Shell = 'bash' | 'zsh' | 'fish';

/** @throws UsageError */
function parseShell(text: string): Shell {
  return parseChoice('completion', text, ['bash', 'zsh', 'fish'] as const);
}

/** Each asks for candidates with the words up to the cursor; no answer means file names. */
const COMPLETION_SCRIPTS: Record<Shell, string> = {
  bash: `_perftrawl() {
  local IFS=$'\\n'
  local words=("\${COMP_WORDS[@]:1:COMP_CWORD}")
  COMPREPLY=($(perftrawl complete-words -- "\${words[@]}" 2>/dev/null))
}
complete -o default -F _perftrawl perftrawl
`,
  zsh: `#compdef perftrawl
_perftrawl() {
  local -a candidates
  candidates=("\${(@f)$(perftrawl complete-words -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  candidates=(\${candidates:#})
  if (( \${#candidates} )); then compadd -Q -- "\${candidates[@]}"; else _files; fi
}
compdef _perftrawl perftrawl
`,
  fish: `function __perftrawl_complete
  set -l words (commandline -opc) (commandline -ct)
  perftrawl complete-words -- $words[2..-1] 2>/dev/null
end
complete -c perftrawl -a '(__perftrawl_complete)'
`,
};

async function runCompletion(context: CommandContext, shell: Shell): Promise<ExitCode> {
  const script = COMPLETION_SCRIPTS[shell];
  if (context.isJson) await writeJson(context.io, { shell, script });
  else await write(context.io.stdout, script);
  return EXIT.ok;
}

export function completionCommand(session: CliSession) {
  return new Command('completion')
    .description('print a completion script for bash, zsh or fish')
    .argument('<shell>', 'bash, zsh or fish')
    .addHelpText(
      'after',
      examples([
        { does: 'bash, now', line: 'source <(perftrawl completion bash)' },
        { does: 'zsh, for good', line: 'perftrawl completion zsh > "$' + '{fpath[1]}/_perftrawl"' },
        { does: 'fish, for good', line: 'perftrawl completion fish > ~/.config/fish/completions/perftrawl.fish' },
      ]),
    )
    .action(async (shell) => session.end(await runCompletion(session.context(), parseShell(shell))));
}
