// `perftrawl completion bash|zsh|fish`: a script for the shell, which asks `perftrawl complete-words` for candidates.
import { Command } from '@commander-js/extra-typings';
import type { Milliseconds } from '../../../proto/capture.js';
import { type CliSession, examples } from '../command.js';
import type { CommandContext } from '../context.js';
import { EXIT, type ExitCode } from '../exit-codes.js';
import { write, writeJson } from '../io.js';
import { parseChoice } from '../options/numbers.js';

export type Shell = 'bash' | 'zsh' | 'fish';

/** For all names: a shell that waits longer is worse than one that offers nothing. */
export const COMPLETION_PATIENCE: Milliseconds = 5000;

/** @throws UsageError */
function parseShell(text: string): Shell {
  return parseChoice('completion', text, ['bash', 'zsh', 'fish'] as const);
}

/** Each asks for candidates with the words up to the cursor; no answer means file names. */
const COMPLETION_SCRIPTS: Record<Shell, string> = {
  bash: `_perftrawl() {
  local cuts=\${COMP_WORDBREAKS//[^:=]/} rest=\${COMP_LINE:0:COMP_POINT} words=() n=-1 i part typed candidate
  # Bash cuts words at : and =, as in JOB:HOST and name=HOST: what stands together on the line is put together again.
  for ((i = 0; i <= COMP_CWORD; i++)); do
    part=\${rest#"\${rest%%[![:space:]]*}"}
    if [[ i -eq 0 || $part != "$rest" ]]; then words[++n]=; fi
    rest=$part part=\${COMP_WORDS[i]}
    if ((i == COMP_CWORD)); then part=$rest; fi
    words[n]+=$part rest=\${rest#"$part"}
  done
  # What it takes for the word that is being typed begins after the last cut.
  typed=\${words[n]}
  if [[ -n $cuts ]]; then typed=\${typed%"\${typed##*[$cuts]}"}; else typed=; fi
  COMPREPLY=()
  while IFS= read -r candidate; do
    COMPREPLY+=("\${candidate#"$typed"}")
  done < <(perftrawl complete-words -- "\${words[@]:1}" 2>/dev/null)
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
      `
It completes commands, options and their values, and names: of hosts, jobs, schedules, teams and SystemTap scripts, JOB:HOST, and hosts
of the job that the command line names. They come from the store, or the server, that the command would use; where that does not
answer within ${COMPLETION_PATIENCE / 1000} s, file names are offered.`,
    )
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
